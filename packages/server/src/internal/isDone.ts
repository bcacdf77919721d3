// Effects that are over before they are run.
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

// It is asked of every answer, and Exit.isExit costs as much as the rest of it.
const success = Reflect.getPrototypeOf(Exit.void)

/** It has succeeded already, and needs no fiber to run it. */
export const isDone = <A, E, R>(effect: Effect.Effect<A, E, R>): effect is Exit.Success<A> =>
  Reflect.getPrototypeOf(effect) === success
