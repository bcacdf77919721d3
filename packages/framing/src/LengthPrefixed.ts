/**
 * Frames behind an unsigned integer of fixed width, or another header, that says how many bytes follow.
 *
 * ```text
 * u16be            +-------+-------+----------------+
 *                  | size         | payload        |
 *                  | big-endian   | size bytes     |
 *                  +-------+-------+----------------+
 *
 * IN   00 05 h e l l o 00 00 00 02 h i
 * OUT  hello | (empty) | hi
 *
 * in general       +--------------+-------------+----------------------------+
 *                  | offset bytes | width bytes | value + adjustment bytes   |
 *                  +--------------+-------------+----------------------------+
 *                  |<--------- strip? --------->|
 *                  |<- value, where it counts the frame -------------------->|
 *
 * width 2, offset 1, counts "frame", strip false
 * IN   ca 00 05 h i cb 00 03
 * OUT  ca 00 05 h i | cb 00 03
 * ```
 *
 * **Limits**: `limit` counts payload bytes, inclusive, both ways: what comes after the length field, and after what is
 * stripped. 1 MiB by default, or what the width can say if that is less. A declared size is checked as soon as it can be
 * read, and nothing is allocated for it ahead.
 *
 * **Errors**: a larger declared size is a `FrameError` (`FrameTooLong`), or with `onTooLong: "skip"` a `MessageError`
 * once the frame has gone by. One below what the header itself takes, or above 2^53 - 1, is a `FrameError`
 * (`InvalidLength`), a stream that ends within a frame, skipped or not, one of `Truncated`; the connection is over. A
 * larger payload to send is a `MessageError` (`FrameTooLong`).
 *
 * **Source**: Erlang's `{packet, 1 | 2 | 4}`; DNS over TCP, RFC 1035 section 4.2.2, is `u16be`. The general form reads
 * what Netty's `LengthFieldBasedFrameDecoder` and tokio's `LengthDelimitedCodec` read.
 *
 * @since 0.1.0
 */
import { ByteReader } from "./ByteReader.ts"
import { type Framing, limitOf } from "./Codec.ts"
import * as Decoder from "./Decoder.ts"
import { FrameError, FrameTooLong, InvalidLength, InvalidOption, Malformed } from "./FramingError.ts"
import { checkSize, refused } from "./internal/failure.ts"
import type { More } from "./internal/more.ts"
import { byteCount, oneOf } from "./internal/options.ts"
import { skipping } from "./internal/skipping.ts"

/**
 * What the length means, and what is left of the header.
 *
 * - `counts`: the bytes after the length field, `"payload"` (the default); all bytes from the frame's first,
 *   `"frame"`; or as many bytes follow the field as it says and this number more, which may be negative.
 * - `strip`: leave the header out of frames, the default; `false` keeps it. A number of bytes leaves out so many of the
 *   first.
 * - `onTooLong`: `"fail"`, the default, ends the connection; `"skip"` discards the frame as its bytes come.
 *
 * What is sent has the form of what is read. A payload is written behind its length; a frame that keeps its header is
 * written as it is, and refused if its length is not its own. Where something is stripped that the payload's size does
 * not tell, nothing can be sent.
 *
 * @category options
 * @since 0.1.0
 */
export interface HeaderOptions {
  readonly counts?: "payload" | "frame" | number
  readonly strip?: boolean | number
  readonly limit?: number
  readonly onTooLong?: "fail" | "skip"
}

/**
 * The length field: its width in bytes, which end of it comes first, `be` by default, and how many bytes of the header
 * come before it.
 *
 * @category options
 * @since 0.1.0
 */
export interface LengthPrefixedOptions extends HeaderOptions {
  readonly width: 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8
  readonly endian?: "be" | "le"
  readonly offset?: number
}

