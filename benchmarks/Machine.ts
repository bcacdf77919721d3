// Where it was measured.
import { cpus, loadavg, release, totalmem, type } from "node:os"
import { canPin, canPrecede } from "./Child.ts"
import { generator } from "./LoadGenerator.ts"

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memory: number
  readonly node: string
  readonly kernel: string
  /** Processes that wanted the CPU, in the last minute before the run. */
  readonly load: number
  /** What makes the figures worth less. */
  readonly warnings: ReadonlyArray<string>
}

export const describe = (): Machine => {
  const all = cpus()
  const [load = 0] = loadavg()
  const { problem } = generator()
  const warnings = [
    ...load > 0.3 ? [`the machine is not idle: load average ${load.toFixed(2)}`] : [],
    ...all.length < 2 ? ["there is one core: what serves and what asks share it"] : [],
    ...canPin ? [] : ["no taskset: nothing is bound to a core"],
    ...canPrecede ? [] : ["no chrt -f, which is root's: what asks in `attack` waits behind the attackers"],
    ...problem === undefined ? [] : [`${problem}; the load comes from Node, which may be slower than the server`]
  ]
  return {
    cpu: all[0]?.model ?? "unknown",
    cores: all.length,
    memory: totalmem(),
    node: process.version,
    kernel: `${type()} ${release()}`,
    load,
    warnings
  }
}
