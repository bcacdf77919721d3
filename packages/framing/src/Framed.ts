/**
 * A connection that speaks a codec: messages in, messages out.
 *
 * ```text
 * in    Connection.receive -> ByteReader -> step -> messages      one Effect a batch, one call a frame
 * out   messages -> encode -> ByteWriter -> Connection.sendAll    one call a message, one write a batch
 * ```
 *
 * Protocols that change as they go take bytes from the same reader, so that none is lost between two phases:
 *
 * ```text
 * S I Z E   5 CR LF | h e l l o | D A T A CR LF . . .
 * receive           | raw(5)    | receive, or switchTo(codec), or rest
 * ```
 *
 * @since 0.1.0
 */
import { type Connection, HandshakeReason, InvalidOption, type Tls, TransportError } from "@framewire/core"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Codec from "./Codec.ts"
import type * as Decoder from "./Decoder.ts"
import { FrameError, FrameTooLong, type MessageError } from "./FramingError.ts"
import { Inbound } from "./internal/Inbound.ts"
import { isDone } from "./internal/isDone.ts"
import { byteCount } from "./internal/options.ts"
import { withWriter } from "./internal/withWriter.ts"

/**
 * What can fail while messages are received: the network, the framing, or one message.
 *
 * @category models
 * @since 0.1.0
 */
export type FramedError = TransportError.ReceiveError | FrameError | MessageError

/**
 * How frames are waited for.
 *
 * @category options
 * @since 0.1.0
 */
export interface FramedOptions {
  /**
   * How long the rest of a frame may take: from when its first bytes are here and more is waited for, until its last. Then
   * the stream ends with `FrameTimeout`; sending goes on. The time between frames is not counted, nor the time in which
   * nobody receives, nor a frame too long that a codec skips. Default 30 s, `"Infinity"` for ever; where somebody hears of the
   * `Progress`, as the deadlines of a server do, it is theirs to keep the time, and the default is for ever.
   */
  readonly frameTimeout?: Duration.Input
}

/**
 * Messages over one connection.
 *
 * **Contract**
 *
 * 1. Messages before a failure are delivered before it.
 * 2. After a `MessageError` the next receive goes on; after a `FrameError` or `ReceiveError` each one fails like the last.
 * 3. After `shutdownRead`, as of a server that drains, a part of a frame that had arrived is no frame and no failure: the
 *    stream is over before it.
 * 4. One fiber receives at a time, as of the connection; any number may send.
 * 5. A receive that is interrupted has taken nothing: the next one goes on.
 * 6. Where a message says how the bytes behind it are meant, receive one at a time: `receiveAll` and `messages` have
 *    decoded what had arrived.
 *
 * @category models
 * @since 0.1.0
 */
export interface Framed<out In, in Out> {
  readonly connection: Connection.Connection

  /** The next message; decodes no further. The peer's FIN between frames is `Cause.Done`. */
  readonly receive: Pull.Pull<In, FramedError>

  /** All messages that have arrived, at least one. */
  readonly receiveAll: Pull.Pull<Arr.NonEmptyReadonlyArray<In>, FramedError>

  /** The messages until the peer's FIN. A `MessageError` ends the stream as any failure does. */
  readonly messages: Stream.Stream<In, FramedError>

  /**
   * The fast form of `receiveAll`: gives all messages of a batch to `handle` in the turn of the loop in which they arrive,
   * until the peer's FIN. Where `handle` returns an `Exit`, as `Effect.void` is one, no fiber is woken; any other effect is
   * run before the next batch. Messages are the handler's, for as long as it wants.
   *
   * **Limits**: a batch has 1,024 messages at most; of more, the others come in the next turn, after other connections.
   *
   * **Errors**: as of `receive`, after the messages before; called again after a `MessageError` it goes on.
   */
  readonly receiveEach: <E = never, R = never>(
    handle: (messages: Arr.NonEmptyReadonlyArray<In>) => Effect.Effect<void, E, R>
  ) => Effect.Effect<void, E | FramedError, R>

  /**
   * As `receiveEach`, and copies nothing: the bytes of a message are **borrowed**. When `handle` returns, the next bytes
   * overwrite them, of another connection even; copy what is needed for longer, by the effect that it returns, too.
   */
  readonly lendEach: <E = never, R = never>(
    handle: (messages: Arr.NonEmptyReadonlyArray<In>) => Effect.Effect<void, E, R>
  ) => Effect.Effect<void, E | FramedError, R>

  /** Sends one message. A `MessageError` says that nothing was written. */
  readonly send: (message: Out) => Effect.Effect<void, TransportError.SendError | MessageError>

  /** Sends messages in order by one write, or by none if one of them is refused. */
  readonly sendAll: (messages: Iterable<Out>) => Effect.Effect<void, TransportError.SendError | MessageError>

