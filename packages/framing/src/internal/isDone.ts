/** Effects that are over before they are run. */
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

interface Prototyped {
  readonly __proto__?: unknown
}

const success: unknown = Reflect.getPrototypeOf(Exit.void)

/** It has succeeded already, and needs no fiber to run it. */
export const isDone = (effect: Effect.Effect<unknown, unknown, unknown> & Prototyped): boolean =>
  // Asked of every batch. Exit.isExit looks for a key in what may be any kind of effect, which V8 cannot foresee.
  effect.__proto__ === success
