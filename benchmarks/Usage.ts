// What the kernel says of a process. Linux only: elsewhere these figures are left out.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"

export const isKnown: boolean = existsSync("/proc/self/schedstat") && existsSync("/proc/self/clear_refs")

export interface Time {
  /** On a CPU, all threads together. */
  readonly running: number
  /** Ready to run, and not let. */
  readonly waiting: number
}

/** In seconds, from the scheduler's nanoseconds: the ticks of `stat` are 10 ms each. */
export const time = (pid: number): Time => {
  let [running, waiting] = [0, 0]
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const [ran, waited] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")
    running += Number(ran) / 1e9
    waiting += Number(waited) / 1e9
  }
  return { running, waiting }
}

const status = (pid: number, name: string): number =>
  1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1])

/** Resident bytes now. */
export const resident = (pid: number): number => status(pid, "VmRSS")

/** The most that was resident since `resetPeak`. */
export const peakResident = (pid: number): number => status(pid, "VmHWM")

export const resetPeak = (pid: number): void => writeFileSync(`/proc/${pid}/clear_refs`, "5")
