// One thing after the other, without a fiber for as long as each is done when it returns.
import * as Effect from "effect/Effect"
import { isDone } from "./isDone.ts"

/** Runs `each` for all from the index on, then `last`. */
export const inTurn = <A, E, R>(
  all: ReadonlyArray<A>,
  each: (one: A) => Effect.Effect<void, E, R>,
  last: () => Effect.Effect<void, E, R>,
  from = 0
): Effect.Effect<void, E, R> => {
  for (let index = from; index < all.length; index++) {
    const effect = each(all[index]!)
    if (!isDone(effect)) return Effect.flatMap(effect, () => inTurn(all, each, last, index + 1))
  }
  return last()
}
