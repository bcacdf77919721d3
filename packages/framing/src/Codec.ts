/**
 * A decoder and an encoder as one value, with one limit that holds both ways.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as ByteReader from "./ByteReader.ts"
import * as ByteWriter from "./ByteWriter.ts"
import * as Decoder from "./Decoder.ts"
import { FrameError, InvalidJson, InvalidOption, InvalidUtf8, MessageError, SchemaMismatch } from "./FramingError.ts"
import { textOf } from "./internal/utf8.ts"

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
  readonly encode: (message: Out, writer: ByteWriter.ByteWriter) => void
}

/**
 * A codec of plain bytes: where frames begin and end, and nothing about what they mean.
 *
 * @category models
 * @since 0.1.0
 */
export interface Framing extends Codec<Uint8Array, Uint8Array> {
  readonly decoder: { readonly start: () => Decoder.FrameStep }
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
 * Another meaning for the same frames: `decode` gets what arrived and where it began in the stream. Both functions
 * may throw a `MessageError`.
 *
 * @category combinators
 * @since 0.1.0
 */
export const transform = <In, Out, In2, Out2>(
  self: Codec<In, Out>,
  decode: (message: In, offset: number) => In2,
  encode: (message: Out2) => Out
): Codec<In2, Out2> => ({
  limit: self.limit,
  decoder: Decoder.map(self.decoder, decode),
  encode: (message, writer) => self.encode(encode(message), writer)
})

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

const loneSurrogate = /\p{Surrogate}/u

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
  const codec = transform(framing, (frame, offset) => {
    const text = textOf(frame)
    if (text !== undefined) return text
    throw new MessageError({ direction: "decode", reason: new InvalidUtf8(), offset })
  }, (message: string) => {
    if (!loneSurrogate.test(message)) return ByteWriter.utf8(message)
    throw new MessageError({ direction: "encode", reason: new InvalidUtf8() })
  })
  return {
    ...codec,
    decoder: {
      start: () => {
        const { texts } = framing.decoder.start()
        const step = codec.decoder.start()
        return texts === undefined ? step : Object.assign(step, { many: texts })
      }
    }
  }
}

/**
 * Frames as JSON of the shape that a schema says: what JSON has no form for (dates, maps, bytes, `NaN`) is written as
 * `Schema.toCodecJson` does.
 *
 * **Errors**: `MessageError` with the reason `InvalidUtf8`, `InvalidJson` or `SchemaMismatch`; the last also for a message
 * so deep that the schema runs out of stack. A schema that has to wait for something is a defect.
 *
 * @category meanings
 * @since 0.1.0
 */
export const json = <A, E>(schema: Schema.Codec<A, E>): (framing: Framing) => Codec<A> => {
  const wire = Schema.toCodecJson(schema)
  const decode = Schema.decodeUnknownExit(wire)
  const encode = Schema.encodeUnknownExit(wire)
  return (framing) =>
    transform(
      text(framing),
      (line, offset) => {
        const decoded = decode(parseJson(line, offset))
        if (Exit.isSuccess(decoded)) return decoded.value
        throw new MessageError({ direction: "decode", reason: mismatch(decoded.cause), offset })
      },
      (message: A) => {
        const encoded = encode(message)
        if (Exit.isSuccess(encoded)) return stringifyJson(encoded.value)
        throw new MessageError({ direction: "encode", reason: mismatch(encoded.cause) })
      }
    )
}

const mismatch = (cause: Cause.Cause<Schema.SchemaError>): SchemaMismatch => {
  const error = Cause.squash(cause)
  // A peer that nests deep enough exhausts the stack of a recursive schema: its fault, not a defect of ours.
  if (Schema.isSchemaError(error) || error instanceof RangeError) return new SchemaMismatch({ detail: error.message })
  throw error
}

const detailOf = (cause: unknown) => cause instanceof Error ? cause.message : String(cause)

const parseJson = (line: string, offset: number): unknown => {
  try {
    return JSON.parse(line)
  } catch (cause) {
    throw new MessageError({ direction: "decode", reason: new InvalidJson({ detail: detailOf(cause) }), offset })
  }
}

const stringifyJson = (value: unknown): string => {
  let detail = "it has no JSON form"
  try {
    // Undefined for a function, a symbol and undefined itself, whatever its type says.
    const line: string | undefined = JSON.stringify(value)
    if (line !== undefined) return line
  } catch (cause) {
    detail = detailOf(cause)
  }
  throw new MessageError({ direction: "encode", reason: new InvalidJson({ detail }) })
}

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
  // The one place where what an encoder throws becomes a value.
  try {
    self.encode(message, writer)
    return undefined
  } catch (error) {
    writer.truncate(before)
    if (error instanceof MessageError) return error
    throw error
  }
}

// Batches share a writer, because a buffer for each costs more than writing to it. A codec that encodes within encode
// finds none, and makes one.
let idle: ByteWriter.ByteWriter | undefined

/**
 * The bytes of some messages, ready for `Connection.sendAll`; all of them or none.
 *
 * @category running
 * @since 0.1.0
 */
export const encodeAll = <In, Out>(
  self: Codec<In, Out>,
  messages: Iterable<Out>
): Result.Result<ReadonlyArray<Uint8Array>, MessageError> => {
  const writer = idle ?? ByteWriter.make()
  idle = undefined
  try {
    for (const message of messages) {
      const error = write(self, message, writer)
      if (error !== undefined) return Result.fail(error)
    }
    return Result.succeed(writer.finish())
  } finally {
    writer.truncate(0)
    idle = writer
  }
}

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
