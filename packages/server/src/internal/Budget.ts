// Bytes that may wait for many: above them whoever holds the most gives first.
import * as Context from "effect/Context"
import type { Drop } from "../Broadcast.ts"

/** Somebody for whom bytes wait. */
export interface Holder {
  readonly counts: { readonly waiting: number; readonly waitingBytes: number }
  /** Frees what it can, at least something. */
  readonly give: () => void
}

export class Budget {
  readonly #limit: number
  readonly #onChange: ((bytes: number) => void) | undefined
  readonly #holders = new Set<Holder>()
  #bytes = 0

  constructor(limit: number | "unbounded", onChange?: (bytes: number) => void) {
    this.#limit = limit === "unbounded" ? Infinity : limit
    this.#onChange = onChange
  }

  /** It holds so many more. */
  hold(holder: Holder, bytes: number): void {
    this.#bytes += bytes
    if (holder.counts.waiting > 0) this.#holders.add(holder)
    else this.#holders.delete(holder)
    this.#onChange?.(this.#bytes)
  }

  shed(): void {
    while (this.#bytes > this.#limit) {
      const [first, ...others] = this.#holders
      others.reduce((most, each) => each.counts.waitingBytes > most.counts.waitingBytes ? each : most, first!).give()
    }
  }
}

/** What a server has for the broadcasts that its handlers join. */
export interface Shared {
  readonly budget: Budget
  readonly dropped: (drop: Drop) => void
}

export const Shared: Context.Reference<Shared | undefined> = Context.Reference("@framewire/server/internal/Shared", {
  defaultValue: (): Shared | undefined => undefined
})
