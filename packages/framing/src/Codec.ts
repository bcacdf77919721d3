/**
 * A decoder and an encoder as one value, with one limit that holds both ways.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as SchemaBinary from "effect/encoding/SchemaBinary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as ByteReader from "./ByteReader.ts"
import type * as ByteWriter from "./ByteWriter.ts"
import * as Decoder from "./Decoder.ts"
import { FrameError, InvalidOption, InvalidUtf8, Malformed, MessageError } from "./FramingError.ts"
import { parseJson, stringifyJson } from "./internal/json.ts"
import { mapSteps } from "./internal/mapStep.ts"
import { mismatchOf, through } from "./internal/schema.ts"
import { holdsLoneSurrogate, holdsReplacement } from "./internal/surrogates.ts"
import { bytesOf, textOf } from "./internal/utf8.ts"
import { withWriter } from "./internal/withWriter.ts"

/**
 * What both ends of a stream agree on: `In` is what arrives, `Out` what is sent.
 *
 * **Contract**: `encode` writes exactly one frame, which the codec's own decoder reads back as the same message, or
 * throws a `MessageError`; what it had written by then is forgotten.
 *
 * @category models
 * @since 0.1.0
 */
export interface Codec<out In, in Out = In> {
  /** The largest payload of a frame in bytes, inclusive. */
  readonly limit: number
  readonly decoder: Decoder.Decoder<In>
  readonly encode: Encode<Out>
}

/**
 * Appends one message. It can have a fast form for many, which appends what one call for each would, or throws what one of
 * them throws.
 *
 * @category models
 * @since 0.1.0
 */
export interface Encode<in Out> {
  (message: Out, writer: ByteWriter.ByteWriter): void
  readonly many?: ((messages: ReadonlyArray<Out>, writer: ByteWriter.ByteWriter) => void) | undefined
}

/**
 * Appends one frame. It can have a fast form for payloads that are text, too, which refuses a lone surrogate as
 * `InvalidUtf8`.
 *
 * @category models
 * @since 0.1.0
 */
export interface FrameEncode extends Encode<Uint8Array> {
  readonly texts?: ((payloads: ReadonlyArray<string>, writer: ByteWriter.ByteWriter) => void) | undefined
}

/**
 * A codec of plain bytes: where frames begin and end, and nothing about what they mean.
 *
 * @category models
 * @since 0.1.0
 */
export interface Framing extends Codec<Uint8Array, Uint8Array> {
  readonly decoder: { readonly start: () => Decoder.FrameStep }
  readonly encode: FrameEncode
}

/**
 * The payload limit of every framing unless another is asked for: 1 MiB.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultLimit = 1_048_576

/**
 * The limit that was asked for, or the default, which a framing may have to lower.
 *
 * **Errors**: throws `InvalidOption` for a limit that is not a whole number from 0 to `max`.
 *
 * @category options
 * @since 0.1.0
 */
export const limitOf = (limit: number | undefined, max: number = Number.MAX_SAFE_INTEGER): number => {
  if (limit === undefined) return Math.min(defaultLimit, max)
  if (Number.isInteger(limit) && limit >= 0 && limit <= max) return limit
  throw new InvalidOption({ option: "limit", value: limit, allowed: `a whole number of bytes from 0 to ${max}` })
}

/**
 * Another meaning for the same frames. Both functions may throw a `MessageError`, to which is added where the frame began.
 *
 * **Contract**: what they return depends on nothing but what they get. `decode` may be called again with a message that it has refused.
 *
 * @category combinators
 * @since 0.1.0
 */
export const transform = <In, Out, In2, Out2>(
  self: Codec<In, Out>,
  decode: (message: In) => In2,
  encode: (message: Out2) => Out
): Codec<In2, Out2> => ({
  limit: self.limit,
  decoder: { start: () => mapSteps(self.decoder.start(), decode) },
  encode: mapEncode(self.encode, encode)
})

const mapEncode = <A, B>(inner: Encode<A>, f: (message: B) => A): Encode<B> => {
  const encode: Encode<B> = (message, writer) => inner(f(message), writer)
  const { many } = inner
  return many === undefined
    ? encode
    : Object.assign(encode, {
      // Not `map(f)`, which gives it an index, too: what may be left out, as a radix, is not to be that.
      many: (messages: ReadonlyArray<B>, writer: ByteWriter.ByteWriter) =>
        many(messages.map((message) => f(message)), writer)
    })
}

