// Whether the peer of a line still speaks.
import * as Duration from "effect/Duration"
import type { Heartbeat } from "../Heartbeat.ts"

export class Pulse {
  readonly #interval: number
  readonly #misses: number
  /** Asks the peer to speak. */
  readonly #ping: () => void
  /** When something came last. */
  #heard: number
  /** Since then. */
  #pings = 0
  #isChecking = false

  constructor({ interval = "25 seconds", misses = 2 }: Heartbeat<unknown>, now: number, ping: () => void) {
    this.#interval = Duration.toMillis(interval)
    this.#misses = Math.max(2, misses)
    this.#ping = ping
    this.#heard = now
  }

  hear(now: number): void {
    this.#heard = now
    this.#pings = 0
    this.#isChecking = false
  }

  silence(now: number): number {
    return now - this.#heard
  }

  /** Whether it has spoken for so long; if not, it is asked, and false until it has answered. */
  lives(now: number, millis: number, isBusy: boolean): boolean {
    if (this.#isChecking) return false
    // Of 0, too: what it has said just now is enough.
    if (isBusy || now - this.#heard <= millis) return true
    this.#isChecking = true
    this.#ping()
    return false
  }

  /** Asks a peer that is silent; the time of the next look, or undefined where it is gone. */
  look(now: number): number | undefined {
    const missed = Math.floor((now - this.#heard) / this.#interval)
    if (missed >= this.#misses) return undefined
    if (missed > this.#pings) {
      this.#pings = missed
      this.#ping()
    }
    return this.#heard + (missed + 1) * this.#interval
  }
}
