// What the kernel says of a process. Linux only: elsewhere these figures are left out.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"

export const isKnown: boolean = existsSync("/proc/thread-self/children") && existsSync("/proc/self/schedstat") &&
  existsSync("/proc/self/clear_refs")

export interface Time {
  /** On a CPU, all threads together. */
  readonly running: number
  /**
   * The main thread was ready to run and was not let, less the time in which other threads of the process ran: bound to one
   * core they are what it waits for otherwise.
   */
  readonly heldUp: number
}

/**
 * Since it was started, with the processes that it has started, in seconds, from the scheduler's nanoseconds: the ticks of
 * `stat` are 10 ms each.
 */
export const time = (pid: number): Time => {
  let running = 0
  let heldUp = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${thread}`
    const [ran = 0, waited = 0] = readFileSync(`${folder}/schedstat`, "utf8").split(" ").map(Number)
    running += ran / 1e9
    heldUp += (Number(thread) === pid ? waited : -ran) / 1e9
    for (const child of readFileSync(`${folder}/children`, "utf8").trim().split(" ").filter(Boolean)) {
      const its = time(Number(child))
      running += its.running
      heldUp += its.heldUp
    }
  }
  return { running, heldUp }
}

const status = (pid: number, name: string): number =>
  1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1])

/** Resident bytes now. */
export const resident = (pid: number): number => status(pid, "VmRSS")

/** The most that was resident since `resetPeak`. */
export const peakResident = (pid: number): number => status(pid, "VmHWM")

export const resetPeak = (pid: number): void => writeFileSync(`/proc/${pid}/clear_refs`, "5")
