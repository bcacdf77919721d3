import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Deadlines from "../Deadlines.ts"
import type { Handler } from "../Handler.ts"
import type { Watch } from "./Watch.ts"

/** The server tells of each deadline that passes, and counts the frames. */
export const underDeadlines = <E, R>(
  options: Deadlines.DeadlineOptions | "unbounded",
  handler: Handler<E, R>,
  watch: Watch
): Effect.Effect<Handler<E | Deadlines.DeadlineExceeded, R>, never, Scope.Scope> => {
  if (options === "unbounded") return Effect.succeed(handler)
  const { onExceeded, onFrames } = options
  const deadlines = Deadlines.make({
    ...options,
    onExceeded: (error, connection) => {
      watch.exceeded(error, connection)
      onExceeded?.(error, connection)
    },
    onFrames: (frames, direction) => {
      watch.framed(frames, direction)
      onFrames?.(frames, direction)
    }
  })
  return Effect.map(deadlines, ({ guard }) => guard(handler))
}
