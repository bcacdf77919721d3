// One timer for many times: it looks at what is due, and is told when to look next.
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

export class Alarm {
  readonly #clock: Clock.Clock
  readonly #look: (now: number) => number
  /** When it looks next: first as soon as it runs. */
  #at = Number.NEGATIVE_INFINITY
  /** It waits for a time that is too late. */
  #wake: (() => void) | undefined

  /** `look` does what is due and returns the time of the next that will be. */
  constructor(clock: Clock.Clock, look: (now: number) => number) {
    this.#clock = clock
    this.#look = look
  }

  /** Looks at that time at the latest. */
  by(at: number): void {
    if (at >= this.#at) return
    this.#at = at
    this.#wake?.()
  }

  /** It works as long as this runs. */
  readonly run: Effect.Effect<never> = Effect.forever(
    Effect.suspend(() => {
      const now = this.#clock.currentTimeMillisUnsafe()
      if (now >= this.#at) this.#ring(now)
      const asked = Effect.callback<void>((resume) => {
        this.#wake = () => resume(Effect.void)
        return Effect.sync(() => {
          this.#wake = undefined
        })
      })
      if (this.#at === Number.POSITIVE_INFINITY) return asked
      // On a clock in fractions it could be forever a little too early.
      return Effect.timeoutOption(asked, Math.max(1, Math.ceil(this.#at - now)))
    }),
    { disableYield: true }
  )

  #ring(now: number): void {
    this.#at = Number.POSITIVE_INFINITY
    const next = this.#look(now)
    // What it did may have led to a time that it has not seen.
    this.#at = Math.min(this.#at, next)
  }
}
