// What has arrived on a connection and nobody has received yet, and how receiving ends.
import * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import type { ReceiveError } from "../TransportError.ts"

export type Received = Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, ReceiveError>

/** How receiving ends: by the peer's FIN, or by an error. */
export type End = Exit.Exit<never, ReceiveError | Cause.Done>

const secondReceiver = "receive is already running in another fiber of this connection"

/** `wanted` is called when somebody waits for bytes, and when all that were here have been taken. */
export class Inbox {
  /** Bytes that wait. */
  size = 0
  /** What receive gives when nothing is left, decided once. */
  end: End | undefined
  readonly receive: Received

  #chunks: Array<Uint8Array> = []
  #waiter: ((ready: Exit.Exit<void, ReceiveError | Cause.Done>) => void) | undefined

  constructor(wanted: () => void) {
    const take = Effect.sync(() => {
      const chunks = this.#chunks
      if (!Arr.isArrayNonEmpty(chunks)) throw new Error(secondReceiver)
      this.#chunks = []
      this.size = 0
      wanted()
      return chunks
    })
    // Waiting and taking are two steps: the take passes its bytes on within its own step of the fiber, so that no
    // interruption comes between and loses them.
    this.receive = Effect.flatMap(
      Effect.callback<void, ReceiveError | Cause.Done>((resume) => {
        if (this.#waiter !== undefined) return resume(Effect.die(new Error(secondReceiver)))
        const ready = this.#ready()
        if (ready !== undefined) return resume(ready)
        this.#waiter = resume
        wanted()
        return Effect.sync(() => {
          if (this.#waiter === resume) this.#waiter = undefined
        })
      }),
      () => take
    )
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
    const ready = resume === undefined ? undefined : this.#ready()
    if (resume === undefined || ready === undefined) return
    this.#waiter = undefined
    resume(ready)
  }

  #ready(): Exit.Exit<void, ReceiveError | Cause.Done> | undefined {
    return this.#chunks.length > 0 ? Exit.void : this.end
  }
}
