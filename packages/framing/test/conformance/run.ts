/** Runs vectors in their vendors' form against the codecs that are mapped to theirs. */
import { Codec, FramingError } from "@framewire/framing"
import { Vector } from "@framewire/framing/testing"
import * as Result from "effect/Result"
import { cuttings, hex, join, toHex } from "../support.ts"
import { derived } from "./derived.ts"
import { deviations, type Rule, rules } from "./deviations.ts"
import { codecOf, type Config } from "./Vendor.ts"

/** A stream and what comes of it, or a message and what is written for it. */
export type AnyVector = Vector.Vector | EncodeVector

export interface EncodeVector {
  readonly id: string
  readonly source: string
  readonly codec: Config
  /** In hex digits, or `10 x 01` for ten bytes 01; several messages are written one after another. */
  readonly payload: string | ReadonlyArray<string>
  readonly wire?: string
  readonly wirePrefix?: string
  readonly wireLength?: number
  readonly error?: string
  readonly note?: string
}

export interface Outcome {
  readonly id: string
  readonly pass: boolean
  readonly got: ReadonlyArray<string>
  readonly expected: ReadonlyArray<string>
  /** The rule that we follow where we give something else. */
  readonly deviation?: string
  /** Why it does not pass, where that is not plain from what was got. */
  readonly problem?: string
}

// What their errors are called here. An error of theirs that says less than ours has several names.
const tags: Readonly<
  Record<string, ReadonlyArray<FramingError.FrameError["reason"]["_tag"] | "InvalidUtf8" | "InvalidJson">>
> = {
  TooLongFrame: ["FrameTooLong"],
  FrameTooBig: ["FrameTooLong"],
  LengthDoesNotFit: ["FrameTooLong"],
  LengthLimitExceeded: ["FrameTooLong"],
  LineTooLarge: ["FrameTooLong"],
  LineTooLong: ["FrameTooLong"],
  MaxLength: ["FrameTooLong"],
  MaxLineLength: ["FrameTooLong"],
  StringTooLong: ["FrameTooLong"],
  TooLarge: ["FrameTooLong"],
  TooLong: ["FrameTooLong"],
  IncompleteAtEof: ["Truncated"],
  TruncatedAtEof: ["Truncated"],
  UnexpectedEof: ["Truncated"],
  LengthUnderflow: ["InvalidLength"],
  MissingLength: ["InvalidLength"],
  MissingComma: ["Malformed"],
  InvalidUtf8: ["InvalidUtf8"],
  InvalidJson: ["InvalidJson"],
  CorruptedFrame: ["InvalidLength", "Malformed"],
  Framing: ["FrameTooLong", "InvalidLength"],
  Invalid: ["FrameTooLong", "InvalidLength", "Malformed"],
  SyncThrow: ["InvalidLength"]
}

/** Their event by our name for it, which where there are several is the one that we give. */
const byOurName = (theirs: string, ours: string): string => {
  const names = theirs.startsWith("!") ? tags[theirs.slice(1)]?.map((tag) => `!${tag}`) : undefined
  return names === undefined ? theirs : names.includes(ours) ? ours : names[0] ?? theirs
}

/** Holds what we give against what they give, and against the rules by which we differ. */
const judge = (
  id: string,
  got: ReadonlyArray<string>,
  expected: ReadonlyArray<string>,
  ruleOf: (theirs: ReadonlyArray<string>) => Rule | undefined = () => undefined
): Outcome => {
  const theirs = expected.map((event, index) => byOurName(event, got[index] ?? ""))
  const isSame = got.join() === theirs.join() && got.length === theirs.length
  const listed = Object.hasOwn(deviations, id) ? deviations[id] : undefined
  if (listed === undefined) {
    const rule = isSame ? undefined : ruleOf(theirs)
    return {
      id,
      pass: isSame || rule !== undefined,
      got,
      expected,
      ...rule === undefined ? {} : { deviation: rules[rule] }
    }
  }
  const [rule, ...gives] = listed
  const deviation = rules[rule]
  if (isSame) return { id, pass: false, got, expected, deviation, problem: "a deviation is listed, and there is none" }
  return { id, pass: got.join() === gives.join() && got.length === gives.length, got, expected, deviation }
}

const unmapped = (id: string, expected: ReadonlyArray<string>, why: string): Outcome => ({
  id,
  pass: false,
  got: [],
  expected,
  problem: `not mapped: ${why}`
})

const events = (codec: Codec.Codec<unknown, never>, chunks: Iterable<Uint8Array>, eof: boolean) =>
  Vector.play(codec, chunks, eof).map((event) => "frame" in event ? event.frame : `!${event.error}`)

const decode = (vector: Vector.Vector): Outcome => {
  const { codec: config, eof, expect, id } = vector
  const expected = expect.map((event) => "frame" in event ? event.frame : `!${event.error}`)
  const codec = codecOf(config)
  if ("missing" in codec) return unmapped(id, expected, codec.missing)
  const chunks = Vector.chunksOf(vector)
  const got = events(codec, chunks, eof)
  // Without framing the chunks are the frames.
  const cuts = /raw|removeAfterOneByte/i.test(JSON.stringify(config)) ? [] : cuttings(join(chunks))
  for (const cut of cuts) {
    const other = events(codec, cut, eof)
    if (other.join() === got.join()) continue
    const sizes = cut.map(({ length }) => length).join("+")
    return { id, pass: false, got, expected, problem: `in chunks of ${sizes} it gives ${other.join(", ")}` }
  }
  const notes = [vector.note, ...expect.map((event) => "note" in event ? event.note : undefined)]
  const isBug = notes.some((note) => note?.startsWith("BUG"))
  return judge(
    id,
    got,
    expected,
    (theirs) =>
      derived({ kind: config.kind, config, limit: codec.limit, chunks: vector.chunks, eof, isBug, theirs, got })
  )
}

const payloadOf = (payload: string): Uint8Array => {
  const [, times, byte] = /^(\d+) x (..)$/.exec(payload) ?? []
  return times === undefined || byte === undefined
    ? hex(payload)
    : new Uint8Array(Number(times)).fill(Number.parseInt(byte, 16))
}

const encode = (vector: EncodeVector): Outcome => {
  const { error, id, payload, wire, wireLength, wirePrefix } = vector
  const payloads = (typeof payload === "string" ? [payload] : payload).map(payloadOf)
  const body = toHex(join(payloads))
  const whole = wire ?? `${wirePrefix ?? ""}${body.slice(0, 2 * (wireLength ?? 0) - (wirePrefix ?? "").length)}`
  const expected = [error === undefined ? whole : `!${error}`]
  const codec = codecOf(vector.codec)
  if ("missing" in codec) return unmapped(id, expected, codec.missing)
  const written = Codec.encodeAll(codec, payloads)
  const got = Result.isSuccess(written) ? toHex(join(written.success)) : `!${written.failure.reason._tag}`
  return judge(id, [got], expected, () => vector.note?.startsWith("BUG") === true ? "bug" : undefined)
}

/** What comes of a vector; never throws. */
export const run = (vector: AnyVector): Outcome => {
  try {
    return "chunks" in vector ? decode(vector) : encode(vector)
  } catch (error) {
    // What they build and we refuse to.
    if (error instanceof FramingError.InvalidOption) {
      return judge(vector.id, ["!InvalidOption"], ["(a codec)"], () => "config")
    }
    return { id: vector.id, pass: false, got: [], expected: [], problem: String(error) }
  }
}
