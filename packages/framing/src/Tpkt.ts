/**
 * ISO transport packets on TCP: S7, RDP, H.323 and whatever else came from OSI.
 *
 * ```text
 * +---------+----------+-------+-------+----------------+
 * | version | reserved | length        | payload        |
 * | 03      | 00       | big-endian    | length - 4     |
 * +---------+----------+-------+-------+----------------+
 *
 * IN   03 00 00 09 h e l l o 03 00 00 04
 * OUT  hello | (empty)
 * ```
 *
 * The length counts its own header. The reserved byte is written as 0, and not looked at when read.
 *
 * **Limits**: `limit` counts payload bytes, inclusive, both ways; 65,531 by default, which is all the length can say.
 *
 * **Errors**: another version is a `FrameError` (`Malformed`), a length below 4 one of `InvalidLength`, a larger packet one
 * of `FrameTooLong`, a stream that ends within a packet one of `Truncated`; the connection is over. A larger payload to
 * send is a `MessageError` (`FrameTooLong`).
 *
 * **Source**: RFC 1006 section 6; RFC 2126 section 4.3.
 *
 * @since 0.1.0
 */
import type { ByteReader } from "./ByteReader.ts"
import { type Framing, limitOf } from "./Codec.ts"
import * as Decoder from "./Decoder.ts"
import { FrameTooLong, InvalidLength, Malformed } from "./FramingError.ts"
import { broken, checkSize } from "./internal/failure.ts"

const version = 3
const header = 4

/**
 * The framing, with another limit where one is asked for.
 *
 * **Errors**: throws `InvalidOption` for a limit that is not a whole number from 0 to 65,531.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: { readonly limit?: number } = {}): Framing => {
  const limit = limitOf(options.limit, 65_535 - header)

  const step = (reader: ByteReader) => {
    if (reader.length > 0 && reader.at(0) !== version) {
      throw broken(reader, new Malformed({ detail: `version ${reader.at(0)}, it is always ${version}` }))
    }
    if (reader.length < header) return reader.need(header)
    const total = reader.uint(2, 2, false)
    const size = total - header
    if (size < 0) throw broken(reader, new InvalidLength({ detail: `${total}, its header takes ${header}` }))
    if (size > limit) throw broken(reader, new FrameTooLong({ size, limit }), total)
    if (reader.length < total) return reader.need(total)
    reader.skip(header)
    return reader.take(size)
  }

  return {
    limit,
    decoder: Decoder.make(() => step),
    encode: (payload, writer) => {
      checkSize(payload.length, limit)
      writer.byte(version)
      writer.byte(0)
      writer.uint(header + payload.length, 2, false)
      writer.bytes(payload)
    }
  }
}