  /**
   * The fast form of `sendAll`, for the handler of `receiveEach` and `lendEach`: the messages are sent when it is called,
   * whether the effect is run or not. Where the kernel has taken them at once it is an `Exit`, and their memory is used again.
   */
  readonly sendAllUnsafe: (messages: Iterable<Out>) => Effect.Effect<void, TransportError.SendError | MessageError>

  /**
   * The next `size` bytes, without framing. `frameTimeout` holds for them as for a frame.
   *
   * **Limits**: holds them all; more than `limit` (default 1 MiB) are refused with `FrameTooLong`.
   *
   * **Errors**: `FrameError` with the reason `Truncated` when the peer's FIN comes first.
   */
  readonly raw: (size: number, options?: { readonly limit?: number }) => Effect.Effect<Uint8Array, FramedError>

  /**
   * The next `size` bytes in chunks as they come, for more than should be held at once. What the stream leaves when it is
   * not run to its end, the next receive drops.
   *
   * **Errors**: as of `raw`. There is no limit to `size`.
   */
  readonly rawStream: (size: number) => Stream.Stream<Uint8Array, FramedError>

  /** All bytes that are left and that come until the peer's FIN, in chunks, without framing: a tunnel. */
  readonly rest: Stream.Stream<Uint8Array, FramedError>

  /**
   * Another codec for what was not received yet, with its own types and limit. This one is over: to use it is a defect.
   * Do not switch while something receives.
   */
  readonly switchTo: <In2, Out2>(
    codec: Codec.Codec<In2, Out2>,
    options?: FramedOptions
  ) => Effect.Effect<Framed<In2, Out2>>

  /**
   * STARTTLS: secures the connection, and the same codec goes on inside. What was received before and not taken is
   * plaintext, which whoever sits between could have put there to be taken as secured (CVE-2011-0411): it is refused, and
   * the connection reset. With `tls.received` it is the handshake's, as behind a PROXY header.
   *
   * **Errors**: `HandshakeError`, as of `Connection.upgradeTls`; `PlaintextWaiting` for bytes and messages that wait.
   */
  readonly upgradeTls: (tls: Tls.Upgrade) => Effect.Effect<Tls.Session, TransportError.HandshakeError>
}

