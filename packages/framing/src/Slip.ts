/**
 * Frames between END bytes, with END and ESC escaped in the payload.
 *
 * ```text
 * +-----+--------------------------------------+-----+
 * | END | payload, END as ESC ESC_END,         | END |      END     c0    ESC     db
 * |     |          ESC as ESC ESC_ESC          |     |      ESC_END dc    ESC_ESC dd
 * +-----+--------------------------------------+-----+
 *
 * IN   c0 h i c0 c0 61 db dc c0 db 62 c0 6f 6b c0
 * OUT  hi | 61 c0 | (Malformed) | ok
 * ```
 *
 * Each frame is written with an END before it, which ends what noise on the line has left. Empty frames are what stands
 * between the END of one frame and that of the next: they are ignored, and none can be sent.
 *
 * **Limits**: `limit` counts payload bytes, inclusive, both ways, as they are without escapes; 1 MiB by default. An ESC
 * whose second byte has not come is not counted.
 *
 * **Errors**: an ESC before anything but ESC_END and ESC_ESC is a `MessageError` (`Malformed`), and the frame after it
 * is fine. A longer frame, finished or not, is a `FrameError` (`FrameTooLong`), or with `onTooLong: "skip"` a
 * `MessageError` once it has gone by; a stream that ends within a frame, skipped or not, is a `FrameError`
 * (`Truncated`). To send an empty payload is a `MessageError` (`InvalidLength`), a longer one is one of `FrameTooLong`.
 *
 * **Source**: RFC 1055.
 *
 * @since 0.1.0
 */
import { type Framing, limitOf } from "./Codec.ts"
import * as Decoder from "./Decoder.ts"
import { FrameTooLong, InvalidLength, Malformed } from "./FramingError.ts"
import { broken, checkSize, refused, rejected } from "./internal/failure.ts"
import { oneOf } from "./internal/options.ts"
import { skippingTo } from "./internal/skippingTo.ts"

const end = 0xc0
const esc = 0xdb
const escEnd = 0xdc
const escEsc = 0xdd

/** The payload of a frame that has this many escapes. */
const unescape = (frame: Uint8Array, escapes: number): Uint8Array => {
  const payload = new Uint8Array(frame.length - escapes)
  let size = 0
  for (let i = 0; i < frame.length; i++) {
    let byte = frame[i]!
    if (byte === esc) {
      const escaped = frame[++i]
      if (escaped !== escEnd && escaped !== escEsc) {
        const found = escaped === undefined ? "the end of the frame" : `0x${escaped.toString(16).padStart(2, "0")}`
        throw rejected(new Malformed({ detail: `${found} after ESC, 0xdc or 0xdd can stand there` }))
      }
      byte = escaped === escEnd ? end : esc
    }
    payload[size++] = byte
  }
  return payload
}

/**
 * What becomes of a frame above the limit: `"fail"`, the default, ends the connection; `"skip"` discards it as it
 * comes.
 *
 * @category options
 * @since 0.1.0
 */
export interface SlipOptions {
  readonly limit?: number
  readonly onTooLong?: "fail" | "skip"
}

/**
 * The framing of the options.
 *
 * **Errors**: throws `InvalidOption` for a limit that is not a whole number, and for an `onTooLong` that is none of its
 * two.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: SlipOptions = {}): Framing => {
  const limit = limitOf(options.limit)
  const onTooLong = oneOf("onTooLong", options.onTooLong ?? "fail", ["fail", "skip"])

  const start = (): Decoder.Step<Uint8Array> => {
    // Of the frame that has not ended: how far in the stream it was searched, its escapes, and whether the last byte
    // was ESC.
    let searched = 0
    let escapes = 0
    let escaped = false

    const findEnd = (piece: Uint8Array, from: number): number => {
      for (let i = from; i < piece.length; i++) {
        const byte = piece[i]
        if (byte === end) return i
        escaped = byte === esc && !escaped
        if (escaped) escapes++
      }
      return -1
    }

    return (reader) => {
      while (reader.length > 0 && reader.at(0) === end) reader.discard(1)
      const found = reader.search(Math.max(0, searched - reader.offset), findEnd)
      const size = found < 0 ? reader.length : found
      searched = reader.offset + size

      const inside = escapes
      if (size - inside > limit || found >= 0) {
        escapes = 0
        escaped = false
      }
      if (size - inside > limit) throw broken(reader, new FrameTooLong({ size: limit + 1, limit }), limit + 1)
      if (found < 0) return reader.need()

      const frame = reader.take(size)
      reader.skip(1)
      return inside === 0 ? frame : unescape(frame, inside)
    }
  }

  return {
    limit,
    decoder: Decoder.make(onTooLong === "fail" ? start : () => skippingTo(start(), end)),
    encode: (payload, writer) => {
      const size = payload.length
      checkSize(size, limit)
      if (size === 0) throw refused(new InvalidLength({ detail: "0, and readers ignore empty frames" }))
      writer.byte(end)
      let from = 0
      for (let i = 0; i < size; i++) {
        const byte = payload[i]
        if (byte !== end && byte !== esc) continue
        if (i > from) writer.bytes(payload.subarray(from, i))
        writer.byte(esc)
        writer.byte(byte === end ? escEnd : escEsc)
        from = i + 1
      }
      if (size > from) writer.bytes(payload.subarray(from))
      writer.byte(end)
    }
  }
}
