import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Bytes from "./Bytes.ts"

const windowMillis = 1000
const linesAWindow = 20

export interface Complaints {
  readonly write: (line: string) => Effect.Effect<void>
  /** Counts what was left out since the last line. */
  readonly end: Effect.Effect<void>
}

/**
 * Writes lines about peers to standard error, 20 a second at most: how many there are is the peers' choice, how many are
 * written is not. What was left out is counted before the next line that is written, and at the end.
 */
export const make = (): Complaints => {
  let windowEnds = 0
  let written = 0
  let left = 0
  const end = Effect.suspend(() => {
    const count = left
    left = 0
    return count === 0 ? Effect.void : Console.error(`framewire: ${count} more lines left out`)
  })
  const write = (line: string) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (now >= windowEnds) {
        windowEnds = now + windowMillis
        written = 0
      }
      if (written === linesAWindow) {
        left++
        return Effect.void
      }
      written++
      return Effect.andThen(end, Console.error(Bytes.visible(line)))
    })
  return { write, end }
}
