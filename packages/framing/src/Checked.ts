/**
 * A checksum in the frames of any framing.
 *
 * ```text
 * +----------------+----------+          +----------+----------------+
 * | payload        | checksum |    or    | checksum | payload        |     within a frame
 * +----------------+----------+          +----------+----------------+
 *
 * u16be with crc32 at the end
 * IN   00 0d 1 2 3 4 5 6 7 8 9 cb f4 39 26 00 04 00 00 00 01 00 04 00 00 00 00
 * OUT  123456789 | (ChecksumMismatch) | (empty)
 * ```
 *
 * **Limits**: the framing's, less the width of the checksum. A frame that the framing itself refuses as too long is
 * reported with the framing's sizes, which count the checksum.
 *
 * **Errors**: those of the framing. A frame whose checksum is another is a `MessageError` (`ChecksumMismatch`), one
 * with no room for it a `MessageError` (`InvalidLength`): where the frame ends is known, and the next is fine.
 *
 * **Source**: the algorithms are named and parametrised as in the CRC RevEng catalogue; Adler-32 is RFC 1950.
 *
 * @since 0.1.0
 */
import { type Framing, transform } from "./Codec.ts"
import { ChecksumMismatch, InvalidLength, InvalidOption } from "./FramingError.ts"
import { checkSize, rejected } from "./internal/failure.ts"

/**
 * How bytes are summed, and how the sum is written: `of` gives an unsigned integer of `width` bytes.
 *
 * For the other order of bytes: `{ ...Checked.crc32, endian: "le" }`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Checksum {
  readonly width: 1 | 2 | 3 | 4
  readonly endian: "be" | "le"
  readonly of: (bytes: Uint8Array) => number
}

/**
 * What is summed with what, and where in the frame it stands: `end` by default.
 *
 * @category options
 * @since 0.1.0
 */
export interface CheckedOptions {
  readonly checksum: Checksum
  readonly at?: "end" | "start"
}

/**
 * The framing with a checksum in each of its frames.
 *
 * **Errors**: throws `InvalidOption` for a width that is not 1 to 4, an endian that is not `be` or `le`, a place that
 * is not `end` or `start`, and a framing whose limit has no room for the checksum.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (framing: Framing, options: CheckedOptions): Framing => {
  const { at = "end", checksum } = options
  const { endian, of, width } = checksum
  if (![1, 2, 3, 4].includes(width)) {
    throw new InvalidOption({ option: "width", value: width, allowed: "1, 2, 3 or 4 bytes" })
  }
  if (endian !== "be" && endian !== "le") {
    throw new InvalidOption({ option: "endian", value: endian, allowed: "be or le" })
  }
  if (at !== "end" && at !== "start") {
    throw new InvalidOption({ option: "at", value: at, allowed: "end or start" })
  }
  const limit = framing.limit - width
  if (limit < 0) {
    throw new InvalidOption({ option: "limit", value: framing.limit, allowed: `${width} and more, for the checksum` })
  }
  // What a function of the user's gives is cut to what is written.
  const sum = (payload: Uint8Array) => (of(payload) & (width === 4 ? -1 : 256 ** width - 1)) >>> 0
  const place = (i: number) => 8 * (endian === "le" ? i : width - 1 - i)

  const checked = transform(
    framing,
    (frame) => {
      const size = frame.length - width
      if (size < 0) {
        throw rejected(new InvalidLength({ detail: `${frame.length}, and the checksum takes ${width}` }))
      }
      const from = at === "end" ? size : 0
      let declared = 0
      for (let i = 0; i < width; i++) declared |= frame[from + i]! << place(i)
      declared >>>= 0
      const payload = at === "end" ? frame.subarray(0, size) : frame.subarray(width)
      const computed = sum(payload)
      if (declared !== computed) throw rejected(new ChecksumMismatch({ declared, computed }))
      return payload
    },
    (payload: Uint8Array) => {
      const size = payload.length
      checkSize(size, limit)
      const frame = new Uint8Array(size + width)
      frame.set(payload, at === "end" ? 0 : width)
      const computed = sum(payload)
      const from = at === "end" ? size : 0
      for (let i = 0; i < width; i++) frame[from + i] = computed >>> place(i)
      return frame
    }
  )
  return { ...checked, limit }
}

/** A table of a reflected polynomial, whose remainders shift right. */
const reflected = (polynomial: number): Uint32Array =>
  Uint32Array.from({ length: 256 }, (_, byte) => {
    let remainder = byte
    for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ polynomial : remainder >>> 1
    return remainder
  })

const crc32Of = (polynomial: number) => {
  const table = reflected(polynomial)
  return (bytes: Uint8Array): number => {
    let remainder = -1
    for (let i = 0; i < bytes.length; i++) remainder = table[(remainder ^ bytes[i]!) & 0xff]! ^ (remainder >>> 8)
    return ~remainder >>> 0
  }
}

/**
 * CRC-32/ISO-HDLC, big-endian: Ethernet, zip, PNG. It has 0xcbf43926 for `123456789`.
 *
 * @category checksums
 * @since 0.1.0
 */
export const crc32: Checksum = { width: 4, endian: "be", of: crc32Of(0xedb88320) }

/**
 * CRC-32/ISCSI by Castagnoli, big-endian: iSCSI, SCTP, PROXY protocol. It has 0xe3069283 for `123456789`.
 *
 * @category checksums
 * @since 0.1.0
 */
export const crc32c: Checksum = { width: 4, endian: "be", of: crc32Of(0x82f63b78) }

const ccitt = Uint16Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte << 8
  for (let bit = 0; bit < 8; bit++) remainder = remainder & 0x8000 ? (remainder << 1) ^ 0x1021 : remainder << 1
  return remainder
})

/**
 * CRC-16/IBM-3740, big-endian, which is what most mean by CCITT: it begins with 0xffff and has 0x29b1 for `123456789`.
 *
 * @category checksums
 * @since 0.1.0
 */
export const crc16Ccitt: Checksum = {
  width: 2,
  endian: "be",
  of: (bytes) => {
    let remainder = 0xffff
    for (let i = 0; i < bytes.length; i++) {
      remainder = ccitt[(remainder >>> 8) ^ bytes[i]!]! ^ ((remainder << 8) & 0xffff)
    }
    return remainder
  }
}

// As many bytes as can be added before the second sum passes 2^32.
const adlerRun = 5552

/**
 * Adler-32, big-endian: zlib. It has 0x091e01de for `123456789`.
 *
 * @category checksums
 * @since 0.1.0
 */
export const adler32: Checksum = {
  width: 4,
  endian: "be",
  of: (bytes) => {
    let a = 1
    let b = 0
    for (let from = 0; from < bytes.length; from += adlerRun) {
      const to = Math.min(bytes.length, from + adlerRun)
      for (let i = from; i < to; i++) {
        a += bytes[i]!
        b += a
      }
      a %= 65_521
      b %= 65_521
    }
    return ((b << 16) | a) >>> 0
  }
}
