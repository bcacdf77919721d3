// Takes whoever comes from the listener, and goes on where accepting fails for a reason that passes.
import type { Listener, TransportError } from "@framewire/core"
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { Serving } from "./Serving.ts"
import type { Watch } from "./Watch.ts"

// A client that is gone again, no descriptors: a success begins it anew; what has not passed by then does not.
const backoff = Schedule.exponential("5 millis").pipe(
  Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, Duration.seconds(1)))),
  Schedule.upTo({ duration: "1 minute" })
)

export interface Intake<R> {
  /** The last accept has not failed. */
  readonly isWell: () => boolean
  /** Done when the listener has been drained. */
  readonly run: Effect.Effect<never, TransportError.ListenError | Cause.Done, R>
}

export const make = <R>(listener: Listener.Listener, serving: Serving<R>, watch: Watch): Intake<R> => {
  let well = true
  const acceptOne = Effect.suspend(() => {
    const scope = Scope.makeUnsafe()
    return Effect.flatMap(Scope.provide(listener.accept, scope), (connection) => {
      well = true
      return serving.enter(connection, scope)
    })
  })
  const failed = (error: TransportError.ListenError) =>
    Effect.suspend(() => {
      well = false
      watch.acceptFailed(error)
      return Effect.fail(error)
    })
  // A schedule costs more than an accept: there is one only once an accept has failed.
  const orRetry = (error: TransportError.ListenError) => {
    let next: typeof acceptOne = failed(error)
    return Effect.retry(
      Effect.suspend(() => {
        const now = next
        next = Effect.catchTag(acceptOne, "ListenError", failed)
        return now
      }),
      { schedule: backoff, while: (error) => error._tag === "ListenError" && error.retry !== "never" }
    )
  }
  return { isWell: () => well, run: Effect.forever(Effect.catchTag(acceptOne, "ListenError", orRetry)) }
}