/**
 * Different codecs each way: what arrives is read as by `incoming`, what is sent is written as by `outgoing`.
 *
 * @category combinators
 * @since 0.1.0
 */
export const duplex = <In, Out>(incoming: Codec<In, never>, outgoing: Codec<unknown, Out>): Codec<In, Out> => ({
  limit: outgoing.limit,
  decoder: incoming.decoder,
  encode: outgoing.encode
})

/**
 * Frames as text. A byte order mark is a character like any other.
 *
 * **Errors**: `MessageError` with the reason `InvalidUtf8` for a frame that is not UTF-8, and for a text that has no
 * UTF-8 because of a lone surrogate.
 *
 * @category meanings
 * @since 0.1.0
 */
export const text = (framing: Framing): Codec<string> => {
  const read = (frame: Uint8Array): string => {
    const text = textOf(frame)
    if (text !== undefined) return text
    throw new MessageError({ direction: "decode", reason: new InvalidUtf8() })
  }
  const { texts } = framing.encode
  const encode: Encode<string> = (message, writer) => framing.encode(bytesOf(message), writer)
  return {
    limit: framing.limit,
    decoder: {
      start: () => {
        const frames = framing.decoder.start()
        const step = mapSteps(frames, read)
        return frames.texts === undefined ? step : Object.assign(step, { many: frames.texts })
      }
    },
    encode: texts === undefined ? encode : Object.assign(encode, { many: texts })
  }
}

/**
 * How deep arrays and objects may be nested, both ways: 512 by default.
 *
 * @category options
 * @since 0.1.0
 */
export interface JsonOptions {
  readonly depth?: number
}

/**
 * Frames as JSON of the shape that a schema says: what JSON has no form for (dates, maps, bytes, `NaN`) is written as
 * `Schema.toCodecJson` does. The schema is made a function of the platform's where it lets one be made of a text, and
 * interpreted elsewhere.
 *
 * **Limits**: beside that of the framing, `depth`, which is looked at before anything is parsed.
 *
 * **Errors**: `MessageError` with the reason `InvalidUtf8`, `InvalidJson` (also for what is nested too deep) or
 * `SchemaMismatch` with the path in the message; the last also for a message to send so deep that the schema runs out of
 * stack. A schema that has to wait for something is a defect. Throws `InvalidOption` for a depth that is not 0 to 4096.
 *
 * @category meanings
 * @since 0.1.0
 */
export const json = <A, E>(
  schema: Schema.Codec<A, E>,
  options: JsonOptions = {}
): (framing: Framing) => Codec<A> => {
  const { depth = 512 } = options
  if (!Number.isInteger(depth) || depth < 0 || depth > 4096) {
    throw new InvalidOption({ option: "depth", value: depth, allowed: "a whole number from 0 to 4096" })
  }
  const { decode, encode } = through(Schema.toCodecJson(schema))
  return (framing) =>
    transform(
      text(framing),
      (line) => decode(parseJson(line, depth)),
      (message: A) => stringifyJson(encode(message), depth)
    )
}

/**
 * Frames in the compact binary form that Effect's `SchemaBinary` derives from a schema. Old and new versions of a schema
 * understand each other as it says: fields may be added that are optional.
 *
 * **Limits**: beside that of the framing, 512 values within one another; a list whose elements take no bytes has 4 Mi of
 * them at most.
 *
 * **Errors**: `MessageError` with the reason `SchemaMismatch`, for bytes of another form too, or `InvalidUtf8` for a lone
 * surrogate in a text to send. A schema that has to wait for something is a defect.
 *
 * @category meanings
 * @since 0.1.0
 */
export const binary = <A, E>(schema: Schema.Codec<A, E>): (framing: Framing) => Codec<A> => {
  const { decode, encode } = through(SchemaBinary.toCodec(schema))
  let toJson: ((message: A) => unknown) | undefined
  return (framing) =>
    transform(framing, decode, (message: A) => {
      const bytes = encode(message)
      // It writes a lone surrogate as another character, which is seldom in a message itself: most codecs never look.
      if (
        holdsReplacement(bytes) && holdsLoneSurrogate((toJson ??= through(Schema.toCodecJson(schema)).encode)(message))
      ) {
        throw new MessageError({ direction: "encode", reason: new InvalidUtf8() })
      }
      return bytes
    })
}

