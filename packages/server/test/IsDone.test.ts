import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { isDone } from "../src/internal/isDone.ts"

it.effect("says of an effect what Exit says", () =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(Effect.succeed(1), { startImmediately: true })
    const effects: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
      Effect.void,
      Effect.succeed(1),
      Exit.succeed("x"),
      yield* Effect.exit(Effect.sync(() => 2)),
      yield* Fiber.await(fiber),
      Effect.fail(1),
      Effect.die(1),
      Effect.interrupt,
      yield* Effect.exit(Effect.fail(1)),
      Effect.sync(() => 1),
      Effect.suspend(() => Effect.void),
      Effect.never,
      Effect.gen(function*() {})
    ]
    const done = effects.map((effect) => Exit.isExit(effect) && Exit.isSuccess(effect))
    assert.deepStrictEqual(effects.map(isDone), done)
    assert.deepStrictEqual(done.filter((it) => it).length, 5)
  }))
