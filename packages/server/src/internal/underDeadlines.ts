import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Deadlines from "../Deadlines.ts"
import type { Handler } from "../Handler.ts"
import type { Watch } from "./Watch.ts"

/** The server tells of each deadline that passes: nothing is left to fail with. */
export const underDeadlines = <E, R>(
  options: Deadlines.DeadlineOptions | "unbounded",
  handler: Handler<E, R>,
  watch: Watch
): Effect.Effect<Handler<E, R>, never, Scope.Scope> => {
  if (options === "unbounded") return Effect.succeed(handler)
  const { onExceeded } = options
  const deadlines = Deadlines.make({
    ...options,
    onExceeded: (error, connection) => {
      watch.exceeded(error, connection)
      onExceeded?.(error, connection)
    }
  })
  return Effect.map(deadlines, ({ guard }) => {
    const guarded = guard(handler)
    const isTold = (error: E | Deadlines.DeadlineExceeded) => error instanceof Deadlines.DeadlineExceeded
    return (connection) => Effect.catchIf(guarded(connection), isTold, () => Effect.void)
  })
}
