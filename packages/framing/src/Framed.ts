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
import type { Connection, Tls, TransportError } from "@framewire/core"
import type * as Arr from "effect/Array"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type * as Stream from "effect/Stream"
import type * as Codec from "./Codec.ts"
import type { FrameError, MessageError } from "./FramingError.ts"
import { Inbound } from "./internal/Inbound.ts"
import { Speaker } from "./internal/Speaker.ts"

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
   * **Limits**: a batch has 512 messages at most; of more, the others come in the next turn, after other connections.
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
