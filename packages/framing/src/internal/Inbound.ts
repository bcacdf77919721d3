/** What arrives on a connection, and who may read it: the part of `Framed` that stays when the codec changes. */
import type { Connection, TransportError } from "@framewire/core"
import type * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Pull from "effect/Pull"
import * as ByteReader from "../ByteReader.ts"
import * as Decoder from "../Decoder.ts"
import { FrameError, FrameTimeout, type MessageError, Truncated } from "../FramingError.ts"
import * as Progress from "../Progress.ts"
import { isDone } from "./isDone.ts"

const defaultMillis = 30_000

export type InboundError = TransportError.ReceiveError | FrameError | MessageError

/** Looks at the bytes that wait: takes what it wants and gives it, or takes nothing and gives undefined for more. */
export type Look<A> = () => Pull.Pull<A, InboundError> | undefined

export type Handle<A, E, R> = (messages: Arr.NonEmptyReadonlyArray<A>) => Effect.Effect<void, E, R>

/** Who may read, and looks at the bytes that wait. */
export interface Owner<A> {
  /** Gives `handle` what is whole; undefined where nothing is. */
  look<E, R>(handle: Handle<A, E, R>): Effect.Effect<void, E, R> | undefined
}

/** What `each` needs for every batch. */
interface Reading<A, E, R> {
  readonly owner: Owner<A>
  readonly handle: Handle<A, E, R>
  readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly progress: Progress.Progress
  readonly millis: number
}

export class Inbound {
  /** What becomes of a reader that is over. */
  static readonly stale: Effect.Effect<never> = Effect.suspend(() =>
    Effect.die(new Error("this Framed is over: its connection has switched to another codec"))
  )

  readonly reader: ByteReader.ByteReader = ByteReader.make()
  readonly connection: Connection.Connection
  /** What the next look gives: once if it is a bad message, for ever if it is a bad frame. */
  failure: FrameError | MessageError | undefined
  /** Who may read; those before it are over. */
  owner: object | undefined
  /** Bytes that come next and that a stream of raw bytes is to take, or nobody. */
  raw = 0
  /** Who hears of this connection, as far as anybody has asked. */
  progress: Progress.Progress | undefined
  /** How long a frame may take; undefined until somebody waits, where nobody said. */
  millis: number | undefined
  /** When the frame that has begun has to be whole. */
  #deadline: number | undefined
  /** Somebody waits for the rest of it. */
  #waiting = false
  /** What is left is part of a frame, of which the rest will not come. */
  #isCut = false
  /** There may be more messages than were wanted at once. */
  #isHalted = false
  /** Messages that the last look has decoded. */
  #decoded = 0
  /** Bytes in front that a decoder has looked at and remembers: it waits for the rest of their frame. */
  #looked = 0
  #alarm: Fiber.Fiber<unknown> | undefined

  constructor(connection: Connection.Connection) {
    this.connection = connection
  }

