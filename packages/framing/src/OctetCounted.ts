/**
 * Syslog frames behind a decimal length and a space.
 *
 * ```text
 * +---------------+----+----------------+
 * | size, decimal | SP | payload        |
 * +---------------+----+----------------+
 *
 * IN   5 SP h e l l o 2 SP h i
 * OUT  hello | hi
 * ```
 *
 * The other framing of RFC 6587, "non-transparent" with a LF at the end of each message, is `Lines`, or `Delimited` by
 * NUL. A listener that takes both tells them apart by the first byte: a digit, or the `<` that a message begins with.
 *
 * **Limits**: `limit` counts payload bytes, inclusive, both ways; 1 MiB by default. The length is 1 at least and 2^53 - 1
 * at most, and is refused at the digit that goes beyond; nothing is allocated for it ahead.
 *
 * **Errors**: a larger declared size is a `FrameError` (`FrameTooLong`), a length that is not digits without a zero in
 * front one of `InvalidLength`, a stream that ends within a frame one of `Truncated`; the connection is over. A larger
 * payload to send is a `MessageError` (`FrameTooLong`), an empty one is one of `InvalidLength`.
 *
 * **Source**: RFC 6587 section 3.4.1; the same over TLS, RFC 5425 section 4.3.
 *
 * @since 0.1.0
 */
import type { ByteReader } from "./ByteReader.ts"
import { utf8 } from "./ByteWriter.ts"
import { type Framing, limitOf } from "./Codec.ts"
import * as Decoder from "./Decoder.ts"
import { FrameError, FrameTooLong, InvalidLength, InvalidOption, MessageError } from "./FramingError.ts"
import { decimal, digitsOf } from "./internal/decimal.ts"
import { more } from "./internal/more.ts"

const space = 0x20

/**
 * The framing with this limit.
 *
 * **Errors**: throws `InvalidOption` for a limit that is not a whole number from 1 on.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: { readonly limit?: number } = {}): Framing => {
  const limit = limitOf(options.limit)
  if (limit === 0) {
    throw new InvalidOption({ option: "limit", value: limit, allowed: "1 byte or more, as a message has" })
  }

  const step = (reader: ByteReader) => {
    const size = decimal(reader, space, 1)
    if (size === more) return more
    const header = digitsOf(size) + 1
    if (size > limit) {
      const head = reader.peek(Math.min(16, header + size))
      throw new FrameError({ reason: new FrameTooLong({ size, limit }), offset: reader.offset, head })
    }
    if (reader.length < header + size) return reader.need(header + size)
    reader.skip(header)
    return reader.take(size)
  }

  return {
    limit,
    decoder: Decoder.make(() => step),
    encode: (payload, writer) => {
      const size = payload.length
      if (size === 0 || size > limit) {
        const reason = size === 0
          ? new InvalidLength({ detail: "0, a message has a byte" })
          : new FrameTooLong({ size, limit })
        throw new MessageError({ direction: "encode", reason })
      }
      writer.bytes(utf8(`${size} `))
      writer.bytes(payload)
    }
  }
}
