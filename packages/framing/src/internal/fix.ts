/**
 * FIX messages. Each field ends in SOH, 01, here a bar.
 *
 * ```text
 * +------------+--------+----------------+---------+
 * | 8=FIX.4.4| | 9=size| | payload        | 10=sum| |     size in decimal; the sum of all before it, in three digits
 * |            |        | size bytes     |         |
 * +------------+--------+----------------+---------+
 * ```
 */
import type { ByteReader } from "../ByteReader.ts"
import { utf8 } from "../ByteWriter.ts"
import { type Framing, limitOf } from "../Codec.ts"
import * as Decoder from "../Decoder.ts"
import { ChecksumMismatch, FrameTooLong, InvalidLength, InvalidOption, Malformed } from "../FramingError.ts"
import { broken, checkSize, refused, rejected } from "./failure.ts"
import { type More, more } from "./more.ts"

const soh = 0x01
const zero = 0x30
const maxDigits = 15
const trailer = utf8("10=ddd\x01")

const sumOf = (bytes: Uint8Array, end: number): number => {
  let sum = 0
  for (let i = 0; i < end; i++) sum += bytes[i]!
  return sum % 256
}

/** What follows a payload is `10=` and three digits, and its own fields end before. */
const hasTrailer = (reader: ByteReader, header: number, end: number): boolean => {
  if (end > header && reader.at(end - 1) !== soh) return false
  return trailer.every((byte, i) => {
    const found = reader.at(end + i)
    return i >= 3 && i < 6 ? found >= zero && found < zero + 10 : found === byte
  })
}

/** The framing of this version with this limit. */
export const fix = (begin: string, most: number | undefined): Framing => {
  const limit = limitOf(most, 10 ** maxDigits - 1)
  if (!/^FIXT?\.\d\.\d$/.test(begin)) {
    throw new InvalidOption({ option: "begin", value: begin, allowed: "FIX.4.0 to FIX.4.4, or FIXT.1.1" })
  }
  const prefix = utf8(`8=${begin}\x019=`)

  /** Where the digits of the size end. */
  const digitsEnd = (reader: ByteReader): number | More => {
    for (let i = 0; i < prefix.length && i < reader.length; i++) {
      if (reader.at(i) !== prefix[i]) throw broken(reader, new Malformed({ detail: `it does not begin as ${begin}` }))
    }
    for (let at = prefix.length;; at++) {
      if (at >= reader.length) return reader.need(at + 1)
      const byte = reader.at(at)
      const digits = at - prefix.length
      if (byte === soh && digits > 0) return at
      if (byte < zero || byte >= zero + 10 || digits === maxDigits) {
        throw broken(reader, new InvalidLength({ detail: `it is not 1 to ${maxDigits} digits and SOH` }))
      }
    }
  }

  const step = (reader: ByteReader): Uint8Array | More => {
    const digits = digitsEnd(reader)
    if (digits === more) return more
    let size = 0
    for (let at = prefix.length; at < digits; at++) size = size * 10 + reader.at(at) - zero
    if (size > limit) throw broken(reader, new FrameTooLong({ size, limit }))
    const header = digits + 1
    const end = header + size
    if (reader.length < end + trailer.length) return reader.need(end + trailer.length)
    if (!hasTrailer(reader, header, end)) {
      throw broken(reader, new Malformed({ detail: `no checksum field after the ${size} bytes of field 9` }))
    }
    const message = reader.take(end + trailer.length)
    const declared = (message[end + 3]! - zero) * 100 + (message[end + 4]! - zero) * 10 + message[end + 5]! - zero
    const computed = sumOf(message, end)
    if (declared !== computed) throw rejected(new ChecksumMismatch({ declared, computed }))
    return message.subarray(header, end)
  }

  return {
    limit,
    decoder: Decoder.make(() => step),
    encode: (payload, writer) => {
      const size = payload.length
      checkSize(size, limit)
      if (size > 0 && payload[size - 1] !== soh) throw refused(new Malformed({ detail: "its last field has no SOH" }))
      const header = utf8(`8=${begin}\x019=${size}\x01`)
      const sum = (sumOf(header, header.length) + sumOf(payload, size)) % 256
      writer.bytes(header)
      writer.bytes(payload)
      writer.bytes(utf8(`10=${String(sum).padStart(3, "0")}\x01`))
    }
  }
}
