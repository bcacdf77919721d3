import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { inTurn } from "../src/internal/inTurn.ts"

it.effect("one after the other, however many there are and whatever is done when it returns, on a bounded stack", () =>
  Effect.gen(function*() {
    const count = 100_000
    const all = Array.from({ length: count }, (_, index) => index)
    const now = <A>(value: A) => Effect.succeed(value)
    const later = <A>(value: A) => Effect.sync(() => value)
    for (const [run, use] of [[now, now], [now, later], [later, now], [later, later]] as const) {
      let next = 0
      let ended = 0
      yield* inTurn(all, {
        run,
        use: (index) => {
          assert.strictEqual(index, next++)
          return use(undefined)
        },
        last: () => {
          ended++
          return Effect.void
        }
      })
      assert.deepStrictEqual([next, ended], [count, 1])
    }
  }))
