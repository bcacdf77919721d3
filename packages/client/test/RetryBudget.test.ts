import { assert, describe, it } from "@effect/vitest"
import { RequestError, RetryBudget } from "@framewire/client"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"

const failure = (delivery: RequestError.Delivery) =>
  new RequestError.RequestError({ delivery, reason: new RequestError.LineClosed({ by: "peer" }) })

/** Fails each time, and counts. */
const failing = (delivery: RequestError.Delivery) => {
  const tries = { count: 0 }
  const effect = Effect.suspend(() => {
    tries.count++
    return Effect.fail(failure(delivery))
  })
  return { tries, effect }
}

const schedule = Schedule.recurs(3)

describe("RetryBudget", () => {
  it.effect("retries what was not sent, and what may have been only where that is asked for", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget.make()
      for (
        const [delivery, expected, idempotent] of [
          ["NotSent", 4, 4],
          ["MaybeSent", 1, 4],
          ["Answered", 1, 1]
        ] as const
      ) {
        const { effect, tries } = failing(delivery)
        yield* Effect.flip(RetryBudget.retry(budget, { schedule })(effect))
        assert.strictEqual(tries.count, expected)
        tries.count = 0
        yield* Effect.flip(RetryBudget.retry(budget, { schedule, while: RetryBudget.isUnanswered })(effect))
        assert.strictEqual(tries.count, idempotent)
      }
    }))

  it.effect("is a part of what is asked, and a floor", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget.make({ ratio: 0.2, perSecond: 10, reserve: 5 })
      const { effect, tries } = failing("NotSent")
      const ask = (times: number) =>
        Effect.gen(function*() {
          tries.count = 0
          for (let i = 0; i < times; i++) yield* Effect.flip(RetryBudget.retry(budget, { schedule })(effect))
          return tries.count - times
        })
      // The reserve, and one for five.
      assert.strictEqual(yield* ask(50), 5 + 9)
      yield* TestClock.adjust("300 millis")
      assert.strictEqual(yield* ask(1), 3)
      yield* TestClock.adjust("1 hours")
      assert.strictEqual(yield* ask(2), 5)
    }))

  it.effect("hedges: the first answer counts, a second try only after a while and within the budget", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget.make({ reserve: 1, perSecond: 0, ratio: 0 })
      let tries = 0
      const slowFirst = Effect.suspend(() => {
        const mine = ++tries
        return Effect.delay(Effect.succeed(mine), mine === 1 ? "10 seconds" : "1 seconds")
      })
      const hedged = yield* Effect.forkChild(RetryBudget.hedge(budget, "2 seconds")(slowFirst))
      yield* TestClock.adjust("1999 millis")
      assert.strictEqual(tries, 1)
      yield* TestClock.adjust("1001 millis")
      assert.strictEqual(yield* Fiber.join(hedged), 2)
      tries = 0
      const spent = yield* Effect.forkChild(RetryBudget.hedge(budget, "2 seconds")(slowFirst))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(spent), 1)
      assert.strictEqual(tries, 1)
    }))
})
