/**
 * JSON objects and arrays one after the other, found by their brackets.
 *
 * ```text
 * +------------------+---------------------------+------------------+---
 * | (white space)    | { ... } or [ ... ]        | (white space)    | ...
 * +------------------+---------------------------+------------------+---
 *
 * IN   SP { " a " : " } " } [ 1 ] LF          elements   [ 1 , { } ] [ " a " ]
 * OUT  {"a":"}"} | [1]                                   1 | {} | "a"
 * ```
 *
 * For peers that send nothing between their messages; `Ndjson` and `JsonSequence` find the next message after a bad one, this
 * cannot. Brackets are counted, whichever they are, and those in strings are not: whether a frame is JSON is for `Codec.json`
 * to say. With `elements` what is sent are the elements of an array, or of several, and so of any kind.
 *
 * **Limits**: `limit` counts the bytes of a frame, inclusive, both ways, without white space around it; 1 MiB by default.
 *
 * **Errors**: a longer frame, finished or not, is a `FrameError` (`FrameTooLong`), a byte that begins neither, or between
 * elements is no comma, one of `Malformed`, a stream that ends within a frame or an array of elements one of `Truncated`;
 * the connection is over. To send what is not one such frame is a `MessageError` (`Malformed`), a longer one is one of
 * `FrameTooLong`.
 *
 * **Source**: Netty's `JsonObjectDecoder`; the grammar is that of RFC 8259.
 *
 * @since 0.1.0
 */
import { ByteReader } from "./ByteReader.ts"
import { type Framing, limitOf } from "./Codec.ts"
import type * as Decoder from "./Decoder.ts"
import { FrameError, FrameTooLong, Malformed } from "./FramingError.ts"
import { broken, checkSize, refused } from "./internal/failure.ts"
import { more } from "./internal/more.ts"

const quote = 0x22
const comma = 0x2c
const backslash = 0x5c
const openArray = 0x5b
const closeArray = 0x5d

// { and [, or } and ], differ in one bit.
const isOpen = (byte: number) => (byte | 0x20) === 0x7b
const isClose = (byte: number) => (byte | 0x20) === 0x7d
const isSpace = (byte: number) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/** Looks for the end of the value that begins with the first byte it sees: the position behind it, or -1. */
const ending = () => {
  let depth = 0
  let inString = false
  let escaped = false
  return (piece: Uint8Array, from: number): number => {
    for (let at = from; at < piece.length; at++) {
      const byte = piece[at]!
      if (escaped) escaped = false
      else if (inString) {
        if (byte === backslash) escaped = true
        else if (byte === quote) {
          inString = false
          if (depth === 0) return at + 1
        }
      } else if (depth === 0 && (byte === comma || byte === closeArray || isSpace(byte))) return at
      else if (byte === quote) inString = true
      else if (isOpen(byte)) depth++
      else if (depth > 0 && isClose(byte) && --depth === 0) return at + 1
    }
    return -1
  }
}

const inArray = (value: Uint8Array): Uint8Array => {
  const array = new Uint8Array(value.length + 2)
  array[0] = openArray
  array.set(value, 1)
  array[value.length + 1] = closeArray
  return array
}

/** Where the stream is: between arrays or objects, where an element has to begin, or behind one. */
type Place = "outside" | "first" | "element" | "behind"

/**
 * `elements` makes frames of the elements of arrays: `false` by default.
 *
 * @category options
 * @since 0.1.0
 */
export interface ConcatenatedJsonOptions {
  readonly elements?: boolean
  readonly limit?: number
}

/**
 * The framing of the options.
 *
 * **Errors**: throws `InvalidOption` for a limit that is not a whole number.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: ConcatenatedJsonOptions = {}): Framing => {
  const { elements = false } = options
  const limit = limitOf(options.limit)

  const start = (): Decoder.Step<Uint8Array> => {
    let place: Place = "outside"
    // The bytes in front that were understood, and stay so that a stream that ends here ends within an array.
    let understood = 0
    let find: ReturnType<typeof ending> | undefined
    let searched = 0
    let end = -1

    /** What stands between values is dropped; false while no value has begun. */
    const begins = (reader: ByteReader): boolean => {
      let at = understood
      for (; at < reader.length; at++) {
        const byte = reader.at(at)
        if (isSpace(byte)) continue
        if (place === "behind" && byte === comma) place = "element"
        else if ((place === "behind" || place === "first") && byte === closeArray) place = "outside"
        else if (place === "outside" && elements && byte === openArray) place = "first"
        else {
          const isValue = place === "outside" ? isOpen(byte) : place !== "behind" && byte !== comma && !isClose(byte)
          reader.discard(at)
          understood = 0
          if (isValue) return true
          throw broken(
            reader,
            new Malformed({ detail: `0x${byte.toString(16).padStart(2, "0")} where no value begins` }),
            1
          )
        }
      }
      understood = place === "outside" ? 0 : Math.min(1, at)
      reader.discard(at - understood)
      return false
    }

    return (reader) => {
      if (find === undefined) {
        if (!begins(reader)) return reader.need()
        find = ending()
        searched = 0
        end = -1
      }
      if (end < 0) {
        end = reader.search(searched, find)
        searched = reader.length
      }
      const size = end < 0 ? reader.length : end
      if (size > limit) throw broken(reader, new FrameTooLong({ size: limit + 1, limit }), limit + 1)
      if (end < 0) return reader.need()
      // What follows an element tells where a number ends, and whether the array does.
      if (place !== "outside" && reader.length === end) return reader.need(end + 1)
      find = undefined
      if (place !== "outside") place = "behind"
      return reader.take(end)
    }
  }

  /** Whether the bytes are one frame of so many bytes and nothing else. */
  const isOne = (bytes: Uint8Array, size: number): boolean => {
    const reader = new ByteReader()
    reader.push(bytes)
    const step = start()
    try {
      const frame = step(reader)
      return frame !== more && frame.length === size && step(reader) === more && reader.length === 0
    } catch (error) {
      if (error instanceof FrameError) return false
      throw error
    }
  }

  return {
    limit,
    decoder: { start },
    encode: (payload, writer) => {
      checkSize(payload.length, limit)
      const bytes = elements ? inArray(payload) : payload
      if (!isOne(bytes, payload.length)) {
        throw refused(new Malformed({ detail: `it is not one ${elements ? "value" : "object or array"} of JSON` }))
      }
      writer.bytes(bytes)
    }
  }
}
