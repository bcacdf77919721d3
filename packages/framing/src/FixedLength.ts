/**
 * Frames of one size, one after another, with nothing between them.
 *
 * ```text
 * +----------------+----------------+
 * | size bytes     | size bytes     |
 * +----------------+----------------+
 *
 * size 3
 * IN   A B C D E F G H I
 * OUT  ABC | DEF | GHI
 * ```
 *
 * **Limits**: a frame has `size` bytes, so that is its limit.
 *
 * **Errors**: a stream that ends within a frame is a `FrameError` (`Truncated`); with `allowTruncated` the bytes that came
 * are the last frame. A payload to send of another size is a `MessageError`, `FrameTooLong` or `InvalidLength`.
 *
 * **Source**: fixed records, such as the 188 bytes of an MPEG transport stream packet (ISO/IEC 13818-1).
 *
 * @since 0.1.0
 */
import type { Framing } from "./Codec.ts"
import * as Decoder from "./Decoder.ts"
import { FrameTooLong, InvalidLength, MessageError } from "./FramingError.ts"
import { byteCount } from "./internal/options.ts"

/**
 * The size of every frame, one byte at least; `allowTruncated`, false by default, takes what is left at the end of the
 * stream as a frame.
 *
 * @category options
 * @since 0.1.0
 */
export interface FixedLengthOptions {
  readonly size: number
  readonly allowTruncated?: boolean
}

/**
 * The framing of the options.
 *
 * **Errors**: throws `InvalidOption` for a size that is not a whole number from 1 on.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: FixedLengthOptions): Framing => {
  const { allowTruncated = false } = options
  const limit = byteCount("size", options.size, 1)
  return {
    limit,
    decoder: Decoder.make(() => (reader) => {
      if (reader.length >= limit) return reader.take(limit)
      return allowTruncated && reader.ended && reader.length > 0 ? reader.take(reader.length) : reader.need(limit)
    }),
    encode: (payload, writer) => {
      const size = payload.length
      if (size !== limit) {
        const reason = size > limit
          ? new FrameTooLong({ size, limit })
          : new InvalidLength({ detail: `${size} bytes, every frame has ${limit}` })
        throw new MessageError({ direction: "encode", reason })
      }
      writer.bytes(payload)
    }
  }
}
