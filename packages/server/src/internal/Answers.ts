// The answers of one connection on their way out: one send at a time, each of all that is there.
import type { Connection, TransportError } from "@framewire/core"
import { ByteWriter, Codec, type FramingError, Progress } from "@framewire/framing"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { isDone } from "./isDone.ts"

// From here on answers go out before more of them are made: a peer that asks and does not read gets this much of our
// memory, and those that are encoded at once.
const maxUnsent = 65_536

// Encoding texts one by one takes five times as long. Where a codec has no form for many, keeping them takes time.
const encodedAtOnce = 16

/** The codec refuses an answer, or throws at it. */
type Refused = Exit.Exit<never, FramingError.MessageError>

export class Answers<Out> {
  readonly #connection: Connection.Connection
  readonly #codec: Codec.Codec<unknown, Out>
  readonly #encodesMany: boolean
  readonly #context: Context.Context<never>
  readonly #writer = ByteWriter.make()
  /** Not encoded yet; made when there is one, as ByteWriter's chunks are. */
  #answers: Array<Out> | undefined
  /** One cannot be sent: what is behind it would no longer stand beside its request. */
  #refused: Refused | undefined
  /** A send that the kernel has not taken yet. A second one could be refused, and answers be missing. */
  #sending: Fiber.Fiber<void, TransportError.SendError> | undefined
  #soon = false
  /** Encoded, and not given to the connection yet. */
  #encoded = 0
  readonly #progress: Progress.Progress

  constructor(
    connection: Connection.Connection,
    codec: Codec.Codec<unknown, Out>,
    context: Context.Context<never>
  ) {
    this.#connection = connection
    this.#codec = codec
    this.#encodesMany = codec.encode.many !== undefined
    this.#context = context
    this.#progress = Progress.of(Context.get(context, Progress.Progress), connection)
  }

  /** Appends one, or says why one of those that it has cannot be sent. */
  write(answer: Out): Refused | undefined {
    if (!this.#encodesMany) return this.#refused ??= this.#encodeOne(answer)
    return (this.#answers ??= []).push(answer) < encodedAtOnce ? undefined : this.#encode()
  }

  #encode(): Refused | undefined {
    const answers = this.#answers
    this.#answers = undefined
    if (answers === undefined || this.#refused !== undefined || this.#encodesAll(answers)) return this.#refused
    // Those before the bad one are good answers.
    for (const answer of answers) {
      this.#refused = this.#encodeOne(answer)
      if (this.#refused !== undefined) break
    }
    return this.#refused
  }

  #encodeOne(answer: Out): Refused | undefined {
    try {
      const refused = Codec.write(this.#codec, answer, this.#writer)
      if (refused !== undefined) return Exit.fail(refused)
      this.#encoded++
      return undefined
    } catch (defect) {
      // Kept, because where it was thrown may be a fiber of nobody's, as that of flushSoon.
      return Exit.die(defect)
    }
  }

  #encodesAll(answers: ReadonlyArray<Out>): boolean {
    try {
      if (Codec.writeAll(this.#codec, answers, this.#writer) !== undefined) return false
      this.#encoded += answers.length
      return true
    } catch {
      // Thrown again where it is known which one it is.
      return false
    }
  }

  /**
   * Beside what `serve` answers, `goodbye` when the server drains: between two answers, and as they are it waits for a peer
   * that is slow. It costs nothing where there is nothing to say.
   */
  saying<E, R>(
    goodbye: (() => Out) | undefined,
    serve: Effect.Effect<void, E, R>
  ): Effect.Effect<void, E | TransportError.SendError | FramingError.MessageError, R> {
    if (goodbye === undefined) return serve
    const say = Effect.suspend(() => this.write(goodbye()) ?? this.flush())
    return Effect.raceFirst(serve, Effect.andThen(this.#connection.draining, Effect.andThen(say, Effect.never)))
  }

  get isFull(): boolean {
    return this.#writer.length >= maxUnsent
  }

  /** Sends what there is. Where the kernel takes it at once, it is an `Exit`. */
  flush(): Effect.Effect<void, TransportError.SendError | FramingError.MessageError> {
    const refused = this.#encode()
    return refused === undefined ? this.#send() : Effect.andThen(this.#send(), refused)
  }

  #send(): Effect.Effect<void, TransportError.SendError> {
    if (this.#sending !== undefined) {
      return Effect.andThen(
        Fiber.join(this.#sending),
        Effect.suspend(() => this.#send())
      )
    }
    if (this.#writer.length === 0) return Effect.void
    this.#progress.gave(this.#encoded)
    this.#encoded = 0
    const sent = this.#connection.sendAllUnsafe(this.#writer.finish())
    if (isDone(sent)) {
      this.#writer.recycle()
      return Effect.void
    }
    const sending = this.#sending = Effect.runForkWith(this.#context)(sent)
    sending.addObserver(() => {
      this.#sending = undefined
    })
    return Fiber.join(sending)
  }

  /** Sends what there is when this turn of the loop is over: for whoever has to wait meanwhile. */
  flushSoon(): void {
    if (this.#soon || this.#answers === undefined && this.#writer.length === 0) return
    this.#soon = true
    const flush = Effect.suspend(() => {
      this.#soon = false
      return this.flush()
    })
    // Whoever sends next hears of a failure.
    Effect.runForkWith(this.#context)(Effect.exit(Effect.andThen(Effect.yieldNow, flush)))
  }
}
