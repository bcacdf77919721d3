/**
 * Frames behind a fixed-width unsigned integer that says how many bytes follow.
 *
 * ```text
 * u16be            +-------+-------+----------------+
 *                  | size         | payload        |
 *                  | big-endian   | size bytes     |
 *                  +-------+-------+----------------+
 *
 * IN   00 05 h e l l o 00 00 00 02 h i
 * OUT  hello | (empty) | hi
 * ```
 *
 * **Limits**: `limit` counts payload bytes, inclusive, both ways; 1 MiB by default, or what the width can say if that is
 * less. A declared size is checked as soon as it can be read, and nothing is allocated for it ahead.
 *
 * **Errors**: a larger declared size is a `FrameError` (`FrameTooLong`), a stream that ends within a frame one of
 * `Truncated`; the connection is over. A larger payload to send is a `MessageError` (`FrameTooLong`).
 *
 * **Source**: Erlang's `{packet, 1 | 2 | 4}`; DNS over TCP, RFC 1035 section 4.2.2, is `u16be`.
 *
 * @since 0.1.0
 */
import type { ByteReader } from "./ByteReader.ts"
import { type Framing, limitOf } from "./Codec.ts"
import * as Decoder from "./Decoder.ts"
import { FrameError, FrameTooLong, InvalidOption, MessageError } from "./FramingError.ts"

/**
 * The length field: its width in bytes, and which end of it comes first, `be` by default.
 *
 * @category options
 * @since 0.1.0
 */
export interface LengthPrefixedOptions {
  readonly width: 1 | 2 | 3 | 4
  readonly endian?: "be" | "le"
  readonly limit?: number
}

/**
 * The framing of the options.
 *
 * **Errors**: throws `InvalidOption` for a width that is not 1 to 4, an endian that is not `be` or `le`, and a limit that
 * the width cannot say.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: LengthPrefixedOptions): Framing => {
  const { endian = "be", width } = options
  if (![1, 2, 3, 4].includes(width)) {
    throw new InvalidOption({ option: "width", value: width, allowed: "1, 2, 3 or 4 bytes" })
  }
  if (endian !== "be" && endian !== "le") {
    throw new InvalidOption({ option: "endian", value: endian, allowed: "be or le" })
  }
  const littleEndian = endian === "le"
  const limit = limitOf(options.limit, 256 ** width - 1)

  const step = (reader: ByteReader) => {
    if (reader.length < width) return reader.need(width)
    const size = reader.uint(0, width, littleEndian)
    if (size > limit) {
      const head = reader.peek(Math.min(16, width + size))
      throw new FrameError({ reason: new FrameTooLong({ size, limit }), offset: reader.offset, head })
    }
    if (reader.length < width + size) return reader.need(width + size)
    reader.skip(width)
    return reader.take(size)
  }

  return {
    limit,
    decoder: Decoder.make(() => step),
    encode: (payload, writer) => {
      const size = payload.length
      if (size > limit) throw new MessageError({ direction: "encode", reason: new FrameTooLong({ size, limit }) })
      writer.uint(size, width, littleEndian)
      writer.bytes(payload)
    }
  }
}

interface Limit {
  readonly limit?: number
}

/**
 * One length byte: payloads of 255 bytes at most.
 *
 * @category constructors
 * @since 0.1.0
 */
export const u8 = (options?: Limit): Framing => make({ ...options, width: 1 })

/**
 * Two length bytes, big-endian: payloads of 65,535 bytes at most.
 *
 * @category constructors
 * @since 0.1.0
 */
export const u16be = (options?: Limit): Framing => make({ ...options, width: 2 })

/**
 * Two length bytes, little-endian.
 *
 * @category constructors
 * @since 0.1.0
 */
export const u16le = (options?: Limit): Framing => make({ ...options, width: 2, endian: "le" })

/**
 * Three length bytes, big-endian.
 *
 * @category constructors
 * @since 0.1.0
 */
export const u24be = (options?: Limit): Framing => make({ ...options, width: 3 })

/**
 * Three length bytes, little-endian.
 *
 * @category constructors
 * @since 0.1.0
 */
export const u24le = (options?: Limit): Framing => make({ ...options, width: 3, endian: "le" })

/**
 * Four length bytes, big-endian.
 *
 * @category constructors
 * @since 0.1.0
 */
export const u32be = (options?: Limit): Framing => make({ ...options, width: 4 })

/**
 * Four length bytes, little-endian.
 *
 * @category constructors
 * @since 0.1.0
 */
export const u32le = (options?: Limit): Framing => make({ ...options, width: 4, endian: "le" })
