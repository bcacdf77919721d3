/** RESP values as bytes. */
import { type ByteWriter, utf8 } from "../ByteWriter.ts"
import { ContainsDelimiter, FrameTooLong, InvalidUtf8, Malformed } from "../FramingError.ts"
import type { Value } from "../Resp.ts"
import { refused } from "./failure.ts"
import { isFormat, isInteger, maxDigits } from "./respParse.ts"
import type { Bounds } from "./respScan.ts"

const crlf = utf8("\r\n")
const loneSurrogate = /\p{Surrogate}/u

const doubleText = (value: number): string =>
  Number.isNaN(value)
    ? "nan"
    : Number.isFinite(value)
    ? Object.is(value, -0) ? "-0" : String(value)
    : value > 0
    ? "inf"
    : "-inf"

const bad = (detail: string) => refused(new Malformed({ detail }))

const integerText = (value: number | bigint): string => {
  if (typeof value === "number" ? !Number.isSafeInteger(value) : !isInteger(value)) {
    throw bad(`${value} is no integer of 64 bits, or not an exact one`)
  }
  return BigInt(value).toString()
}

const bigText = (value: bigint): string => {
  const text = value.toString()
  if (text.length > maxDigits) throw bad(`a big number of ${text.length} digits, ${maxDigits} are allowed`)
  return text
}

/** Writes a value, unless the reader of these bounds would refuse it. */
export const write = (value: Value, writer: ByteWriter, { depth, items, limit }: Bounds): void => {
  let size = 0
  let count = 0

  const add = (bytes: number) => {
    size += bytes
    if (size > limit) throw refused(new FrameTooLong({ size, limit }))
  }

  const header = (type: string, number: number) => writer.bytes(utf8(`${type}${number}\r\n`))

  const line = (type: string, text: string) => {
    const bytes = utf8(`${type}${text}\r\n`)
    add(bytes.length - 3)
    writer.bytes(bytes)
  }

  const text = (type: string, value: string) => {
    const index = value.search(/[\r\n]/)
    if (index >= 0) throw refused(new ContainsDelimiter({ index: utf8(value.slice(0, index)).length }))
    if (loneSurrogate.test(value)) throw refused(new InvalidUtf8())
    line(type, value)
  }

  const blob = (type: string, value: Uint8Array, before?: Uint8Array) => {
    const all = value.length + (before?.length ?? 0)
    add(all)
    header(type, all)
    if (before !== undefined) writer.bytes(before)
    writer.bytes(value)
    writer.bytes(crlf)
  }

  const counted = (level: number) => {
    count++
    if (count > items) throw bad(`more than ${items} values`)
    if (level > depth) throw bad(`more than ${depth} values within one another`)
  }

  const pairs = (type: string, all: ReadonlyArray<readonly [Value, Value]>, level: number) => {
    header(type, all.length)
    for (const [key, value] of all) {
      put(key, level)
      put(value, level)
    }
  }

  const values = (type: string, all: ReadonlyArray<Value>, level: number) => {
    counted(level)
    header(type, all.length)
    for (const value of all) put(value, level)
  }

  const put = (value: Value, level: number): void => {
    if (value.attributes !== undefined) {
      counted(level + 1)
      pairs("|", value.attributes, level + 1)
    }
    switch (value.type) {
      case "array":
        return values("*", value.value, level + 1)
      case "set":
        return values("~", value.value, level + 1)
      case "push":
        if (level > 0) throw bad("a push within another value")
        return values(">", value.value, level + 1)
      case "map":
        counted(level + 1)
        return pairs("%", value.value, level + 1)
    }
    counted(level)
    switch (value.type) {
      case "simple":
        return text("+", value.value)
      case "error":
        return text("-", value.value)
      case "integer":
        return line(":", integerText(value.value))
      case "bigNumber":
        return line("(", bigText(value.value))
      case "double":
        return line(",", doubleText(value.value))
      case "boolean":
        return line("#", value.value ? "t" : "f")
      case "null":
        return line("_", "")
      case "nullBytes":
        return header("$", -1)
      case "nullArray":
        return header("*", -1)
      case "bytes":
        return blob("$", value.value)
      case "bulkError":
        return blob("!", value.value)
      case "verbatim":
        if (!isFormat(value.format)) throw bad(`the format ${value.format}, it has three letters`)
        return blob("=", value.value, utf8(`${value.format}:`))
    }
  }

  put(value, 0)
}