  /** What `look` finds in the bytes that are here, else in those that come. `takesRaw` when raw bytes are its own. */
  pull<A>(owner: object, look: Look<A>, takesRaw = false): Pull.Pull<A, InboundError> {
    const take: Pull.Pull<A, InboundError> = Effect.withFiber((fiber) => {
      // What is taken is lost if the fiber is interrupted before it has arrived, which needs a yield on the way: bytes
      // would be missing in the stream. So it yields now, while nothing is taken.
      if (2 * fiber.currentOpCount > fiber.cache.maxOpsBeforeYield) return again
      if (this.owner !== owner) return Inbound.stale
      const found = takesRaw || this.#isPastRaw() ? look() : this.fail() ?? this.#endedInRaw()
      const progress = this.attended(fiber)
      const pending = this.#pending
      progress.took(found === undefined ? 0 : this.#frames(), pending)
      if (found === undefined) {
        // One clock is enough.
        this.millis ??= Progress.isKept(progress) ? Number.POSITIVE_INFINITY : defaultMillis
        if (pending === 0 || this.millis === Number.POSITIVE_INFINITY) return idle
        return Pull.matchEffect(this.#inTime(fiber, this.millis), arrived)
      }
      this.#deadline = undefined
      if (this.reader.length === 0) this.#stopAlarm()
      return found
    })
    const arrived = {
      onSuccess: () => take,
      onDone: () => Effect.flatMap(this.#end, () => take),
      onFailure: Effect.failCause<InboundError>
    }
    const idle = Pull.matchEffect(this.connection.receive, {
      ...arrived,
      onSuccess: (chunks) => {
        this.#push(chunks)
        return take
      }
    })
    const again = Effect.flatMap(Effect.yieldNow, () => take)
    return take
  }

  /**
   * Has `handle` get what `owner` finds in the bytes that are here and in those that come, in the very turn in which they come,
   * until the peer's FIN. What is more than it wants at once has its turn when others had theirs. With `lends` what it takes
   * is the platform's again when it returns.
   */
  each<A, E, R>(owner: Owner<A>, handle: Handle<A, E, R>, lends: boolean): Effect.Effect<void, E | InboundError, R> {
    return Effect.withFiber((fiber) => {
      const progress = this.attended(fiber)
      const millis = this.millis ??= Progress.isKept(progress) ? Number.POSITIVE_INFINITY : defaultMillis
      const reading: Reading<A, E, R> = { owner, handle, fiber, progress, millis }
      return this.#turn(reading).pipe(
        Effect.andThen(this.#hear(reading, lends)),
        Effect.andThen(Effect.flatMap(this.#end, () => this.#turn(reading))),
        Effect.ensuring(Effect.sync(() => {
          this.#waiting = false
          this.#stopAlarm()
        }))
      )
    })
  }

  // Closures with a context of their own, and methods for the rest: of many connections each context behind another is a place in
  // memory that is not in the cache.
  #hear<A, E, R>(reading: Reading<A, E, R>, lends: boolean) {
    return lends
      ? this.connection.lendEach((chunks, headroom) => this.#lent(reading, chunks, headroom))
      : this.connection.receiveEach((chunks) => this.#arrived(reading, chunks))
  }

  #arrived<A, E, R>(reading: Reading<A, E, R>, chunks: ReadonlyArray<Uint8Array>) {
    this.#push(chunks)
    return this.#turn(reading)
  }

  #lent<A, E, R>(reading: Reading<A, E, R>, chunks: ReadonlyArray<Uint8Array>, headroom: number) {
    let room = headroom
    for (const chunk of chunks) {
      this.reader.lend(chunk, room)
      room = 0
    }
    try {
      return this.#turn(reading)
    } finally {
      this.reader.keep()
    }
  }

  #turn<A, E, R>(reading: Reading<A, E, R>): Effect.Effect<void, E | InboundError, R> {
    const { handle, owner, progress } = reading
    if (this.owner !== owner) return Inbound.stale
    this.#waiting = false
    const isPastRaw = this.#isPastRaw()
    const handled = isPastRaw ? owner.look(handle) : undefined
    progress.took(handled === undefined ? 0 : this.#frames(), this.#pending)
    if (handled !== undefined) this.#deadline = undefined
    if (this.reader.length === 0) this.#stopAlarm()
    if (handled !== undefined && (this.#isHalted || !isDone(handled))) return this.#behind(reading, handled)
    const failed = this.fail() ?? (isPastRaw ? undefined : this.#endedInRaw())
    if (failed === undefined) this.#waitForRest(reading)
    else this.#deadline = undefined
    return failed ?? Effect.void
  }

  /** What follows when `handled` is done. */
  #behind<A, E, R>(
    reading: Reading<A, E, R>,
    handled: Effect.Effect<void, E, R>
  ): Effect.Effect<void, E | InboundError, R> {
    if (this.#isHalted) {
      return Effect.andThen(handled, Effect.flatMap(Effect.yieldNow, () => this.#turn(reading)))
    }
    return Effect.andThen(
      handled,
      Effect.suspend(() => this.fail() ?? Effect.sync(() => this.#waitForRest(reading)))
    )
  }

  #waitForRest<A, E, R>({ fiber, millis }: Reading<A, E, R>): void {
    if (this.#pending > 0 && millis !== Number.POSITIVE_INFINITY && !this.reader.ended) this.#wait(fiber, millis)
  }

  /** Who hears of this connection, which its handler's fibers know: others may send, and receive, on it, too. */
  attended(fiber: Fiber.Fiber<unknown, unknown>): Progress.Progress {
    const progress = Progress.of(fiber.getRef(Progress.Progress), this.connection)
    return this.progress === undefined || Progress.isKept(progress) ? this.progress = progress : this.progress
  }

  /** Bytes of a frame that somebody waits for. */
  get #pending(): number {
    return this.reader.skipping ? 0 : this.reader.length
  }

  /** Appends what is whole, at most so many; what is wrong with the next is `failure`. */
  decode<In>(step: Decoder.Step<In>, into: Array<In>, atMost?: number): void {
    if (!this.#isCut) this.failure ??= Decoder.run(step, this.reader, into, atMost)
    this.#decoded = into.length
    this.#isHalted = into.length === atMost && this.reader.length > 0
    this.#looked = this.reader.length
  }

  /** Whether a decoder waits for the rest of what comes next, and so has to begin anew if somebody else takes that. */
  get isLookedAt(): boolean {
    return this.#looked > 0 && this.reader.stalled === this.reader.offset
  }

  /** What was found: so many messages, or else one thing, as a bad one is. */
  #frames(): number {
    const decoded = this.#decoded
    this.#decoded = 0
    return Math.max(1, decoded)
  }

  // The end is the peer's word that the last frame is whole. After `shutdownRead`, as of a server that drains, nobody has
  // said so: the rest of a request would be taken for another one.
  get #end(): Effect.Effect<void> {
    return Effect.map(this.connection.state, (state) => {
      const isPeers = state._tag === "ReadClosed" || state._tag === "Closed" ||
        state._tag === "Closing" && state.peerFin
      this.#isCut = !isPeers
      this.reader.end()
    })
  }

  #push(chunks: ReadonlyArray<Uint8Array>): void {
    for (const chunk of chunks) this.reader.push(chunk)
  }

  /** The failure that is due, which ends the connection unless it is one message's. */
  fail(): Effect.Effect<never, FrameError | MessageError> | undefined {
    const failure = this.failure
    if (failure === undefined) return undefined
    // What follows a bad frame cannot be found, what follows a bad message can.
    if (!(failure instanceof FrameError)) this.failure = undefined
    return Effect.fail(failure)
  }

  /** The stream ended, `need` bytes were wanted. */
  truncated(need: number): Effect.Effect<never, FrameError | MessageError> {
    const { reader } = this
    const reason = new Truncated({ have: reader.length, need })
    this.failure = new FrameError({ reason, offset: reader.offset, head: reader.peek(16) })
    return Effect.fail(this.failure)
  }

  /** Lets raw bytes go by that nobody took; false while more of them have to come. */
  #isPastRaw(): boolean {
    const part = Math.min(this.raw, this.reader.length)
    this.reader.skip(part)
    this.raw -= part
    return this.raw === 0
  }

  #endedInRaw(): Effect.Effect<never, FrameError | MessageError> | undefined {
    return this.reader.ended ? this.truncated(this.raw) : undefined
  }

  /** The next batch; when the deadline of the frame is over first, the stream ends with `FrameTimeout`. */
  #inTime(
    fiber: Fiber.Fiber<unknown, unknown>,
    millis: number
  ): Pull.Pull<void, TransportError.ReceiveError> {
    this.#wait(fiber, millis)
    // Pushed before anything else is done, so that an interruption has nothing to lose.
    const arrive = Effect.map(this.connection.receive, (chunks) => this.#push(chunks))
    return Effect.onExit(arrive, (exit) => {
      this.#waiting = false
      if (Exit.isFailure(exit)) this.#stopAlarm()
      return Effect.void
    })
  }

  /** Somebody waits for the rest of a frame, which has its time. */
  #wait(fiber: Fiber.Fiber<unknown, unknown>, millis: number): void {
    const clock = fiber.getRef(Clock.Clock)
    this.#deadline ??= clock.currentTimeMillisUnsafe() + millis
    this.#waiting = true
    if (this.#alarm === undefined) {
      // The microtask runs when this fiber leaves the stack: when it has to wait.
      queueMicrotask(() => {
        if (!this.#waiting || this.#alarm !== undefined) return
        const alarm = this.#alarm = Effect.runForkWith(fiber.context)(this.#watch(clock))
        alarm.addObserver(() => {
          if (this.#alarm === alarm) this.#alarm = undefined
        })
      })
    }
  }

  /**
   * One timer for all frames while some of them wait one after the other, because a timer for each is dear: it looks again
   * when it is due. It ends when nothing waits, and with the connection.
   */
  #watch(clock: Clock.Clock): Effect.Effect<unknown> {
    const look: Effect.Effect<void> = Effect.suspend(() => {
      if (!this.#waiting || this.#deadline === undefined) return Effect.void
      const left = this.#deadline - clock.currentTimeMillisUnsafe()
      return left > 0 ? Effect.flatMap(Effect.sleep(left), () => look) : this.#expire
    })
    return Effect.raceFirst(look, this.connection.closed)
  }

  #stopAlarm(): void {
    this.#alarm?.interruptUnsafe()
    this.#alarm = undefined
  }

  // Nothing interrupts the receive: it ends, because the stream is made to end.
  readonly #expire = Effect.uninterruptible(Effect.suspend(() => {
    const { reader } = this
    const need = reader.needed === 0 ? undefined : reader.needed
    const reason = new FrameTimeout({ have: reader.length, need, millis: this.millis ?? defaultMillis })
    this.failure = new FrameError({ reason, offset: reader.offset, head: reader.peek(16) })
    return this.connection.shutdownRead
  }))
}
