// What has arrived on a connection and nobody has received yet, and how receiving ends.
import type * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import type { ReceiveError } from "../TransportError.ts"
import { isDone } from "./isDone.ts"

export type Received = Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, ReceiveError>

/** How receiving ends: by the peer's FIN, or by an error, made when somebody receives it: most ends nobody does. */
export type End = Effect.Effect<never, ReceiveError | Cause.Done>

const secondReceiver = Effect.die(new Error("receive is already running in another fiber of this connection"))

/** What a batch needs before the next one may come. */
export type Handle<E, R> = (
  batch: Arr.NonEmptyReadonlyArray<Uint8Array>,
  headroom: number
) => Effect.Effect<void, E, R>

/** A handler that throws is a defect of its fiber, and not of the platform that brings the bytes. */
const attempt = <E, R>(handled: () => Effect.Effect<void, E, R>): Effect.Effect<void, E, R> => {
  try {
    return handled()
  } catch (defect) {
    return Effect.die(defect)
  }
}

/** The headroom of what is lent and overwritten. */
const spoiledRoom = 65_536

/** Who waits at an inbox. */
interface Waiter {
  /** Looks at what is there, as often as something comes. */
  look(): void
  /** It uses bytes at once, and does not keep them. */
  readonly borrows: boolean
  borrow(chunk: Uint8Array, headroom: number): void
}

