/**
 * Frames between a decimal length and a comma.
 *
 * ```text
 * +---------------+---+----------------+---+
 * | size, decimal | : | payload        | , |
 * +---------------+---+----------------+---+
 *
 * IN   5 : h e l l o , 0 : , 2 : h i ,
 * OUT  hello | (empty) | hi
 * ```
 *
 * **Limits**: `limit` counts payload bytes, inclusive, both ways; 1 MiB by default. The length is 2^53 - 1 at most and is
 * refused at the digit that goes beyond; nothing is allocated for it ahead.
 *
 * **Errors**: a larger declared size is a `FrameError` (`FrameTooLong`), a length that is not digits without a zero in
 * front one of `InvalidLength`, another byte than a comma at the end one of `Malformed`, a stream that ends within a frame
 * one of `Truncated`; the connection is over. A larger payload to send is a `MessageError` (`FrameTooLong`).
 *
 * **Source**: D. J. Bernstein, Netstrings, 1997; SCGI uses one.
 *
 * @since 0.1.0
 */
import type { ByteReader } from "./ByteReader.ts"
import { utf8 } from "./ByteWriter.ts"
import { type Framing, limitOf } from "./Codec.ts"
import * as Decoder from "./Decoder.ts"
import { FrameError, FrameTooLong, Malformed, MessageError } from "./FramingError.ts"
import { decimal, digitsOf } from "./internal/decimal.ts"
import { more } from "./internal/more.ts"

const colon = 0x3a
const comma = 0x2c

/**
 * The framing with this limit.
 *
 * **Errors**: throws `InvalidOption` for a limit that is not a whole number.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: { readonly limit?: number } = {}): Framing => {
  const limit = limitOf(options.limit)

  const fail = (reader: ByteReader, size: number, reason: FrameTooLong | Malformed) =>
    new FrameError({ reason, offset: reader.offset, head: reader.peek(Math.min(16, size)) })

  const step = (reader: ByteReader) => {
    const size = decimal(reader, colon, 0)
    if (size === more) return more
    const header = digitsOf(size) + 1
    const total = header + size + 1
    if (size > limit) throw fail(reader, total, new FrameTooLong({ size, limit }))
    if (reader.length < total) return reader.need(total)
    const last = reader.at(total - 1)
    if (last !== comma) {
      throw fail(
        reader,
        total,
        new Malformed({ detail: `it ends in 0x${last.toString(16).padStart(2, "0")}, not in a comma` })
      )
    }
    reader.skip(header)
    const payload = reader.take(size)
    reader.skip(1)
    return payload
  }

  return {
    limit,
    decoder: Decoder.make(() => step),
    encode: (payload, writer) => {
      const size = payload.length
      if (size > limit) throw new MessageError({ direction: "encode", reason: new FrameTooLong({ size, limit }) })
      writer.bytes(utf8(`${size}:`))
      writer.bytes(payload)
      writer.byte(comma)
    }
  }
}
