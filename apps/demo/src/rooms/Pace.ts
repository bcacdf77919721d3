// How fast one client may say something: a second's worth at once, and then that many a second.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import { Refused } from "./Messages.ts"

export interface Pace {
  /** Suspends until there is a turn: who is not read any further is slowed by TCP. */
  readonly wait: Effect.Effect<void>
  /** Refuses who has no turn, and says when there will be one. */
  readonly ask: Effect.Effect<void, Refused>
}

/** A bucket of its own, which goes with the connection. */
export const make = (rate: number): Effect.Effect<Pace> =>
  Effect.map(Effect.provide(RateLimiter.make, Layer.fresh(RateLimiter.layerStoreMemory)), (limiter) => {
    const consume = (onExceeded: "delay" | "fail") =>
      limiter.consume({ algorithm: "token-bucket", key: "", limit: rate, onExceeded, window: "1 second" })
    return {
      // A store in memory does not fail, and who is delayed is not refused.
      wait: Effect.orDie(
        Effect.flatMap(consume("delay"), ({ delay }) => Duration.isZero(delay) ? Effect.void : Effect.sleep(delay))
      ),
      ask: consume("fail").pipe(
        Effect.catchReason(
          "RateLimiterError",
          "RateLimitExceeded",
          ({ retryAfter }) =>
            Effect.fail(
              new Refused({
                reason: "TooFast",
                message: `too fast: again in ${Math.ceil(Duration.toMillis(retryAfter))} ms`
              })
            )
        ),
        Effect.catchTag("RateLimiterError", Effect.die),
        Effect.asVoid
      )
    }
  })
