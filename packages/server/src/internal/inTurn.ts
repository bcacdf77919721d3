// One thing after the other, without a fiber for as long as each is done when it returns.
import * as Effect from "effect/Effect"
import { isDone } from "./isDone.ts"

/** What is done with each of many. */
export interface Course<in A, B, out E, out R> {
  readonly run: (one: A) => Effect.Effect<B, E, R>
  /** With what it gave; nothing where nothing has to be waited for. */
  readonly use: (given: B) => Effect.Effect<void, E, R> | undefined
  /** Before it waits for one. */
  readonly pause?: () => void
  /** When all are done. */
  readonly last: () => Effect.Effect<void, E, R>
}

/** All of them, from the index on. */
export const inTurn = <A, B, E, R>(
  all: ReadonlyArray<A>,
  course: Course<A, B, E, R>,
  from = 0
): Effect.Effect<void, E, R> => {
  for (let index = from; index < all.length; index++) {
    const running = course.run(all[index]!)
    if (!isDone(running)) {
      course.pause?.()
      return Effect.flatMap(running, (given) => {
        const used = course.use(given)
        const rest = () => inTurn(all, course, index + 1)
        return used === undefined ? rest() : Effect.flatMap(used, rest)
      })
    }
    const used = course.use(running.value)
    // Not by a call of itself: how often that would be is the peer's choice.
    if (used !== undefined && !isDone(used)) return Effect.flatMap(used, () => inTurn(all, course, index + 1))
  }
  return course.last()
}
