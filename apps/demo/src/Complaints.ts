import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"

const windowMillis = 1000
const linesAWindow = 20

/**
 * Writes lines about peers to standard error, 20 a second at most: how many there are is the peers' choice, how many are
 * written is not. What was left out is counted in the next line that is written.
 */
export const make = (): (line: string) => Effect.Effect<void> => {
  let windowEnds = 0
  let written = 0
  let left = 0
  return (line) =>
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
      const lines = left === 0 ? line : `framewire: ${left} more lines left out\n${line}`
      left = 0
      return Console.error(lines)
    })
}