/**
 * The framing of the options.
 *
 * **Errors**: throws `InvalidOption` for a width that is not 1 to 8, an endian that is not `be` or `le`, a limit or an
 * adjustment that the width cannot say, and a strip that is more than the smallest frame.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: LengthPrefixedOptions): Framing => {
  const { endian = "be", offset = 0, width } = options
  if (![1, 2, 3, 4, 5, 6, 7, 8].includes(width)) {
    throw new InvalidOption({ option: "width", value: width, allowed: "1 to 8 bytes" })
  }
  const littleEndian = oneOf("endian", endian, ["be", "le"]) === "le"
  byteCount("offset", offset, 0, 65_536)
  return build({ offset, width, littleEndian }, undefined, 256 ** width - 1, options)
}

/**
 * The framing of a header that says the size in another way than one integer: bits of a byte, or a width that depends on
 * one. `sizeOf` gets the first `header` bytes of each frame and returns the value that `counts` explains, `"payload"` by
 * default; what is not a whole number from 0 on is refused as an invalid length.
 *
 * A frame that keeps its header can be sent, one that is stripped of it cannot.
 *
 * **Errors**: as `make`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromHeader = (
  options: HeaderOptions & { readonly header: number; readonly sizeOf: (header: Uint8Array) => number }
): Framing => {
  const { header, sizeOf } = options
  byteCount("header", header, 1, 65_536)
  const exact = (bytes: Uint8Array) => {
    const value = sizeOf(bytes)
    return Number.isSafeInteger(value) ? value : Number.NaN
  }
  return build({ offset: 0, width: header, littleEndian: false }, exact, Number.MAX_SAFE_INTEGER, options)
}

interface Field {
  readonly offset: number
  readonly width: number
  readonly littleEndian: boolean
}

/** Frames whose header, up to the end of the field, says how many bytes follow: a value of `most` at most. */
const build = (
  { littleEndian, offset, width }: Field,
  sizeOf: ((header: Uint8Array) => number) | undefined,
  most: number,
  options: HeaderOptions
): Framing => {
  const end = offset + width
  const { counts = "payload", onTooLong = "fail" } = options
  oneOf("onTooLong", onTooLong, ["fail", "skip"])
  const adjustment = counts === "payload" ? 0 : counts === "frame" ? -end : counts
  if (!Number.isSafeInteger(adjustment) || most + adjustment < 0) {
    throw new InvalidOption({
      option: "counts",
      value: counts,
      allowed: "payload, frame, or a number of bytes that leaves some"
    })
  }
  const strip = byteCount("strip", stripped(options.strip, end), 0, end + Math.max(0, adjustment))
  const header = Math.max(end, strip)
  const fromValue = end + adjustment - header
  const limit = limitOf(options.limit, Math.min(most + fromValue, Number.MAX_SAFE_INTEGER - header))

  const refuse = (reader: ByteReader, value: number, size: number): FrameError => {
    const reason = value > Number.MAX_SAFE_INTEGER
      ? new InvalidLength({ detail: "it is above 2^53 - 1" })
      : size > limit
      ? new FrameTooLong({ size, limit })
      : new InvalidLength({ detail: `it is ${value}, which leaves ${size} bytes` })
    const head = reader.peek(Math.min(16, size >= 0 ? header + size : end))
    return new FrameError({ reason, offset: reader.offset, head })
  }

  const valueOf = (reader: ByteReader) =>
    sizeOf === undefined ? reader.uint(offset, width, littleEndian) : sizeOf(reader.peek(end))

  const step = (reader: ByteReader): Uint8Array | More => {
    if (reader.length < end) return reader.need(end)
    const value = valueOf(reader)
    const size = value + fromValue
    // Not a number is neither.
    if (!(size >= 0 && size <= limit)) throw refuse(reader, value, size)
    const total = header + size
    if (reader.length < total) return reader.need(total)
    reader.skip(strip)
    return reader.take(total - strip)
  }

  // The same without what the plain shape does not need, which is one part in ten of the time.
  const plainStep = (reader: ByteReader): Uint8Array | More => {
    if (reader.length < width) return reader.need(width)
    const size = reader.uint(0, width, littleEndian)
    if (size > limit) throw refuse(reader, size, size)
    if (reader.length < width + size) return reader.need(width + size)
    reader.skip(width)
    return reader.take(size)
  }

  const isWritten = sizeOf === undefined && offset === 0 && strip === width
  const chosen: Decoder.FrameStep = isWritten && adjustment === 0
    ? Object.assign(plainStep, plainForms(width, littleEndian, limit))
    : step

  const encode: Framing["encode"] = (message, writer) => {
    const size = message.length + strip - header
    checkSize(size, limit)
    if (isWritten) {
      if (size < fromValue) throw refused(new InvalidLength({ detail: `${size} bytes, ${fromValue} are the fewest` }))
      writer.uint(size - fromValue, width, littleEndian)
    } else if (strip > 0) {
      throw refused(new Malformed({ detail: "what is stripped of a frame cannot be told from its payload" }))
    } else {
      const frame = new ByteReader()
      frame.push(message)
      const value = message.length < end ? Number.NaN : valueOf(frame)
      if (value + fromValue !== size) {
        throw refused(
          new InvalidLength({ detail: `the header says ${value}, the frame has ${message.length} bytes` })
        )
      }
    }
    writer.bytes(message)
  }

  return {
    limit,
    decoder: Decoder.make(onTooLong === "fail" ? () => chosen : () => skipping(chosen, header)),
    encode
  }
}

/** The most common length without a loop, which is a third of the time of a visit. */
const u32beAt = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0

/** The fast forms of the plain shape. Two loops, because a call a frame is a third of the time of either. */
const plainForms = (width: number, littleEndian: boolean, limit: number) => {
  const sizeAt = width === 4 && !littleEndian ? u32beAt : (bytes: Uint8Array, at: number): number => {
    let size = 0
    for (let i = 0; i < width; i++) size = size * 256 + bytes[littleEndian ? at + width - 1 - i : at + i]!
    return size
  }
  const forms: Pick<Required<Decoder.FrameStep>, "many" | "visit"> = {
    many: (bytes, from, to, into, room) => {
      // Asked for once: for each view it would be a fifth of what that costs.
      const { buffer, byteOffset } = bytes
      let at = from
      for (let left = room; left > 0 && to - at >= width; left--) {
        const size = sizeAt(bytes, at)
        if (size > limit || size > to - at - width) break
        // Not subarray: that of Node's Buffer makes a Buffer, whose slice does not copy.
        into.push(new Uint8Array(buffer, byteOffset + at + width, size))
        at += width + size
      }
      return at
    },
    visit: (bytes, from, to, each) => {
      let at = from
      while (to - at >= width) {
        const end = at + width + sizeAt(bytes, at)
        if (end - at - width > limit || end > to) break
        each(bytes, at + width, end)
        at = end
      }
      return at
    }
  }
  return forms
}

const stripped = (strip: boolean | number | undefined, end: number): number =>
  strip === undefined || strip === true ? end : strip === false ? 0 : strip

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
