// Effects that are over before they are run.
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

interface Prototyped {
  readonly __proto__?: unknown
}

const success: unknown = Reflect.getPrototypeOf(Exit.void)

/** It has succeeded already, and needs no fiber to run it. */
export const isDone = <A, E, R>(effect: Effect.Effect<A, E, R> & Prototyped): effect is Exit.Success<A> =>
  // It is asked of every answer: Exit.isExit costs as much as the rest of it, Reflect.getPrototypeOf half of that, and this nothing.
  effect.__proto__ === success
