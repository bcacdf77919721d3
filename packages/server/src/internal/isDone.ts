// Effects that are over before they are run.
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** It has succeeded already, and needs no fiber to run it. */
export const isDone = <A, E, R>(effect: Effect.Effect<A, E, R>): effect is Exit.Success<A> =>
  Exit.isExit(effect) && Exit.isSuccess(effect)
