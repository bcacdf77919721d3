/** A length in decimal digits in front of a frame. */
import type { ByteReader } from "../ByteReader.ts"
import { FrameError, InvalidLength } from "../FramingError.ts"
import { type More, more } from "./more.ts"

const zero = 0x30
const nine = 0x39

/** How many digits a number has. */
export const digitsOf = (value: number): number => {
  let digits = 1
  for (let power = 10; power <= value; power *= 10) digits++
  return digits
}

/**
 * The number before the byte `end`, which stays where it is. It has no zero in front and is `least` or more; the first byte
 * that makes it anything else is refused.
 */
export const decimal = (reader: ByteReader, end: number, least: 0 | 1): number | More => {
  let value = 0
  for (let i = 0; i < reader.length; i++) {
    const byte = reader.at(i)
    if (i > 0 && byte === end) return value
    const isDigit = byte >= zero && byte <= nine && (i > 0 ? value > 0 : byte - zero >= least)
    value = value * 10 + (byte - zero)
    if (isDigit && value <= Number.MAX_SAFE_INTEGER) continue
    const detail = isDigit ? "it is above 2^53 - 1" : `byte ${i} of it is 0x${byte.toString(16).padStart(2, "0")}`
    throw new FrameError({ reason: new InvalidLength({ detail }), offset: reader.offset, head: reader.peek(16) })
  }
  reader.need(reader.length + 1)
  return more
}
