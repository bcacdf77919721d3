// As many fibers as requests may be in flight, each of which asks again when it is answered.
import * as Effect from "effect/Effect"
import type { Numbers, Total } from "../rpc/Sum.ts"
import { inFlight, isRunning, next } from "./harness.ts"

export const asking = <E>(ask: (numbers: Numbers) => Effect.Effect<Total, E>): Effect.Effect<void, E> =>
  Effect.all(
    Array.from({ length: inFlight }, () =>
      Effect.gen(function*() {
        for (let i = 0; isRunning(); i++) {
          const { answered, asked } = next(i)
          answered(yield* ask(asked))
        }
      })),
    { concurrency: "unbounded", discard: true }
  )
