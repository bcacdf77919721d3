/**
 * A connection that speaks a codec: messages in, messages out.
 *
 * ```text
 * in    Connection.receive -> ByteReader -> step -> messages      one Effect a batch, one call a frame
 * out   messages -> encode -> ByteWriter -> Connection.sendAll    one call a message, one write a batch
 * ```
 *
 * @since 0.1.0
 */
import type { Connection, TransportError } from "@framewire/core"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as ByteReader from "./ByteReader.ts"
import * as Codec from "./Codec.ts"
import * as Decoder from "./Decoder.ts"
import { FrameError, type MessageError } from "./FramingError.ts"

/**
 * What can fail while messages are received: the network, the framing, or one message.
 *
 * @category models
 * @since 0.1.0
 */
export type FramedError = TransportError.ReceiveError | FrameError | MessageError

/**
 * Messages over one connection.
 *
 * **Contract**
 *
 * 1. Messages before a failure are delivered before it.
 * 2. After a `MessageError` the next receive goes on; after a `FrameError` or `ReceiveError` each one fails like the last.
 * 3. One fiber receives at a time, as of the connection; any number may send.
 * 4. A receive that is interrupted has taken nothing: the next one goes on.
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

  /** Sends one message. A `MessageError` says that nothing was written. */
  readonly send: (message: Out) => Effect.Effect<void, TransportError.SendError | MessageError>

  /** Sends messages in order by one write, or by none if one of them is refused. */
  readonly sendAll: (messages: Iterable<Out>) => Effect.Effect<void, TransportError.SendError | MessageError>
}

/**
 * Speaks the codec over the connection. The connection stays the caller's: its scope closes it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <In, Out>(
  connection: Connection.Connection,
  codec: Codec.Codec<In, Out>
): Framed<In, Out> => {
  const reader = ByteReader.make()
  const step = codec.decoder.start()
  let failure: FrameError | MessageError | undefined

  /** The next messages, `atMost` of them, that are here, else those that come. */
  const pull = (atMost: number): Pull.Pull<Arr.NonEmptyReadonlyArray<In>, FramedError> => {
    const take: Pull.Pull<Arr.NonEmptyReadonlyArray<In>, FramedError> = Effect.withFiber((fiber) => {
      // What is taken is lost if the fiber is interrupted before it has arrived, which needs a yield on the way: bytes
      // would be missing in the stream. So it yields now, while nothing is taken.
      if (2 * fiber.currentOpCount > fiber.cache.maxOpsBeforeYield) return Effect.flatMap(Effect.yieldNow, () => take)
      const messages: Array<In> = []
      failure ??= Decoder.run(step, reader, messages, atMost)
      if (Arr.isReadonlyArrayNonEmpty(messages)) return Effect.succeed(messages)
      if (failure !== undefined) {
        const failed = failure
        // What follows a bad frame cannot be found, what follows a bad message can.
        if (!(failed instanceof FrameError)) failure = undefined
        return Effect.fail(failed)
      }
      return reader.ended ? Cause.done() : fill
    })
    const fill = Pull.matchEffect(connection.receive, {
      onSuccess: (chunks) => {
        for (const chunk of chunks) reader.push(chunk)
        return take
      },
      onDone: () => {
        reader.end()
        return take
      },
      onFailure: Effect.failCause
    })
    return take
  }
  const receiveAll = pull(Number.POSITIVE_INFINITY)

  const sendAll = (messages: Iterable<Out>) =>
    Effect.suspend((): Effect.Effect<void, TransportError.SendError | MessageError> => {
      const encoded = Codec.encodeAll(codec, messages)
      return Result.isSuccess(encoded) ? connection.sendAll(encoded.success) : Effect.fail(encoded.failure)
    })

  return {
    connection,
    receive: Effect.map(pull(1), (messages) => messages[0]),
    receiveAll,
    messages: Stream.fromPull(Effect.succeed(receiveAll)),
    send: (message) => sendAll([message]),
    sendAll
  }
}
