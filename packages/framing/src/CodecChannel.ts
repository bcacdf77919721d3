/**
 * Any codec as a channel, so that it runs over Effect's sockets and streams.
 *
 * ```text
 * messages -> encode -> bytes -> socket -> bytes -> decode -> messages      duplex is all of this
 * ```
 *
 * Over a `Connection`, `Framed` does the same and more.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as ByteReader from "./ByteReader.ts"
import * as Codec from "./Codec.ts"
import * as Decoder from "./Decoder.ts"
import { FrameError, type MessageError } from "./FramingError.ts"

/**
 * Messages to bytes, one batch of chunks for each batch of messages.
 *
 * **Errors**: `MessageError` for a message that the codec refuses; nothing of its batch goes out.
 *
 * @category constructors
 * @since 0.1.0
 */
export const encode = <In, Out, IE = never, Done = unknown>(codec: Codec.Codec<In, Out>): Channel.Channel<
  Arr.NonEmptyReadonlyArray<Uint8Array>,
  IE | MessageError,
  Done,
  Arr.NonEmptyReadonlyArray<Out>,
  IE,
  Done
> =>
  Channel.fromTransform((upstream, _scope) => {
    const pull: Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, IE | MessageError, Done> = Effect.flatMap(
      upstream,
      (messages): Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, IE | MessageError, Done> => {
        const encoded = Codec.encodeAll(codec, messages)
        if (Result.isFailure(encoded)) return Effect.fail(encoded.failure)
        return Arr.isReadonlyArrayNonEmpty(encoded.success) ? Effect.succeed(encoded.success) : pull
      }
    )
    return Effect.succeed(pull)
  })

/**
 * Bytes to messages, all that have arrived at a time.
 *
 * **Errors**: `FrameError` and `MessageError`, behind the messages before them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const decode = <In, IE = never, Done = unknown>(codec: Codec.Codec<In, never>): Channel.Channel<
  Arr.NonEmptyReadonlyArray<In>,
  IE | FrameError | MessageError,
  Done,
  Arr.NonEmptyReadonlyArray<Uint8Array>,
  IE,
  Done
> =>
  Channel.fromTransform((upstream, _scope) =>
    Effect.sync(() => {
      const reader = ByteReader.make()
      const step = codec.decoder.start()
      let failure: FrameError | MessageError | undefined
      let done: { readonly leftover: Done } | undefined
      const pull: Pull.Pull<Arr.NonEmptyReadonlyArray<In>, IE | FrameError | MessageError, Done> = Effect.suspend(
        () => {
          const messages: Array<In> = []
          failure ??= Decoder.run(step, reader, messages)
          if (Arr.isReadonlyArrayNonEmpty(messages)) return Effect.succeed(messages)
          if (failure !== undefined) {
            const failed = failure
            if (!(failed instanceof FrameError)) failure = undefined
            return Effect.fail(failed)
          }
          return done === undefined ? fill : Cause.done(done.leftover)
        }
      )
      const fill = Pull.matchEffect(upstream, {
        onSuccess: (chunks) => {
          for (const chunk of chunks) reader.push(chunk)
          return pull
        },
        onDone: (leftover) => {
          done = { leftover }
          reader.end()
          return pull
        },
        onFailure: Effect.failCause<IE>
      })
      return pull
    })
  )

/**
 * A channel of bytes, such as `Socket.toChannel`'s, as one of messages: of the same shape as Effect's `Ndjson.duplex`.
 *
 * @category combinators
 * @since 0.1.0
 */
export const duplex: {
  <In, Out>(
    codec: Codec.Codec<In, Out>
  ): <R, IE, OE, OutDone, InDone>(
    self: Channel.Channel<
      Arr.NonEmptyReadonlyArray<Uint8Array>,
      OE,
      OutDone,
      Arr.NonEmptyReadonlyArray<Uint8Array>,
      IE | MessageError,
      InDone,
      R
    >
  ) => Channel.Channel<
    Arr.NonEmptyReadonlyArray<In>,
    OE | FrameError | MessageError,
    OutDone,
    Arr.NonEmptyReadonlyArray<Out>,
    IE,
    InDone,
    R
  >
  <R, IE, OE, OutDone, InDone, In, Out>(
    self: Channel.Channel<
      Arr.NonEmptyReadonlyArray<Uint8Array>,
      OE,
      OutDone,
      Arr.NonEmptyReadonlyArray<Uint8Array>,
      IE | MessageError,
      InDone,
      R
    >,
    codec: Codec.Codec<In, Out>
  ): Channel.Channel<
    Arr.NonEmptyReadonlyArray<In>,
    OE | FrameError | MessageError,
    OutDone,
    Arr.NonEmptyReadonlyArray<Out>,
    IE,
    InDone,
    R
  >
} = dual(2, <R, IE, OE, OutDone, InDone, In, Out>(
  self: Channel.Channel<
    Arr.NonEmptyReadonlyArray<Uint8Array>,
    OE,
    OutDone,
    Arr.NonEmptyReadonlyArray<Uint8Array>,
    IE | MessageError,
    InDone,
    R
  >,
  codec: Codec.Codec<In, Out>
): Channel.Channel<
  Arr.NonEmptyReadonlyArray<In>,
  OE | FrameError | MessageError,
  OutDone,
  Arr.NonEmptyReadonlyArray<Out>,
  IE,
  InDone,
  R
> => Channel.pipeTo(Channel.pipeTo(encode<In, Out, IE, InDone>(codec), self), decode<In, OE, OutDone>(codec)))