type Resume<A, E, R> = (effect: Effect.Effect<A, E, R>) => void

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

  /** None where there are none: most connections are idle. */
  #chunks: Arr.NonEmptyArray<Uint8Array> | undefined
  #waiter: Waiter | undefined
  readonly #filler: Filler
  /** What is lent has headroom and is overwritten as soon as a platform might: for tests. */
  readonly spoils: boolean

  constructor(filler: Filler, spoils = false) {
    super()
    this.#filler = filler
    this.spoils = spoils
  }

  override asEffect(): Received {
    // Takes the bytes and passes them on in one step of the fiber, so that no interruption comes between and loses them.
    if (this.hasBytes) return Effect.sync(() => this.take())
    return this.end ?? Effect.callback((resume) => {
      const look = () => {
        this.leave(waiter)
        resume(this)
      }
      const waiter: Waiter = { look, borrows: false, borrow: look }
      return this.wait(waiter, resume)
    })
  }

  /** Gives each batch to `handle` in the very step in which it comes, for as long as that has nothing to wait for. */
  each<E, R>(handle: Handle<E, R>, borrows: boolean): Effect.Effect<void, E | ReceiveError, R> {
    return new Each(this, handle, borrows)
  }

  get hasBytes(): boolean {
    return this.#chunks !== undefined
  }

  /** Whether it is this one who waits. */
  isWaitedFor(waiter: Waiter): boolean {
    return this.#waiter === waiter
  }

  /** It waits no longer. */
  leave(waiter: Waiter): void {
    if (this.#waiter === waiter) this.#waiter = undefined
  }

  /** Somebody waits for bytes, or the end. */
  get isWaiting(): boolean {
    return this.#waiter !== undefined
  }

  /** Takes what nobody is to receive. */
  takeAll(): ReadonlyArray<Uint8Array> {
    const chunks = this.#chunks ?? []
    this.#chunks = undefined
    this.size = 0
    return chunks
  }

  /** Adds a chunk, for `wake` to tell of. */
  add(chunk: Uint8Array): void {
    if (this.#chunks === undefined) this.#chunks = [chunk]
    else this.#chunks.push(chunk)
    this.size += chunk.length
  }

  /** Gives a chunk to whoever uses it at once; not where somebody waits for it longer, or others come before it. */
  lend(chunk: Uint8Array, headroom: number): boolean {
    const waiter = this.#waiter
    if (waiter?.borrows !== true || this.hasBytes) return false
    waiter.borrow(chunk, headroom)
    return true
  }

  /** The first end counts. What has arrived is received before it. */
  finish(end: End): void {
    this.end ??= end
    this.wake()
  }

  /** Lets whoever waits look, if there is something to see. */
  wake(): void {
    if (this.#isReady()) this.#waiter?.look()
  }

  /** From now on it is told; or the fiber hears that somebody else is. */
  wait<A, E, R>(waiter: Waiter, resume: Resume<A, E, R>): Effect.Effect<void> | undefined {
    if (this.#waiter !== undefined) {
      resume(secondReceiver)
      return undefined
    }
    this.#waiter = waiter
    // The runtime may have yielded since somebody looked.
    if (this.#isReady()) waiter.look()
    else this.#filler.wanted()
    return new Leave(this, waiter)
  }

  #isReady(): boolean {
    return this.hasBytes || this.end !== undefined
  }

  /** What is there. Only one who has seen that something is. */
  take(): Arr.NonEmptyReadonlyArray<Uint8Array> {
    const chunks = this.#chunks
    if (chunks === undefined) throw new Error("another fiber has received what was there")
    this.#chunks = undefined
    this.size = 0
    this.#filler.wanted()
    return chunks
  }
}

// An idle connection holds the following two, and no closures.

/** The effect that gives all batches to a handler, and who waits for them. */
class Each<E, R> extends Effectable.Class<void, E | ReceiveError, R> implements Waiter {
  readonly #inbox: Inbox
  readonly #handle: Handle<E, R>
  readonly borrows: boolean
  #resume: Resume<void, E | ReceiveError, R> | undefined
  // More can come while a batch is taken and handled, on a transport in memory: what the handler sends, for one.
  #handling = false

  constructor(inbox: Inbox, handle: Handle<E, R>, borrows: boolean) {
    super()
    this.borrows = borrows
    this.#inbox = inbox
    this.#handle = handle
  }

  override asEffect(): Effect.Effect<void, E | ReceiveError, R> {
    return Effect.callback((resume) => this.#wait(resume))
  }

  // What a callback is resumed with runs on top of it: each batch that has to be waited for would stay on the stack of the fiber. So
  // this one ends before, which takes memory that a connection which only waits does not need.
  get #again(): Effect.Effect<void, E | ReceiveError, R> {
    return Effect.flatten(
      Effect.callback<Effect.Effect<void, E | ReceiveError, R>>((resume) =>
        this.#wait((next) => resume(Exit.succeed(next)))
      )
    )
  }

  #wait(resume: Resume<void, E | ReceiveError, R>): Effect.Effect<void> | undefined {
    if (!this.#inbox.isWaiting) this.#resume = resume
    return this.#inbox.wait(this, resume)
  }

  look(): void {
    if (this.#handling) return
    const inbox = this.#inbox
    this.#handling = true
    while (inbox.isWaitedFor(this) && inbox.hasBytes) {
      if (this.borrows && inbox.spoils) this.#giveSpoiled(inbox.take())
      else this.#give(inbox.take(), 0)
    }
    this.#handling = false
    if (inbox.isWaitedFor(this) && inbox.end !== undefined) this.#stop(Pull.catchDone(inbox.end, () => Effect.void))
  }

  borrow(chunk: Uint8Array, headroom: number): void {
    this.#handling = true
    this.#give([chunk], headroom)
    this.#handling = false
    this.look()
  }

  /** As platforms lend: behind headroom, and overwritten afterwards. */
  #giveSpoiled([first, ...others]: Arr.NonEmptyReadonlyArray<Uint8Array>): void {
    const buffer = new Uint8Array(spoiledRoom + first.length)
    buffer.set(first, spoiledRoom)
    this.#give([buffer.subarray(spoiledRoom), ...others], spoiledRoom)
    for (const chunk of [buffer, ...others]) chunk.fill(0xdd)
  }

  #give(batch: Arr.NonEmptyReadonlyArray<Uint8Array>, headroom: number): void {
    const handled = attempt(() => this.#handle(batch, headroom))
    if (!isDone(handled)) this.#stop(Effect.andThen(handled, this.#again))
  }

  #stop(next: Effect.Effect<void, E | ReceiveError, R>): void {
    this.#inbox.leave(this)
    this.#resume?.(next)
  }
}

/** The effect that ends a wait. */
class Leave extends Effectable.Class<void> {
  readonly #inbox: Inbox
  readonly #waiter: Waiter

  constructor(inbox: Inbox, waiter: Waiter) {
    super()
    this.#inbox = inbox
    this.#waiter = waiter
  }

  override asEffect(): Effect.Effect<void> {
    this.#inbox.leave(this.#waiter)
    return Effect.void
  }
}
