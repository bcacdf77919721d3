/**
 * Frames that end in a zero byte, with the zeros of the payload stuffed away: one byte in 254 at most is added.
 *
 * ```text
 * +------+------------------+------+------------------+-----+----+
 * | code | code - 1 bytes,  | code | code - 1 bytes,  | ... | 00 |
 * |      | none of them 0   |      | none of them 0   |     |    |
 * +------+------------------+------+------------------+-----+----+
 * A zero of the payload stands between two blocks, unless the first has the code ff.
 *
 * IN   03 h i 00 02 61 02 62 00 05 61 00 02 6f 00
 * OUT  hi | 61 00 62 | (Malformed) | o
 * ```
 *
 * An empty payload is 01 00. Zeros between frames are ignored, so that a sender may begin with one.
 *
 * **Limits**: `limit` counts payload bytes, inclusive, both ways, as they are without codes; 1 MiB by default. A zero
 * that is one only if another block follows is not counted.
 *
 * **Errors**: a block that the end of its frame cuts short is a `MessageError` (`Malformed`), and the frame after it is
 * fine. A longer frame, finished or not, is a `FrameError` (`FrameTooLong`), or with `onTooLong: "skip"` a
 * `MessageError` once it has gone by; a stream that ends within a frame, skipped or not, is a `FrameError`
 * (`Truncated`). A longer payload to send is a `MessageError` (`FrameTooLong`).
 *
 * **Source**: Cheshire and Baker, Consistent Overhead Byte Stuffing, IEEE/ACM Transactions on Networking 7(2), 1999.
 *
 * @since 0.1.0
 */
import { type Framing, limitOf } from "./Codec.ts"
import * as Decoder from "./Decoder.ts"
import { FrameTooLong, Malformed } from "./FramingError.ts"
import { broken, checkSize, rejected } from "./internal/failure.ts"
import { oneOf } from "./internal/options.ts"
import { skippingTo } from "./internal/skippingTo.ts"

const maxCode = 0xff

const unstuff = (frame: Uint8Array, size: number): Uint8Array => {
  const payload = new Uint8Array(size)
  let filled = 0
  for (let at = 0; at < frame.length;) {
    const code = frame[at]!
    const next = at + code
    if (next > frame.length) {
      const detail = `a block of ${code - 1} bytes, and the frame ends after ${frame.length - at - 1}`
      throw rejected(new Malformed({ detail }))
    }
    // A loop, because most blocks are too short for a copy of the platform's to be worth its call.
    for (at++; at < next; at++) payload[filled++] = frame[at]!
    // The payload is zeros where nothing was written.
    if (code < maxCode) filled++
  }
  return payload
}

const stuff = (payload: Uint8Array): Uint8Array => {
  const size = payload.length
  const frame = new Uint8Array(size + Math.ceil(size / (maxCode - 1)) + 2)
  let code = 0
  let filled = 1
  for (let i = 0; i < size; i++) {
    // Only when more follows: at the end of the payload a full block needs none after it.
    if (filled - code === maxCode) {
      frame[code] = maxCode
      code = filled++
    }
    const byte = payload[i]!
    if (byte === 0) {
      frame[code] = filled - code
      code = filled++
    } else {
      frame[filled++] = byte
    }
  }
  frame[code] = filled - code
  return frame.subarray(0, filled + 1)
}

/**
 * What becomes of a frame above the limit: `"fail"`, the default, ends the connection; `"skip"` discards it as it
 * comes.
 *
 * @category options
 * @since 0.1.0
 */
export interface CobsOptions {
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
export const make = (options: CobsOptions = {}): Framing => {
  const limit = limitOf(options.limit)
  const onTooLong = oneOf("onTooLong", options.onTooLong ?? "fail", ["fail", "skip"])

  const start = (): Decoder.Step<Uint8Array> => {
    // Of the frame that has not ended: how far it was searched, where its next block begins, and the payload before
    // that.
    let searched = 0
    let block = 0
    let before = 0
    let zero = 0

    return (reader) => {
      while (reader.length > 0 && reader.at(0) === 0) reader.discard(1)
      const found = reader.indexOf(0, searched)
      searched = found < 0 ? reader.length : found

      while (block < searched) {
        const code = reader.at(block)
        if (block + code > searched) break
        before += zero + code - 1
        zero = code < maxCode ? 1 : 0
        block += code
      }
      const size = before + (block < searched ? zero + searched - block - 1 : 0)
      if (size > limit || found >= 0) [searched, block, before, zero] = [0, 0, 0, 0]
      if (size > limit) throw broken(reader, new FrameTooLong({ size: limit + 1, limit }), limit + 1)
      if (found < 0) return reader.need()

      const frame = reader.take(found)
      reader.skip(1)
      return unstuff(frame, size)
    }
  }

  return {
    limit,
    decoder: Decoder.make(onTooLong === "fail" ? start : () => skippingTo(start(), 0)),
    encode: (payload, writer) => {
      checkSize(payload.length, limit)
      writer.bytes(stuff(payload))
    }
  }
}
