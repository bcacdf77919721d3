// A runtime that yields wherever it may, so that what only seems to be one step falls apart.
import * as Effect from "effect/Effect"
import * as Scheduler from "effect/Scheduler"

class CapriciousScheduler extends Scheduler.MixedScheduler {
  #state: number

  constructor(seed: number) {
    super()
    this.#state = seed
  }

  override shouldYield(): boolean {
    this.#state = Math.imul(this.#state, 1_664_525) + 1_013_904_223 >>> 0
    return this.#state >>> 24 < 64
  }
}

/** Runs it as one of many orders, the same one for the same seed as far as the kernel lets it. */
export const capricious = (seed: number) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(effect, Scheduler.Scheduler, new CapriciousScheduler(seed))
