/** Effects that are over before they are run. */
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** It has succeeded already, and needs no fiber to run it. */
export const isDone = (effect: Effect.Effect<unknown, unknown, unknown>): boolean =>
  Exit.isExit(effect) && Exit.isSuccess(effect)
