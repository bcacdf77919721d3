/**
 * How much may be asked again: a part of what is asked, so that clients do not multiply the load of a server that fails.
 *
 * ```text
 * a first try   + 0.2       each second   + 10        at most 100
 * a retry       - 1, or none where there is not 1
 * ```
 *
 * **Source**: Finagle, RetryBudget.
 *
 * @since 0.1.0
 */
import { InvalidOption } from "@framewire/core"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { schedule } from "./Reconnect.ts"
import { RequestError } from "./RequestError.ts"

/**
 * What is left for retries. Share one between all that go to the same servers.
 *
 * @category models
 * @since 0.1.0
 */
export interface RetryBudget {
  /** A first try: it earns a part of a retry. */
  readonly deposit: Effect.Effect<void>
  /** Takes one retry; false where none is left. */
  readonly withdraw: Effect.Effect<boolean>
}

/**
 * How much may be asked again.
 *
 * @category options
 * @since 0.1.0
 */
export interface RetryBudgetOptions {
  /** Retries for each first try. Default 0.2. */
  readonly ratio?: number
  /** Retries a second that are there for few first tries, too. Default 10. */
  readonly perSecond?: number
  /** Retries that are saved for later at most, and are there to begin with. Default 100. */
  readonly reserve?: number
}

const amount = InvalidOption.number(0)

/**
 * A full budget.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: RetryBudgetOptions = {}): Effect.Effect<RetryBudget> =>
  Effect.clockWith((clock) =>
    Effect.sync(() => {
      InvalidOption.check(options, { ratio: amount, perSecond: amount, reserve: amount })
      const { perSecond = 10, ratio = 0.2, reserve = 100 } = options
      let left = reserve
      let since = clock.currentTimeMillisUnsafe()
      const earn = (more: number) => {
        const now = clock.currentTimeMillisUnsafe()
        left = Math.min(reserve, left + more + perSecond * Math.max(0, now - since) / 1000)
        since = now
      }
      return {
        deposit: Effect.sync(() => earn(ratio)),
        withdraw: Effect.sync(() => {
          earn(0)
          if (left < 1) return false
          left--
          return true
        })
      }
    })
  )

/**
 * Whether a request certainly was not sent, so that asking again is safe whatever it does.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isUnsent = (error: unknown): boolean =>
  error instanceof RequestError && error.delivery === "NotSent" && error.reason._tag !== "MessageError"

/**
 * Whether asking again is safe where to ask twice does no more than to ask once: it may have been sent, or was not.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isUnanswered = (error: unknown): boolean =>
  isUnsent(error) || error instanceof RequestError && error.delivery === "MaybeSent"

/**
 * Which failures are asked again, and when.
 *
 * @category options
 * @since 0.1.0
 */
export interface RetryOptions {
  /** Default `isUnsent`; `isUnanswered` only for what may happen twice. */
  readonly while?: (error: unknown) => boolean
  /** Default `Reconnect.schedule`, three times. */
  readonly schedule?: Schedule.Schedule<unknown>
}

/**
 * Asks again within the budget; where that is spent, the failure is the last one.
 *
 * @category running
 * @since 0.1.0
 */
export const retry =
  (budget: RetryBudget, options: RetryOptions = {}) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    const may = options.while ?? isUnsent
    return Effect.andThen(
      budget.deposit,
      Effect.retry(self, {
        schedule: options.schedule ?? threeTimes,
        while: (error) => may(error) ? budget.withdraw : Effect.succeed(false)
      })
    )
  }

const threeTimes = Schedule.upTo(schedule, { times: 3 })

/**
 * Asks a second time where the first has no answer after a while, and takes the answer that comes first: for a pool, and
 * only for what may happen twice. The second is paid from the budget, and its failure is none.
 *
 * @category running
 * @since 0.1.0
 */
export const hedge =
  (budget: RetryBudget, after: Duration.Input) =>
  <A, E, R>(idempotent: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    InvalidOption.check({ after }, { after: InvalidOption.duration })
    const second = Effect.flatMap(
      Effect.delay(budget.withdraw, after),
      (may) => may ? Effect.catchCause(idempotent, () => Effect.never) : Effect.never
    )
    return Effect.andThen(budget.deposit, Effect.raceFirst(idempotent, second))
  }
