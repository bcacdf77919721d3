// A member of a broadcast: what waits for it, what is on its way, and what it has lost.
import type { Connection, TransportError } from "@framewire/core"
import type { Progress } from "@framewire/framing"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { Drop, DropReason, Policy, SlowConsumer, Stats } from "../Broadcast.ts"
import { behindOthers } from "./behindOthers.ts"
import type { Budget, Holder } from "./Budget.ts"

/** A message as it is sent: the same bytes for everybody. */
export interface Frame<out A> {
  readonly message: A
  readonly chunks: ReadonlyArray<Uint8Array>
  readonly size: number
}

/** A call of publish, which may have to wait. */
export interface Publication {
  /** Frames that members have no room for yet. */
  waiting: number
  cancelled: boolean
  settled: () => void
}

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

export type Counts = Mutable<Omit<Stats, "dropped">> & { readonly dropped: Mutable<Stats["dropped"]> }

/** What all members of a broadcast share. */
export interface Pool<in out A> {
  readonly run: <E>(effect: Effect.Effect<void, E>) => Fiber.Fiber<void, E>
  readonly tooSlow: (what: Pick<SlowConsumer, "limit" | "messages" | "bytes">) => SlowConsumer
  readonly left: (consumer: Consumer<A>) => void
  readonly counts: Counts
}

export interface Settings<in A> {
  readonly policy: Policy<A>
  readonly maxBytes: number
  readonly maxMessages: number
  /** Those that it lives on: its broadcast's, and its server's. */
  readonly budgets: ReadonlyArray<Budget>
  readonly onDrop: ReadonlyArray<(drop: Drop) => void>
  readonly progress: Progress.Progress
}

// One write takes as much, or one message: what is on its way cannot be dropped any more.
const maxWrite = 65_536

/** Where the write ends that begins there. */
const endOfWrite = (frames: ReadonlyArray<Frame<unknown>>, from: number): number => {
  let end = from
  for (let size = 0; end < frames.length; end++) {
    size += frames[end]!.size
    if (end > from && size > maxWrite) break
  }
  return end
}

export const emptyCounts = (): Counts => ({
  published: 0,
  sent: 0,
  dropped: { oldest: 0, newest: 0, conflated: 0, budget: 0, disconnected: 0, closed: 0, left: 0, interrupted: 0 },
  waiting: 0,
  waitingBytes: 0
})

export class Consumer<in out A> implements Holder {
  readonly counts = emptyCounts()
  readonly lost = Deferred.makeUnsafe<never, SlowConsumer>()

  readonly #connection: Connection.Connection
  readonly #pool: Pool<A>
  readonly #settings: Settings<A>
  /** In the order in which they go; a key that is there keeps its place. */
  readonly #queue = new Map<unknown, Frame<A>>()
  #nextKey = 0
  /** On their way. */
  #sending: ReadonlyArray<Frame<A>> = []
  #fiber: Fiber.Fiber<void> | undefined
  /** Frames of suspended publishers. */
  #suspended: Array<{ readonly frame: Frame<A>; readonly publication: Publication }> = []
  #ended: DropReason | undefined

  constructor(connection: Connection.Connection, pool: Pool<A>, settings: Settings<A>) {
    this.#connection = connection
    this.#pool = pool
    this.#settings = settings
  }

