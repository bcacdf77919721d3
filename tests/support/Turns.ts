// The turns of the event loop, for what has to leave others theirs.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** Which turn it is, counted until the scope closes. */
export const turns: Effect.Effect<() => number, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      const count = () => {
        counter.turn++
        counter.next = setImmediate(count)
      }
      const counter = { turn: 0, next: setImmediate(count) }
      return counter
    }),
    (counter) => Effect.sync(() => clearImmediate(counter.next))
  ),
  (counter) => () => counter.turn
)

/** Of things that happened in these turns, how many in one. */
export const mostInOne = (happenedIn: ReadonlyArray<number>): number =>
  Math.max(...happenedIn.map((turn) => happenedIn.filter((each) => each === turn).length))
