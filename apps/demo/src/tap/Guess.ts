// Which framing a stream has, from its first bytes: a short list, tried in order, and honest where nothing fits.
import { type Codec, Codec as Codecs, FramingSpec } from "@framewire/framing"
import * as Result from "effect/Result"

export interface Guess {
  /** Undefined where the bytes are shown as they come. */
  readonly framing: Codec.Framing | undefined
  readonly spec: string
  readonly why: string
}

/** More than this of one side is not waited for. */
export const maxBytes = 4096

const named = (spec: string, why: string): Guess => ({
  framing: Result.getOrThrow(FramingSpec.parse(spec)).framing,
  spec,
  why
})

const nothing: Guess = { framing: undefined, spec: "none", why: "nothing known fits, so chunks are shown as they come" }

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1")

// Wider ones first: a u32be below 65,536 looks like an empty u16be and another one.
const lengths = ["u32be", "u32le", "u16be", "u16le", "varint"]

/** What came is more than is looked at, so it ends anywhere. */
const isCut = ({ length }: Uint8Array) => length >= maxBytes

/**
 * The frames are whole, none is left over, and not all are empty. Of what is cut the last one may be left over, but not most
 * of it: any bytes may be the beginning of a long frame.
 */
const fits = (spec: string, sides: ReadonlyArray<Uint8Array>): boolean => {
  const { framing } = Result.getOrThrow(FramingSpec.parse(spec))
  return sides.every((bytes) => {
    const { failures, messages } = Codecs.decodeAll(framing, [bytes])
    return messages.some(({ length }) => length > 0) &&
      failures.every(({ error }) =>
        isCut(bytes) && error.reason._tag === "Truncated" && (error.offset ?? 0) >= bytes.length / 2
      )
  })
}

/** The whole lines of what is cut, where it has some. */
const linesOf = (bytes: Uint8Array) => {
  const end = isCut(bytes) ? bytes.lastIndexOf(0x0a) + 1 : 0
  return end === 0 ? bytes : bytes.subarray(0, end)
}

/** What the first bytes of both sides say; undefined while more of them can say more. */
export const guess = (client: Uint8Array, server: Uint8Array): Guess | undefined => {
  const sides = [client, server].filter(({ length }) => length > 0)
  if (sides.length === 0) return undefined
  const texts = sides.map((bytes) => latin1(linesOf(bytes)))
  const every = (pattern: RegExp) => texts.every((text) => pattern.test(text))

  // oxlint-disable-next-line no-control-regex -- what a TLS record begins with
  if (every(/^[\x14-\x17]\x03[\0-\x04]/)) {
    return named("length:width=2,offset=3,strip=0", "TLS: its records are shown, and what is in them is secret")
  }
  if (every(/^(?:[A-Z]+ \S+ HTTP\/1\.|HTTP\/1\.)/)) {
    return named("lines", "HTTP/1: lines, so bodies are cut where they have a line feed")
  }
  if (every(/^[*$+\-:_#,(!=%~>]\S*\r\n/) && texts.some((text) => text.startsWith("*"))) {
    return named("lines", "RESP: lines, so a value is cut where it has a line feed")
  }
  if (every(/^[\t\r\n\x20-\x7e\x80-\xff]*\n$/)) {
    return every(/^(?:[{[].*\r?\n)+$/)
      ? named("lines", "lines of JSON")
      : named("lines", "text that ends in line feeds")
  }
  const length = lengths.find((spec) => fits(spec, sides))
  if (length !== undefined) return named(length, "lengths that fit what came so far")
  return sides.some(isCut) ? nothing : undefined
}
