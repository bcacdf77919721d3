// What has arrived on a connection and nobody has received yet, and how receiving ends.
import * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import type { ReceiveError } from "../TransportError.ts"

export type Received = Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, ReceiveError>

/** How receiving ends: by the peer's FIN, or by an error. */
export type End = Exit.Exit<never, ReceiveError | Cause.Done>

const secondReceiver = Effect.die(new Error("receive is already running in another fiber of this connection"))

/** What a batch needs before the next one may come. */
export type Handle<E, R> = (batch: Arr.NonEmptyReadonlyArray<Uint8Array>) => Effect.Effect<void, E, R>

/** A handler that throws is a defect of its fiber, and not of the platform that brings the bytes. */
const attempt = <E, R>(handled: () => Effect.Effect<void, E, R>): Effect.Effect<void, E, R> => {
  try {
    return handled()
  } catch (defect) {
    return Effect.die(defect)
  }
}

/** It succeeded already, and needs no fiber to run it. */
const isDone = (effect: Effect.Effect<void, unknown, unknown>): boolean => Exit.isExit(effect) && Exit.isSuccess(effect)

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
  /** Looks at what is there, as often as something comes. */
  #waiter: (() => void) | undefined
  readonly #filler: Filler

  constructor(filler: Filler) {
    super()
    this.#filler = filler
  }

  override asEffect(): Received {
    // Takes the bytes and passes them on in one step of the fiber, so that no interruption comes between and loses them.
    if (this.#chunks.length > 0) return Effect.sync(() => this.#take())
    return this.end ?? Effect.callback((resume) =>
      this.#wait(resume, () => {
        this.#waiter = undefined
        resume(this)
      })
    )
  }

  /** Gives each batch to `handle` in the very step in which it comes, for as long as that has nothing to wait for. */
  each<E, R>(handle: Handle<E, R>): Effect.Effect<void, E | ReceiveError, R> {
    return Effect.callback((resume) => {
      // What the handler sends can come back before it returns, on a transport in memory.
      let handling = false
      const look = () => {
        if (handling) return
        handling = true
        let handled: Effect.Effect<void, E, R> = Effect.void
        while (this.#chunks.length > 0 && isDone(handled)) handled = attempt(() => handle(this.#take()))
        handling = false
        const { end } = this
        if (isDone(handled) && end === undefined) return
        this.#waiter = undefined
        if (!isDone(handled)) resume(Effect.andThen(handled, this.each(handle)))
        else if (end !== undefined) resume(Pull.catchDone(end, () => Effect.void))
      }
      return this.#wait<void, E | ReceiveError, R>(resume, look)
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

  /** Lets whoever waits look, if there is something to see. */
  wake(): void {
    if (this.#isReady()) this.#waiter?.()
  }

  #wait<A, E, R>(
    resume: (effect: Effect.Effect<A, E, R>) => void,
    look: () => void
  ): Effect.Effect<void> | undefined {
    if (this.#waiter !== undefined) {
      resume(secondReceiver)
      return undefined
    }
    this.#waiter = look
    // The runtime may have yielded since somebody looked.
    if (this.#isReady()) look()
    else this.#filler.wanted()
    return Effect.sync(() => {
      if (this.#waiter === look) this.#waiter = undefined
    })
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