/**
 * Speaks the codec over the connection. The connection stays the caller's: its scope closes it.
 *
 * **Errors**: throws `InvalidOption` for a `frameTimeout` that is no duration.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <In, Out>(
  connection: Connection.Connection,
  codec: Codec.Codec<In, Out>,
  options?: FramedOptions
): Framed<In, Out> => new Speaker(new Inbound(connection), codec, options)

// One read can bring 100,000 messages. When so many have been handled, it is the turn of other connections.
const messagesAtOnce = 1024

// What a connection does not use it has no closure for: most of them are idle. Getters of functions, not methods, so that
// they can be passed on alone.
class Speaker<In, Out> implements Framed<In, Out> {
  readonly #inbound: Inbound
  readonly #codec: Codec.Codec<In, Out>
  #step: Decoder.Step<In>
  #one: Pull.Pull<In, FramedError> | undefined
  #all: Pull.Pull<Arr.NonEmptyReadonlyArray<In>, FramedError> | undefined

  constructor(inbound: Inbound, codec: Codec.Codec<In, Out>, options: FramedOptions | undefined) {
    InvalidOption.check(options, { frameTimeout: InvalidOption.duration })
    if (options?.frameTimeout !== undefined) inbound.millis = Duration.toMillis(options.frameTimeout)
    inbound.owner = this
    this.#inbound = inbound
    this.#codec = codec
    this.#step = codec.decoder.start()
  }

  get connection() {
    return this.#inbound.connection
  }

  get receive() {
    return this.#one ??= Effect.map(this.#decode(1), (messages) => messages[0])
  }

  get receiveAll() {
    return this.#all ??= this.#decode(Number.POSITIVE_INFINITY)
  }

  get receiveEach() {
    return this.#each(false)
  }

  get lendEach() {
    return this.#each(true)
  }

  get messages() {
    return Stream.fromPull(Effect.succeed(this.receiveAll))
  }

  get send() {
    return (message: Out) => this.sendAll([message])
  }

  get sendAll() {
    return (messages: Iterable<Out>) =>
      this.#owned((): Effect.Effect<void, TransportError.SendError | MessageError> => {
        const encoded = Codec.encodeAll(this.#codec, messages)
        return Result.isSuccess(encoded) ? this.connection.sendAll(encoded.success) : Effect.fail(encoded.failure)
      })
  }

  get sendAllUnsafe() {
    return (messages: Iterable<Out>) => {
      if (this.#inbound.owner !== this) return Inbound.stale
      return withWriter((writer): Effect.Effect<void, TransportError.SendError | MessageError> => {
        const refused = Codec.writeAll(this.#codec, messages, writer)
        if (refused !== undefined) return Exit.fail(refused)
        const sent = this.connection.sendAllUnsafe(writer.finish())
        if (isDone(sent)) writer.recycle()
        return sent
      })
    }
  }

  get raw(): Framed<In, Out>["raw"] {
    return (size, options) => {
      const inbound = this.#inbound
      const { reader } = inbound
      const limit = Codec.limitOf(options?.limit)
      byteCount("size", size, 0)
      const whole = inbound.pull(this, () => {
        if (inbound.failure === undefined && size > limit) {
          const reason = new FrameTooLong({ size, limit })
          inbound.failure = new FrameError({ reason, offset: reader.offset, head: reader.peek(16) })
        }
        const failed = inbound.fail()
        if (failed !== undefined) return failed
        if (reader.length >= size) return Effect.succeed(reader.take(size))
        reader.need(size)
        return reader.ended ? inbound.truncated(size) : undefined
      })
      // Never Done: the end of the stream is Truncated.
      return Effect.catchIf(whole, Cause.isDone, Effect.die)
    }
  }

  get rawStream(): Framed<In, Out>["rawStream"] {
    return (size) => {
      const inbound = this.#inbound
      const { reader } = inbound
      byteCount("size", size, 0)
      return Stream.fromPull(Effect.sync(() => {
        let begun = false
        const begin = inbound.pull(this, () => {
          begun = true
          inbound.raw = size
          return next
        })
        const next: Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, FramedError> = inbound.pull(this, () => {
          if (inbound.raw === 0) return Cause.done()
          const failed = inbound.fail()
          if (failed !== undefined) return failed
          const part = Math.min(inbound.raw, reader.length)
          if (part === 0) return reader.ended ? inbound.truncated(inbound.raw) : undefined
          inbound.raw -= part
          return Effect.succeed(Arr.of(reader.take(part)))
        }, true)
        return Effect.suspend(() => begun ? next : begin)
      }))
    }
  }

  get rest(): Framed<In, Out>["rest"] {
    const inbound = this.#inbound
    const { reader } = inbound
    const everything = inbound.pull(
      this,
      (): Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, FramedError> | undefined => {
        if (reader.length > 0) return inbound.fail() ?? Effect.succeed(Arr.of(reader.take(reader.length)))
        return inbound.fail() ?? (reader.ended ? Cause.done() : undefined)
      }
    )
    return Stream.fromPull(Effect.succeed(everything))
  }

  get switchTo(): Framed<In, Out>["switchTo"] {
    return (codec, options) => this.#owned(() => Effect.succeed(new Speaker(this.#inbound, codec, options)))
  }

  get upgradeTls(): Framed<In, Out>["upgradeTls"] {
    return (tls) =>
      this.#owned((): Effect.Effect<Tls.Session, TransportError.HandshakeError> => {
        const { connection, failure, reader } = this.#inbound
        // A bad message that has not been reported yet has been taken, and is plaintext all the same.
        const bytes = reader.offset + reader.length - (failure?.offset ?? reader.offset)
        if (bytes > 0 && tls.received === undefined) {
          const { local, remote } = connection
          const reason = new HandshakeReason.PlaintextWaiting({ bytes })
          return Effect.andThen(
            connection.abort,
            Effect.fail(new TransportError.HandshakeError({ reason, local, remote }))
          )
        }
        const early = tls.received === undefined ? {} : { received: [...tls.received, reader.take(reader.length)] }
        // What a decoder remembers of plaintext has no say in what is secured.
        this.#step = this.#codec.decoder.start()
        return connection.upgradeTls({ ...tls, ...early })
      })
  }

  /** The next messages, `atMost` of them. */
  #decode(atMost: number): Pull.Pull<Arr.NonEmptyReadonlyArray<In>, FramedError> {
    const inbound = this.#inbound
    return inbound.pull(this, (): Pull.Pull<Arr.NonEmptyReadonlyArray<In>, FramedError> | undefined => {
      const messages: Array<In> = []
      inbound.decode(this.#step, messages, atMost)
      if (Arr.isReadonlyArrayNonEmpty(messages)) return Effect.succeed(messages)
      return inbound.fail() ?? (inbound.reader.ended ? Cause.done() : undefined)
    })
  }

  #each(lends: boolean) {
    return <E, R>(handle: (messages: Arr.NonEmptyReadonlyArray<In>) => Effect.Effect<void, E, R>) =>
      this.#inbound.each(this, () => {
        const messages: Array<In> = []
        this.#inbound.decode(this.#step, messages, messagesAtOnce)
        return Arr.isReadonlyArrayNonEmpty(messages) ? handle(messages) : undefined
      }, lends)
  }

  /** Fails where this is over. */
  #owned<A, E>(run: () => Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.suspend(() => this.#inbound.owner === this ? run() : Inbound.stale)
  }
}
