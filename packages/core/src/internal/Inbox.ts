// What has arrived on a connection and nobody has received yet, and how receiving ends.
import * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import type * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import type { ReceiveError } from "../TransportError.ts"

export type Received = Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, ReceiveError>

/** How receiving ends: by the peer's FIN, or by an error. */
export type End = Exit.Exit<never, ReceiveError | Cause.Done>

const secondReceiver = Effect.die(new Error("receive is already running in another fiber of this connection"))

/** Who fills an inbox. */
export interface Filler {
  /** Somebody waits for bytes, or has taken all that were here. */
  readonly wanted: () => void
}

/** It is the effect that receives: what waits for nothing takes no memory for it. */
export class Inbox extends Effectable.Class<Arr.NonEmptyReadonlyArray<Uint8Array>, ReceiveError | Cause.Done> {
  /** Bytes that wait. */
  size = 0
  /** What receive gives when nothing is left, decided once. */
  end: End | undefined

  #chunks: Array<Uint8Array> = []
  #waiter: ((receive: Received) => void) | undefined
  readonly #filler: Filler

  constructor(filler: Filler) {
    super()
    this.#filler = filler
  }

  override asEffect(): Received {
    // Takes the bytes and passes them on in one step of the fiber, so that no interruption comes between and loses them.
    if (this.#chunks.length > 0) return Effect.sync(() => this.#take())
    return this.end ?? Effect.callback((resume) => {
      if (this.#waiter !== undefined) return resume(secondReceiver)
      // The runtime may have yielded since.
      if (this.#isReady()) return resume(this)
      this.#waiter = resume
      this.#filler.wanted()
      return Effect.sync(() => {
        this.#waiter = undefined
      })
    })
  }

  /** Somebody waits for bytes, or the end. */
  get isWaiting(): boolean {
    return this.#waiter !== undefined
  }

  /** Takes what nobody is to receive. */
  takeAll(): ReadonlyArray<Uint8Array> {
    const chunks = this.#chunks
    this.#chunks = []
    this.size = 0
    return chunks
  }

  /** Adds a chunk, for `wake` to tell of. */
  add(chunk: Uint8Array): void {
    this.#chunks.push(chunk)
    this.size += chunk.length
  }

  /** The first end counts. What has arrived is received before it. */
  finish(end: End): void {
    this.end ??= end
    this.wake()
  }

  /** Resumes whoever waits, if there is something for it. */
  wake(): void {
    const resume = this.#waiter
    if (resume === undefined || !this.#isReady()) return
    this.#waiter = undefined
    resume(this)
  }

  #isReady(): boolean {
    return this.#chunks.length > 0 || this.end !== undefined
  }

  #take(): Arr.NonEmptyReadonlyArray<Uint8Array> {
    const chunks = this.#chunks
    if (!Arr.isArrayNonEmpty(chunks)) throw new Error("another fiber has received what was there")
    this.#chunks = []
    this.size = 0
    this.#filler.wanted()
    return chunks
  }
}
