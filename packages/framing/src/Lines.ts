/**
 * Frames that end in a line feed.
 *
 * ```text
 * +----------------+------+------+
 * | payload        | (CR) | LF   |
 * +----------------+------+------+
 *
 * IN   h e l l o CR LF LF a CR b LF h i
 * OUT  hello | (empty) | aCRb | hi (at the end of the stream)
 * ```
 *
 * Read: LF and CRLF end a line, a CR elsewhere is data, and the last line needs no end. `strict` takes `ending` alone:
 * after a strict `crlf` a bare LF is refused, because a sender that means it as data and a reader that takes it as an
 * end is how requests are smuggled; after a strict `lf` a CR is data.
 *
 * **Limits**: `limit` counts payload bytes, inclusive, both ways, without the ending; 1 MiB by default. A CR that may yet
 * belong to the ending is not counted.
 *
 * **Errors**: a longer line, finished or not, is a `FrameError` (`FrameTooLong`), a bare LF in strict CRLF one of
 * `BareLineFeed`; the connection is over. To send a payload that has an LF, or ends in a CR that the reader would take as
 * part of the ending, is a `MessageError` (`ContainsDelimiter`), a longer one is one of `FrameTooLong`.
 *
 * **Source**: CRLF is RFC 5321 section 2.3.8 and most Internet protocols, LF is POSIX 3.206.
 *
 * @since 0.1.0
 */
import type { ByteReader } from "./ByteReader.ts"
import { type Framing, limitOf } from "./Codec.ts"
import * as Decoder from "./Decoder.ts"
import {
  BareLineFeed,
  ContainsDelimiter,
  FrameError,
  FrameTooLong,
  InvalidOption,
  MessageError
} from "./FramingError.ts"
import { more } from "./internal/more.ts"

const lf = 0x0a
const cr = 0x0d

/**
 * How lines end: `ending` is what is written, `lf` by default; `strict` reads nothing else.
 *
 * @category options
 * @since 0.1.0
 */
export interface LinesOptions {
  readonly ending?: "lf" | "crlf"
  readonly strict?: boolean
  readonly limit?: number
}

/**
 * The framing of the options.
 *
 * **Errors**: throws `InvalidOption` for an ending that is not `lf` or `crlf`, or a limit that is not a whole number.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: LinesOptions = {}): Framing => {
  const { ending = "lf", strict = false } = options
  if (ending !== "lf" && ending !== "crlf") {
    throw new InvalidOption({ option: "ending", value: ending, allowed: "lf or crlf" })
  }
  const limit = limitOf(options.limit)
  const crEnds = !strict || ending === "crlf"

  const fail = (reader: ByteReader, size: number, reason: FrameTooLong | BareLineFeed) =>
    new FrameError({ reason, offset: reader.offset, head: reader.peek(Math.min(16, size)) })

  // The size is where the limit was passed, so that it is the same however much of the line had come by then.
  const tooLong = (reader: ByteReader) => fail(reader, limit + 1, new FrameTooLong({ size: limit + 1, limit }))

  /** Takes a line of `size` bytes and what ends it, which is `delimiter` bytes and perhaps a CR before them. */
  const takeLine = (reader: ByteReader, size: number, delimiter: number) => {
    const withCr = crEnds && size > 0 && reader.at(size - 1) === cr
    const payload = withCr ? size - 1 : size
    // First, because it is known first when the line comes in pieces.
    if (payload > limit) throw tooLong(reader)
    if (strict && ending === "crlf" && delimiter === 1 && !withCr) throw fail(reader, size + 1, new BareLineFeed())
    const line = reader.take(payload)
    reader.skip(size - payload + delimiter)
    return line
  }

  const start = (): Decoder.Step<Uint8Array> => {
    // How far the stream was searched, so that no byte is looked at twice.
    let searched = 0
    return (reader) => {
      const end = reader.indexOf(lf, Math.max(0, searched - reader.offset))
      if (end >= 0) return takeLine(reader, end, 1)
      const size = reader.length
      if (reader.ended) return size === 0 ? more : takeLine(reader, size, 0)
      const pending = crEnds && size > 0 && reader.at(size - 1) === cr ? 1 : 0
      if (size - pending > limit) throw tooLong(reader)
      searched = reader.offset + size
      return reader.need()
    }
  }

  return {
    limit,
    decoder: Decoder.make(start),
    encode: (payload, writer) => {
      const size = payload.length
      if (size > limit) throw new MessageError({ direction: "encode", reason: new FrameTooLong({ size, limit }) })
      const found = payload.indexOf(lf)
      // In front of a lone LF a last CR would be read as part of the ending.
      const index = found < 0 && ending === "lf" && crEnds && payload[size - 1] === cr ? size - 1 : found
      if (index >= 0) throw new MessageError({ direction: "encode", reason: new ContainsDelimiter({ index }) })
      writer.bytes(payload)
      if (ending === "crlf") writer.byte(cr)
      writer.byte(lf)
    }
  }
}
