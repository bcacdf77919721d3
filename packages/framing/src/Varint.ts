/**
 * Frames behind a length of variable width: unsigned LEB128, seven bits a byte, the lowest first.
 *
 * ```text
 * +-----------------+-----------------+----------------+
 * | 1 | low 7 bits  | 0 | high 7 bits | payload        |
 * +-----------------+-----------------+----------------+
 *
 * IN   05 h e l l o 00 ac 02 (300 bytes)
 * OUT  hello | (empty) | (300 bytes)
 * ```
 *
 * **Limits**: `limit` counts payload bytes, inclusive, both ways; 1 MiB by default. A length has 10 bytes at most and is
 * 2^53 - 1 at most: it is refused at the byte that goes beyond. Nothing is allocated for it ahead.
 *
 * **Errors**: a larger declared size is a `FrameError` (`FrameTooLong`), a length beyond its bounds one of
 * `InvalidLength`, as is with `minimal` one with more bytes than it needs; a stream that ends within a frame is one of
 * `Truncated`; the connection is over. A larger payload to send is a `MessageError` (`FrameTooLong`).
 *
 * **Source**: LEB128 as in DWARF 5 section 7.6; delimited messages of Protocol Buffers, multiformats' unsigned-varint
 * (which is `minimal`).
 *
 * @since 0.1.0
 */
import type { ByteReader } from "./ByteReader.ts"
import { type Framing, limitOf } from "./Codec.ts"
import * as Decoder from "./Decoder.ts"
import { FrameError, FrameTooLong, InvalidLength, MessageError } from "./FramingError.ts"

const mostBytes = 10

/**
 * `minimal` refuses a length that has more bytes than it needs; it is false by default.
 *
 * @category options
 * @since 0.1.0
 */
export interface VarintOptions {
  readonly minimal?: boolean
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
export const make = (options: VarintOptions = {}): Framing => {
  const { minimal = false } = options
  const limit = limitOf(options.limit, Number.MAX_SAFE_INTEGER - mostBytes)

  const fail = (reader: ByteReader, size: number, reason: FrameTooLong | InvalidLength) =>
    new FrameError({ reason, offset: reader.offset, head: reader.peek(Math.min(16, size)) })

  const step = (reader: ByteReader) => {
    let size = 0
    let header = 0
    for (let factor = 1;; factor *= 128) {
      if (header === reader.length) return reader.need(header + 1)
      const byte = reader.at(header++)
      size += (byte & 0x7f) * factor
      if (size > Number.MAX_SAFE_INTEGER) {
        throw fail(reader, header, new InvalidLength({ detail: "it is above 2^53 - 1" }))
      }
      if (byte < 0x80) {
        if (!minimal || byte > 0 || header === 1) break
        throw fail(reader, header, new InvalidLength({ detail: `it has ${header} bytes and needs fewer` }))
      }
      if (header === mostBytes) {
        throw fail(reader, header, new InvalidLength({ detail: `it has more than ${mostBytes} bytes` }))
      }
    }
    if (size > limit) throw fail(reader, header + size, new FrameTooLong({ size, limit }))
    if (reader.length < header + size) return reader.need(header + size)
    reader.skip(header)
    return reader.take(size)
  }

  return {
    limit,
    decoder: Decoder.make(() => step),
    encode: (payload, writer) => {
      const size = payload.length
      if (size > limit) throw new MessageError({ direction: "encode", reason: new FrameTooLong({ size, limit }) })
      let rest = size
      for (; rest >= 0x80; rest = Math.floor(rest / 128)) writer.byte(0x80 + rest % 128)
      writer.byte(rest)
      writer.bytes(payload)
    }
  }
}