/**
 * Frames in the form of any two functions, such as those of a serialization library. What they throw costs one message.
 *
 * **Errors**: `MessageError` with the reason `SchemaMismatch` for a `SchemaError`, `Malformed` for anything else that is
 * thrown; so a mistake in the functions shows there, too. A `MessageError` that they throw is taken as it is.
 *
 * **Example**
 *
 * ```ts
 * import { Codec, LengthPrefixed } from "@framewire/framing"
 * import { pack, unpack } from "msgpackr"
 *
 * const messages = Codec.functions<unknown>(unpack, pack)(LengthPrefixed.u32be())
 * ```
 *
 * @category meanings
 * @since 0.1.0
 */
export const functions = <In, Out = In>(
  decode: (frame: Uint8Array) => In,
  encode: (message: Out) => Uint8Array
): (framing: Framing) => Codec<In, Out> =>
(framing) =>
  transform(framing, (frame) => {
    try {
      return decode(frame)
    } catch (error) {
      throw error instanceof MessageError
        ? error
        : new MessageError({ direction: "decode", reason: thrownReason(error) })
    }
  }, (message: Out) => {
    try {
      return encode(message)
    } catch (error) {
      throw error instanceof MessageError
        ? error
        : new MessageError({ direction: "encode", reason: thrownReason(error) })
    }
  })

const thrownReason = (error: unknown) =>
  (Schema.isSchemaError(error) ? mismatchOf(error) : undefined) ??
    new Malformed({ detail: error instanceof Error ? error.message : String(error) })

/**
 * Appends one message to the writer, or leaves the writer as it was.
 *
 * @category running
 * @since 0.1.0
 */
export const write = <In, Out>(
  self: Codec<In, Out>,
  message: Out,
  writer: ByteWriter.ByteWriter
): MessageError | undefined => {
  const before = writer.length
  try {
    self.encode(message, writer)
    return undefined
  } catch (error) {
    writer.truncate(before)
    return refusalOf(error)
  }
}

/**
 * Appends messages to the writer, or leaves the writer as it was.
 *
 * @category running
 * @since 0.1.0
 */
export const writeAll = <In, Out>(
  self: Codec<In, Out>,
  messages: Iterable<Out>,
  writer: ByteWriter.ByteWriter
): MessageError | undefined => {
  const before = writer.length
  try {
    const { many } = self.encode
    if (many !== undefined) many(Arr.fromIterable(messages), writer)
    else for (const message of messages) self.encode(message, writer)
    return undefined
  } catch (error) {
    writer.truncate(before)
    return refusalOf(error)
  }
}

/** The one place where what an encoder throws becomes a value. */
const refusalOf = (error: unknown): MessageError => {
  if (error instanceof MessageError) return error
  throw error
}

/**
 * The bytes of some messages, ready for `Connection.sendAll`; all of them or none.
 *
 * @category running
 * @since 0.1.0
 */
export const encodeAll = <In, Out>(
  self: Codec<In, Out>,
  messages: Iterable<Out>
): Result.Result<ReadonlyArray<Uint8Array>, MessageError> =>
  withWriter((writer) => {
    const refused = writeAll(self, messages, writer)
    return refused === undefined ? Result.succeed(writer.finish()) : Result.fail(refused)
  })

/**
 * Everything in a stream that is all there: the messages, and every failure with the number of messages before it.
 *
 * @category running
 * @since 0.1.0
 */
export const decodeAll = <In, Out>(
  self: Codec<In, Out>,
  chunks: Iterable<Uint8Array>
): {
  readonly messages: ReadonlyArray<In>
  readonly failures: ReadonlyArray<{ readonly after: number; readonly error: FrameError | MessageError }>
} => {
  const reader = ByteReader.make()
  const step = self.decoder.start()
  const messages: Array<In> = []
  const failures: Array<{ after: number; error: FrameError | MessageError }> = []
  const runs = (): boolean => {
    for (;;) {
      const error = Decoder.run(step, reader, messages)
      if (error === undefined) return true
      failures.push({ after: messages.length, error })
      if (error instanceof FrameError) return false
    }
  }
  for (const chunk of chunks) {
    reader.push(chunk)
    if (!runs()) return { messages, failures }
  }
  reader.end()
  runs()
  return { messages, failures }
}
