// How near this process is to its limit of open descriptors. Beyond the limit libuv closes every client that waits in the
// kernel's queue, with a clean FIN, and node:net emits nothing: so who accepts has to stop before.
//
// process.report would tell the limit on every platform, but takes 2 ms, and resolves the names of all peers on the way
// unless told otherwise; /proc/self/limits is the same number in 40 us, and without /proc the open ones cannot be counted.
import { readdirSync, readFileSync, statSync } from "node:fs"

// Since Linux 6.2 the directory's size is the count, in 10 us. Before, and that costs 10 ms for 4,000, it has to be listed;
// the listing is itself a descriptor.
const countOpen = (): number => statSync("/proc/self/fd").size || readdirSync("/proc/self/fd").length - 1

/** Reading /proc takes a descriptor, of which there can be none, and containers can be without it. */
const attempt = <A>(read: () => A, otherwise: A): A => {
  try {
    return read()
  } catch {
    return otherwise
  }
}

const maxBetweenSamples = 512

// Of the process, not of a listener: all listeners take from the same descriptors.
let limit = Infinity
let reserve = 0
let untilSample = 0
let shortUntil = 0

/** Reads the limit, which can have been raised since the last listener was made. */
export const refresh = (): void => {
  if (process.platform !== "linux") return
  const limits = attempt(() => readFileSync("/proc/self/limits", "latin1"), undefined)
  if (limits === undefined) return
  const [, soft = "Infinity"] = /^Max open files\s+(\d+)/m.exec(limits) ?? []
  limit = Number(soft)
  reserve = Math.min(64, Math.max(8, Math.floor(limit / 16)))
  untilSample = 0
  shortUntil = 0
}

/** How many this process may still open, as far as can be told. */
export const free = (): number | undefined => {
  const open = limit === Infinity ? undefined : attempt(countOpen, undefined)
  return open === undefined ? undefined : Math.max(0, limit - open)
}

/** Whether the descriptor that was just accepted should be given back. To be asked once for each. */
export const isShort = (): boolean => {
  if (limit === Infinity || --untilSample > 0) return false
  const start = performance.now()
  // Who is shed gives back what it took: nothing has changed much.
  if (start < shortUntil) return true
  const free = limit - attempt(countOpen, limit)
  if (free < reserve) {
    // Where counting is dear, it takes a tenth of the time at most.
    shortUntil = start + 10 * (performance.now() - start)
    return true
  }
  // Others may open as many meanwhile.
  untilSample = Math.min(maxBetweenSamples, Math.floor(free / 2))
  return false
}
