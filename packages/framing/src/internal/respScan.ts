/** Where a RESP value ends: all that has to be known of it while it is not whole. */
import type { ByteReader } from "../ByteReader.ts"
import { BareLineFeed, FrameTooLong, InvalidLength, Malformed } from "../FramingError.ts"
import { broken } from "./failure.ts"
import { type More, more } from "./more.ts"

/** What bounds a value. */
export interface Bounds {
  readonly limit: number
  readonly items: number
  readonly depth: number
}

const codes = (types: string): ReadonlySet<number> => new Set(Array.from(types, (type) => type.charCodeAt(0)))
const texts = codes("+-:_#,(")
const blobs = codes("$!=;")
const aggregates = codes("*~>%|")
const ofPairs = codes("%|")
const nullable = codes("$*")

const cr = 0x0d
const lf = 0x0a
const bytes = 0x24
const array = 0x2a
const period = 0x2e
const chunk = 0x3b
const push = 0x3e
const attributes = 0x7c

// As many as 2^53 - 1 has.
const maxDigits = 16

// What a header says in place of a number: "-1", and "?".
const none = -1
const unknown = -2

// What is to come in an aggregate that a period ends, and in a string that an empty chunk ends.
const untilPeriod = Number.POSITIVE_INFINITY
const untilEmpty = -1

/** The number in a header; undefined where it is none. */
const numberOf = (reader: ByteReader, from: number, size: number): number | undefined => {
  let text = ""
  for (let i = 0; i < size; i++) text += String.fromCharCode(reader.at(from + i))
  if (text === "-1") return none
  if (text === "?") return unknown
  return /^(?:0|[1-9]\d*)$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined
}

/** Makes the function that gives the size of the next value, and looks at no byte of it twice. */
export const scanner = ({ depth, items, limit }: Bounds, inline: boolean): (reader: ByteReader) => number | More => {
  // Of the value that is not whole: where its next line begins, how far the end of that was searched, the string that is
  // awaited, the bytes and values so far, and what is still to come in each aggregate that is open.
  let at = 0
  let searched = 0
  let blob = none
  let size = 0
  let count = 0
  let open = [1]

  const fail = (reader: ByteReader, detail: string) => broken(reader, new Malformed({ detail }))

  /** How many bytes of text the line has that begins at `from`, or more. */
  const line = (reader: ByteReader, from: number, isText: boolean, lfEnds = false): number | More => {
    const found = reader.indexOf(lf, Math.max(searched, from))
    searched = found < 0 ? reader.length : found
    const withCr = searched > from && reader.at(searched - 1) === cr
    const extent = searched - from - (withCr ? 1 : 0)
    if (isText && extent > limit - size) throw broken(reader, new FrameTooLong({ size: limit + 1, limit }))
    if (!isText && extent > maxDigits) throw broken(reader, new InvalidLength({ detail: `over ${maxDigits} digits` }))
    if (found < 0) return reader.need()
    if (!withCr && !lfEnds) throw broken(reader, new BareLineFeed())
    return extent
  }

  /** A value is whole, and so may be those around it. */
  const close = () => {
    open[open.length - 1]!--
    while (open.length > 1 && open.at(-1) === 0) {
      open.pop()
      open[open.length - 1]!--
    }
  }

  const openAggregate = (reader: ByteReader, type: number, number: number) => {
    if (type === push && open.length > 1) throw fail(reader, "a push within another value")
    if (open.length > depth) throw fail(reader, `more than ${depth} values within one another`)
    const values = number === unknown ? untilPeriod : ofPairs.has(type) ? 2 * number : number
    if (values !== untilPeriod && values > items - count) throw fail(reader, `more than ${items} values`)
    // Attributes are no value of their own.
    if (type === attributes) open[open.length - 1]!++
    if (values === 0) return close()
    open.push(values)
  }

  /** A header with a number, whose line ends before `next`. */
  const header = (reader: ByteReader, type: number, extent: number, next: number) => {
    const number = numberOf(reader, at + 1, extent)
    if (number === undefined || number === none && !nullable.has(type)) {
      throw broken(reader, new InvalidLength({ detail: "not the digits of a size or a count" }))
    }
    at = next
    if (number === none) return close()
    if (aggregates.has(type)) return openAggregate(reader, type, number)
    if (number === unknown) {
      if (type !== bytes) throw broken(reader, new InvalidLength({ detail: "?, and this type has a size" }))
      open.push(untilEmpty)
      return
    }
    if (type === chunk && number === 0) {
      open.pop()
      return close()
    }
    if (number > limit - size) throw broken(reader, new FrameTooLong({ size: size + number, limit }))
    size += number
    blob = at + number
  }

  /** Goes past the next line, or the string that is awaited. */
  const advance = (reader: ByteReader): More | undefined => {
    if (blob !== none) {
      if (reader.length < blob + 2) return reader.need(blob + 2)
      if (reader.at(blob) !== cr || reader.at(blob + 1) !== lf) throw fail(reader, "no CRLF after a string")
      at = blob + 2
      blob = none
      if (open.at(-1) !== untilEmpty) close()
      return undefined
    }
    if (reader.length <= at) return reader.need(at + 3)
    const type = reader.at(at)
    const isChunk = type === chunk
    if (isChunk !== (open.at(-1) === untilEmpty)) throw fail(reader, "a chunk and its string do not go together")
    if (type === period) {
      if (open.at(-1) !== untilPeriod) throw fail(reader, "a period where no aggregate can end")
    } else if (!texts.has(type) && !blobs.has(type) && !aggregates.has(type)) {
      throw fail(reader, `0x${type.toString(16).padStart(2, "0")} is no type`)
    } else if (!isChunk && count === items) {
      throw fail(reader, `more than ${items} values`)
    }

    const isText = texts.has(type)
    const extent = line(reader, at + 1, isText)
    if (extent === more) return more
    const next = searched + 1
    if (type === period) {
      if (extent > 0) throw fail(reader, "a period and more on its line")
      at = next
      open.pop()
      close()
      return undefined
    }
    if (!isChunk) count++
    if (!isText) {
      header(reader, type, extent, next)
      return undefined
    }
    size += extent
    at = next
    close()
    return undefined
  }

  const whole = (): number => {
    const end = at
    at = 0
    searched = 0
    size = 0
    count = 0
    open = [1]
    return end
  }

  return (reader) => {
    if (inline && at === 0) {
      while (reader.length > 0 && reader.at(0) !== array) {
        const extent = line(reader, 0, true, true)
        if (extent === more) return more
        if (extent > 0) {
          at = searched + 1
          return whole()
        }
        reader.discard(searched + 1)
        searched = 0
      }
    }
    while (open[0]! > 0) {
      if (advance(reader) === more) return more
    }
    return whole()
  }
}