  offer(frames: ReadonlyArray<Frame<A>>, publication: Publication): void {
    this.#count("published", frames.length)
    let from = 0
    while (from < frames.length && this.#sending.length === 0 && this.#ended === undefined) {
      const to = endOfWrite(frames, from)
      this.#write(to - from === frames.length ? frames : frames.slice(from, to))
      from = to
    }
    for (let i = from; i < frames.length; i++) this.#add(frames[i]!, publication)
    for (const budget of this.#settings.budgets) budget.shed()
  }

  /** Those whose publisher does not wait any more. */
  forget(): void {
    this.#suspended = this.#suspended.filter(({ frame, publication }) => {
      if (publication.cancelled) this.#drop([frame], "interrupted")
      return !publication.cancelled
    })
  }

  /** Nothing is sent from now on; what was written already goes on, unless the connection has ended. */
  end(reason: "left" | "closed" | "disconnected" | "budget"): void {
    if (this.#ended !== undefined) return
    this.#ended = reason
    this.#pool.left(this)
    if (reason === "left") this.#fiber?.interruptUnsafe()
    const waiting = [...this.#sending, ...this.#queue.values()]
    this.#sending = []
    this.#queue.clear()
    this.#hold(waiting, -1)
    this.#drop(waiting, reason)
    const suspended = this.#suspended
    this.#suspended = []
    for (const { frame, publication } of suspended) {
      this.#drop([frame], reason)
      if (--publication.waiting === 0) publication.settled()
    }
  }

  #write(frames: ReadonlyArray<Frame<A>>): void {
    const chunks = frames.length === 1 ? frames[0]!.chunks : frames.flatMap((frame) => frame.chunks)
    const sent = this.#connection.sendAllUnsafe(chunks)
    if (Exit.isExit(sent) && Exit.isSuccess(sent)) return this.#sent(frames)
    this.#sending = frames
    this.#hold(frames, 1)
    this.#fiber = this.#pool.run(this.#flush(frames, behindOthers(this.#connection, chunks, sent)))
  }

  #flush(
    frames: ReadonlyArray<Frame<A>>,
    sending: Effect.Effect<void, TransportError.SendError>
  ): Effect.Effect<void> {
    return Effect.whileLoop({
      while: () => frames.length > 0,
      body: () => sending,
      step: () => {
        // It is dropped already.
        if (this.#ended !== undefined) {
          frames = []
          return
        }
        this.#sent(frames)
        this.#hold(frames, -1)
        const settled = this.#resume()
        frames = this.#next()
        this.#sending = frames
        const chunks = frames.flatMap((frame) => frame.chunks)
        sending = behindOthers(this.#connection, chunks, this.#connection.sendAll(chunks))
        // Last, because a publisher may go on at once, and publish the next.
        for (const publication of settled) publication.settled()
      }
    }).pipe(Effect.catch(() => Effect.sync(() => this.end("closed"))))
  }

  /** What goes next, no longer in the queue. */
  #next(): ReadonlyArray<Frame<A>> {
    const frames: Array<Frame<A>> = []
    let size = 0
    for (const [key, frame] of this.#queue) {
      size += frame.size
      if (frames.length > 0 && size > maxWrite) break
      frames.push(frame)
      this.#queue.delete(key)
    }
    return frames
  }

  #add(frame: Frame<A>, publication: Publication): void {
    if (this.#ended !== undefined) return this.#drop([frame], this.#ended)
    const { policy } = this.#settings
    const key = typeof policy === "object" ? policy.conflate(frame.message) : this.#nextKey++
    const same = this.#queue.get(key)
    if (same !== undefined) {
      this.#hold([same], -1)
      this.#drop([same], "conflated")
    }
    if (policy === "dropOldest" || typeof policy === "object") this.#dropOldest(frame, key)
    const limit = this.#limit(frame)
    // A suspended publisher is before one that comes later, whatever there is room for.
    if (limit === undefined && this.#suspended.length === 0) {
      this.#queue.set(key, frame)
      return this.#hold([frame], 1)
    }
    if (policy === "suspend") {
      publication.waiting++
      this.#suspended.push({ frame, publication })
    } else if (policy === "disconnect" && limit !== undefined) {
      this.#disconnect(limit, "disconnected")
      this.#drop([frame], "disconnected")
    } else {
      this.#queue.delete(key)
      this.#drop([frame], "newest")
    }
  }

  #dropOldest(frame: Frame<A>, key: unknown): void {
    for (const [oldest, dropped] of this.#queue) {
      if (this.#limit(frame) === undefined) return
      if (oldest === key) continue
      this.#queue.delete(oldest)
      this.#hold([dropped], -1)
      this.#drop([dropped], "oldest")
    }
  }

  /** The limit that stands against one more. */
  #limit(frame: Frame<A>): "maxBytes" | "maxMessages" | undefined {
    const { waiting, waitingBytes } = this.counts
    // Nothing on its way is nothing to wait behind: it is about to be written.
    if (waiting === 0) return undefined
    if (waiting + 1 > this.#settings.maxMessages) return "maxMessages"
    return waitingBytes + frame.size > this.#settings.maxBytes ? "maxBytes" : undefined
  }

  /** Takes what there is room for now, and gives the publications that wait for nothing more. */
  #resume(): ReadonlyArray<Publication> {
    const settled: Array<Publication> = []
    let first = this.#suspended[0]
    while (first !== undefined && this.#limit(first.frame) === undefined) {
      this.#suspended.shift()
      this.#queue.set(this.#nextKey++, first.frame)
      this.#hold([first.frame], 1)
      if (--first.publication.waiting === 0) settled.push(first.publication)
      first = this.#suspended[0]
    }
    return settled
  }

  #disconnect(limit: SlowConsumer["limit"], reason: "disconnected" | "budget"): void {
    const { waiting: messages, waitingBytes: bytes } = this.counts
    this.end(reason)
    // Whoever waits for this may leave at once: it has ended before.
    Deferred.doneUnsafe(this.lost, Exit.fail(this.#pool.tooSlow({ limit, messages, bytes })))
    this.#pool.run(Effect.asVoid(this.#connection.abort))
  }

  /** Frees memory for others. */
  give(): void {
    const { policy } = this.#settings
    const queued = [...this.#queue.values()]
    if (policy === "suspend" || policy === "disconnect" || queued.length === 0) {
      return this.#disconnect("budget", "budget")
    }
    this.#queue.clear()
    this.#hold(queued, -1)
    this.#drop(queued, "budget")
  }

  #sent(frames: ReadonlyArray<Frame<A>>): void {
    this.#settings.progress.gave(frames.length)
    this.#count("sent", frames.length)
  }

  #count(what: "published" | "sent", by: number): void {
    this.counts[what] += by
    this.#pool.counts[what] += by
  }

  #hold(frames: ReadonlyArray<Frame<A>>, sign: 1 | -1): void {
    const bytes = sign * frames.reduce((sum, { size }) => sum + size, 0)
    for (const counts of [this.counts, this.#pool.counts]) {
      counts.waiting += sign * frames.length
      counts.waitingBytes += bytes
    }
    for (const budget of this.#settings.budgets) budget.hold(this, bytes)
  }

  #drop(frames: ReadonlyArray<Frame<A>>, reason: DropReason): void {
    if (frames.length === 0) return
    this.counts.dropped[reason] += frames.length
    this.#pool.counts.dropped[reason] += frames.length
    const bytes = frames.reduce((sum, { size }) => sum + size, 0)
    const drop: Drop = { connection: this.#connection, reason, messages: frames.length, bytes }
    for (const tell of this.#settings.onDrop) tell(drop)
  }
}
