// What all watchers share: the framing, the allowance of frames to show, the memory, the counts.
import type { Codec } from "@framewire/framing"
import * as Effect from "effect/Effect"
import type { Hub } from "./Hub.ts"
import type { Rate, Side } from "./TapEvent.ts"

const sizeClasses = 8

const emptyRate = () => ({ bytes: 0, frames: 0, sizes: Array.from({ length: sizeClasses }, () => 0), left: 0 })

export class Watch {
  readonly hub: Hub
  readonly atMost: number
  framing: Codec.Framing | "chunks" | undefined
  /** Bytes of frames that are not whole, and of streams whose framing is not known yet. */
  held = 0
  #allowed: number
  #rates = { client: emptyRate(), server: emptyRate() }

  /** Shows at most `atMost` frames a second; the others are counted. */
  constructor(hub: Hub, framing: Codec.Framing | undefined, atMost: number) {
    this.hub = hub
    this.framing = framing
    this.atMost = atMost
    this.#allowed = atMost
  }

  /** Frames that may still be shown in this second. */
  get allowed(): number {
    return this.#allowed
  }

  count(from: Side, size: number): void {
    const rate = this.#rates[from]
    rate.frames++
    // Two bits of the size a class, from the fifth on.
    const place = Math.min(sizeClasses - 1, Math.max(0, ((33 - Math.clz32(size)) >> 1) - 2))
    rate.sizes[place]!++
  }

  passed(from: Side, bytes: number): void {
    this.#rates[from].bytes += bytes
  }

  show(): void {
    this.#allowed--
  }

  leave(from: Side, frames: number): void {
    this.#rates[from].left += frames
  }

  /** What was counted since the last call; a new second begins. */
  turn(): { readonly client: Rate; readonly server: Rate } {
    const rates = this.#rates
    this.#rates = { client: emptyRate(), server: emptyRate() }
    this.#allowed = this.atMost
    return rates
  }

  /** Tells what was counted, each second. */
  seconds(open: Effect.Effect<number>): Effect.Effect<never> {
    return Effect.forever(Effect.andThen(
      Effect.sleep("1 second"),
      Effect.map(open, (open) => this.hub.tell({ _tag: "Rates", open, ...this.turn() }))
    ))
  }
}
