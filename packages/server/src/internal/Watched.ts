// A connection whose progress is noted, and looked at from time to time: what passes is counted, and only a sweep compares.
import { type Connection, Delegate } from "@framewire/core"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import type { DeadlineExceeded, DeadlineOptions, Progress } from "../Deadlines.ts"
import { isDone } from "./isDone.ts"

/** Milliseconds, where `Infinity` never passes; bytes a second, where every frame has 0. */
export interface Limits {
  readonly firstFrame: number
  readonly frame: number
  readonly minRate: number
  readonly readIdle: number
}

export interface Age {
  /** Milliseconds from the beginning. */
  readonly ages: number
  readonly graceMillis: number
}

/** What a look can find. */
export type Verdict = "aged" | "stuck" | Pick<DeadlineExceeded, "which" | "afterMillis">

type Received = Connection.Connection["receive"]
type OnFrames = NonNullable<DeadlineOptions["onFrames"]>
type Batch = NonEmptyReadonlyArray<Uint8Array>
type Handle<E, R> = (batch: Batch, headroom: number) => Effect.Effect<void, E, R>

// A frame has this long before its rate is judged: a stall of a few seconds is the network's.
const rateMillis = 10_000

export class Watched extends Delegate.Delegate implements Progress {
  exceeded: DeadlineExceeded | undefined
  working = 0

  readonly #limits: Limits
  readonly #fiber: Fiber.Fiber<unknown, unknown>
  readonly #opened: number
  readonly #age: Age
  readonly #onFrames: OnFrames
  #aging: Latch.Latch | undefined
  #retired = false
  #interrupted = false

  // One of each for all who ask, and none where nobody receives by them.
  #receive: Received | undefined
  #observed: Received | undefined
  /** Bytes that the handler got. */
  #received = 0
  /** The handler wants more. */
  #receiving = false
  #frames = 0
  /** Where the frame that is not whole begins in the stream: which one it is. -1 where there is none, or nobody says. */
  #begun = -1
  /** Somebody says where frames begin. */
  #framed = false

  // As the last look has seen it.
  #looked: number
  #wasReceiving = false
  #seen = 0
  #seenFrame = -1
  // Milliseconds of waiting for the peer.
  #waited = 0
  #idle = 0
  #inFrame = 0

  constructor(
    inner: Connection.Connection,
    limits: Limits,
    fiber: Fiber.Fiber<unknown, unknown>,
    opened: number,
    age: Age,
    onFrames: OnFrames
  ) {
    super(inner)
    this.#limits = limits
    this.#fiber = fiber
    this.#opened = opened
    this.#looked = opened
    this.#age = age
    this.#onFrames = onFrames
  }

  took(frames: number, pending: number): void {
    this.#framed = true
    this.#frames += frames
    this.#onFrames(frames, "receive")
    this.#begun = pending === 0 ? -1 : this.#received - pending
  }

  gave(frames: number): void {
    this.#onFrames(frames, "transmit")
  }

  override get receive(): Received {
    const receive: Received = this.#receive ??= Effect.withFiber((fiber) => {
      // As Framed does: a yield between the bytes and who gets them would lose them if he is interrupted.
      if (2 * fiber.currentOpCount > fiber.cache.maxOpsBeforeYield) {
        return Effect.flatMap(Effect.yieldNow, () => receive)
      }
      this.#receiving = true
      return this.#observed ??= Effect.onExit(this.inner.receive, (exit) => {
        // Whoever was interrupted does not wait for the peer either.
        this.#receiving = false
        if (Exit.isSuccess(exit)) this.#got(exit.value)
        return Effect.void
      })
    })
    return receive
  }

  override get receiveEach() {
    return this.#each(this.inner.receiveEach)
  }

  override get lendEach() {
    return this.#each(this.inner.lendEach)
  }

  #each(each: Connection.Each): Connection.Each {
    return (handle) =>
      Effect.suspend(() => {
        this.#receiving = true
        return Effect.onExit(each(this.#hearing(handle)), () => {
          this.#receiving = false
          return Effect.void
        })
      })
  }

  #hearing<E, R>(handle: Handle<E, R>): Handle<E, R> {
    return (batch, headroom) => {
      this.#got(batch)
      const handled = handle(batch, headroom)
      if (isDone(handled)) return handled
      this.#receiving = false
      return Effect.map(handled, () => {
        this.#receiving = true
      })
    }
  }

  /** Also when this connection alone has to end. */
  override get draining() {
    return Effect.suspend(() => {
      this.#aging ??= Latch.makeUnsafe(this.#retired)
      return Effect.raceFirst(this.inner.draining, this.#aging.await)
    })
  }

  /** Lets the handler end by itself. */
  get retire(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#retired = true
      this.#aging?.openUnsafe()
      return this.inner.shutdownRead
    })
  }

  end(error: DeadlineExceeded): Effect.Effect<unknown> {
    this.exceeded = error
    return this.inner.abort
  }

  interrupt(): void {
    if (!this.#interrupted) this.#fiber.interruptUnsafe()
    this.#interrupted = true
  }

  look(now: number): Verdict | undefined {
    if (this.exceeded !== undefined) return "stuck"
    const { firstFrame, frame, minRate, readIdle } = this.#limits
    // Who receives at both ends of a time without bytes has received all the while.
    const passed = this.#receiving && this.#wasReceiving ? now - this.#looked : 0
    this.#looked = now
    this.#wasReceiving = this.#receiving

    const { ages, graceMillis } = this.#age
    const old = now - this.#opened - ages
    if (old >= graceMillis) return { which: "age", afterMillis: Math.round(ages + graceMillis) }
    if (old >= 0 && !this.#retired) return "aged"

    if (this.#received > this.#seen) {
      this.#seen = this.#received
      this.#idle = 0
    } else if (this.working === 0) this.#idle += passed
    if (this.#begun !== this.#seenFrame) {
      this.#seenFrame = this.#begun
      this.#inFrame = 0
    } else if (this.#begun >= 0) this.#inFrame += passed

    if (this.#framed ? this.#frames === 0 : this.#received === 0) {
      this.#waited += passed
      if (this.#waited >= firstFrame) return { which: "firstFrame", afterMillis: firstFrame }
    }
    if (this.#idle >= readIdle) return { which: "readIdle", afterMillis: readIdle }
    if (this.#inFrame >= frame) return { which: "frame", afterMillis: frame }
    if (this.#inFrame >= rateMillis && this.#received - this.#begun < minRate * this.#inFrame / 1000) {
      return { which: "minRate", afterMillis: this.#inFrame }
    }
    return undefined
  }

  #got(batch: Batch): void {
    for (const chunk of batch) this.#received += chunk.length
  }
}
