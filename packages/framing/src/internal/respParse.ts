/** What a whole RESP value says. */
import { InvalidUtf8, Malformed } from "../FramingError.ts"
import type { Value } from "../Resp.ts"
import { rejected } from "./failure.ts"

const cr = 0x0d
const lf = 0x0a
const minus = 0x2d
const zero = 0x30
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const ascii = (bytes: Uint8Array): string => {
  let text = ""
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}

/** Numbers of more digits take too long to read. */
export const maxDigits = 10_000

const maxInteger = 2n ** 63n - 1n

/** The integer has 64 bits. */
export const isInteger = (value: bigint): boolean => value >= -maxInteger - 1n && value <= maxInteger

/** The letters that say what verbatim bytes are. */
export const isFormat = (format: string): boolean => /^[\x20-\x7e]{3}$/.test(format)

const doubleText = /^(?:[+-]?(?:\d+(?:\.\d*)?(?:e[+-]?\d+)?|inf)|-?nan)$/i

const doubleOf = (text: string): number | undefined => {
  if (!doubleText.test(text)) return undefined
  if (/nan$/i.test(text)) return Number.NaN
  return /inf$/i.test(text) ? (text.startsWith("-") ? -1 : 1) * Number.POSITIVE_INFINITY : Number(text)
}

const none: Uint8Array = new Uint8Array(0)

/** Makes the function that gives the value of bytes that the scanner let pass. */
export const parser = (): (whole: Uint8Array) => Value => {
  let bytes = none
  let at = 0

  const bad = (detail: string) => rejected(new Malformed({ detail }))

  const line = (): Uint8Array => {
    const from = at
    at = bytes.indexOf(lf, from) + 1
    return bytes.subarray(from, at - 2)
  }

  /** The number of a header, or undefined where the end comes later. */
  const number = (): number | undefined => {
    let found = 0
    for (;;) {
      const byte = bytes[at++]!
      if (byte === cr) break
      if (byte < zero || byte > zero + 9) {
        at = bytes.indexOf(lf, at) + 1
        return byte === minus ? -1 : undefined
      }
      found = found * 10 + byte - zero
    }
    at++
    return found
  }

  const short = (what: string, most: number): string => {
    const text = line()
    if (text.length > most) throw bad(`${what} of ${text.length} characters, ${most} are allowed`)
    return ascii(text)
  }

  const text = (): string => {
    const found = line()
    if (found.includes(cr)) throw bad("a text with a CR")
    try {
      return utf8.decode(found)
    } catch {
      throw rejected(new InvalidUtf8())
    }
  }

  const integer = (): number | bigint => {
    const text = short("an integer", 20)
    // Added to, so that it is no negative zero.
    if (/^[+-]?\d{1,15}$/.test(text)) return Number(text) + 0
    const value = /^[+-]?\d+$/.test(text) ? BigInt(text) : undefined
    if (value === undefined || !isInteger(value)) throw bad(`"${text}" is no integer of 64 bits`)
    return Number.isSafeInteger(Number(value)) ? Number(value) : value
  }

  const bigNumber = (): bigint => {
    const text = short("a big number", maxDigits + 1)
    if (!/^[+-]?\d+$/.test(text)) throw bad("no digits in a big number")
    return BigInt(text)
  }

  const double = (): number => {
    const text = short("a double", 400)
    const value = doubleOf(text)
    if (value === undefined) throw bad(`"${text}" is no double`)
    return value
  }

  const boolean = (): boolean => {
    const text = ascii(line().subarray(0, 2))
    if (text !== "t" && text !== "f") throw bad("a boolean that is neither t nor f")
    return text === "t"
  }

  const blob = (size: number): Uint8Array => {
    const from = at
    at += size + 2
    return bytes.subarray(from, from + size)
  }

  const chunks = (): Uint8Array => {
    const parts: Array<Uint8Array> = []
    let total = 0
    for (;;) {
      at++
      const size = number() ?? 0
      if (size === 0) break
      parts.push(blob(size))
      total += size
    }
    const joined = new Uint8Array(total)
    let filled = 0
    for (const part of parts) {
      joined.set(part, filled)
      filled += part.length
    }
    return joined
  }

  const verbatim = (size: number): Value => {
    const value = blob(size)
    const format = ascii(value.subarray(0, 3))
    if (!isFormat(format) || value[3] !== 0x3a) throw bad("verbatim bytes without three letters and a colon")
    return { type: "verbatim", format, value: value.subarray(4) }
  }

  const values = (count: number | undefined, each: number): Array<Value> => {
    const all: Array<Value> = []
    if (count === undefined) {
      while (bytes[at] !== 0x2e) all.push(value())
      line()
    } else {
      for (let left = each * count; left > 0; left--) all.push(value())
    }
    return all
  }

  const pairs = (count: number | undefined): Array<readonly [Value, Value]> => {
    const all = values(count, 2)
    const found: Array<readonly [Value, Value]> = []
    for (let i = 0; i < all.length; i += 2) {
      const [key, value] = [all[i]!, all[i + 1]]
      if (value === undefined) throw bad("a key without a value")
      found.push([key, value])
    }
    return found
  }

  const withNumber = (type: string): Value => {
    const count = number()
    const size = count ?? 0
    switch (type) {
      case "$":
        if (size < 0) return { type: "nullBytes" }
        return { type: "bytes", value: count === undefined ? chunks() : blob(size) }
      case "!":
        return { type: "bulkError", value: blob(size) }
      case "=":
        return verbatim(size)
      case "*":
        return size < 0 ? { type: "nullArray" } : { type: "array", value: values(count, 1) }
      case "~":
        return { type: "set", value: values(count, 1) }
      case ">":
        return { type: "push", value: values(count, 1) }
      case "%":
        return { type: "map", value: pairs(count) }
      default:
        throw bad("attributes without a value")
    }
  }

  const plain = (): Value => {
    const type = String.fromCharCode(bytes[at++]!)
    switch (type) {
      case "+":
        return { type: "simple", value: text() }
      case "-":
        return { type: "error", value: text() }
      case ":":
        return { type: "integer", value: integer() }
      case "(":
        return { type: "bigNumber", value: bigNumber() }
      case ",":
        return { type: "double", value: double() }
      case "#":
        return { type: "boolean", value: boolean() }
      case "_":
        if (line().length > 0) throw bad("a null and more on its line")
        return { type: "null" }
      default:
        return withNumber(type)
    }
  }

  const value = (): Value => {
    if (bytes[at] !== 0x7c) return plain()
    const attributes: Array<readonly [Value, Value]> = []
    while (bytes[at] === 0x7c) {
      at++
      for (const pair of pairs(number())) attributes.push(pair)
    }
    return { ...plain(), attributes }
  }

  return (whole) => {
    bytes = whole
    at = 0
    const found = value()
    bytes = none
    return found
  }
}
