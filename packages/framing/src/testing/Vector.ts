/**
 * A stream of bytes and what a codec gives for it, as JSON: what other implementations do, or what a connection received.
 *
 * @since 0.1.0
 */
import { utf8 } from "../ByteWriter.ts"
import type { Codec } from "../Codec.ts"
import { fromHex, toHex } from "../internal/hex.ts"
import { type Event, trial } from "./internal/trial.ts"

/**
 * When something came out: with the chunk of this index, or with the end of the stream.
 *
 * @category models
 * @since 0.1.0
 */
export type At = number | "eof"

/**
 * A message as the hex digits of its bytes, or the tag of a failure's reason.
 *
 * @category models
 * @since 0.1.0
 */
export type Expectation =
  | { readonly frame: string; readonly at?: At }
  | { readonly error: string; readonly note?: string; readonly at?: At }

/**
 * The vector.
 *
 * @category models
 * @since 0.1.0
 */
export interface Vector {
  readonly id: string
  readonly source: string
  /** Whose codec, and its options by the names that they have there. */
  readonly codec: { readonly kind: string; readonly [option: string]: unknown }
  /** In hex digits. */
  readonly chunks: ReadonlyArray<string>
  /** When each chunk arrived, in milliseconds after the recording began. */
  readonly times?: ReadonlyArray<number>
  /** Whether the stream ends after the chunks. */
  readonly eof: boolean
  readonly expect: ReadonlyArray<Expectation>
  readonly note?: string
}

/**
 * The bytes that stand for a message: those of a frame, the UTF-8 of a text, and the JSON of everything else, where a bigint
 * is a text of its digits and an n.
 *
 * @category converting
 * @since 0.1.0
 */
export const bytesOf = (message: unknown): Uint8Array =>
  message instanceof Uint8Array
    ? message
    : utf8(typeof message === "string" ? message : JSON.stringify(message, written) ?? String(message))

/** JSON refuses bigints, which are in messages of RESP, for one. */
const written = (_: string, value: unknown): unknown => typeof value === "bigint" ? `${value}n` : value

const expectation = (event: Event<unknown>, at: At): Expectation =>
  "message" in event
    ? { frame: toHex(bytesOf(event.message)), at }
    : { error: event.failure.reason._tag, note: event.failure.message, at }

/**
 * What the codec gives for these chunks, and for the end of the stream if `eof` says that it comes.
 *
 * @category running
 * @since 0.1.0
 */
export const play = (
  codec: Codec<unknown, never>,
  chunks: Iterable<Uint8Array>,
  eof: boolean
): ReadonlyArray<Expectation> => {
  const { events, feed } = trial(codec)
  const all: Array<Expectation> = []
  const take = (chunk: Uint8Array | "end", at: At) => {
    const goesOn = feed(chunk)
    for (const event of events.splice(0)) all.push(expectation(event, at))
    return goesOn
  }
  let index = 0
  for (const chunk of chunks) {
    if (!take(chunk, index++)) return all
  }
  if (eof) take("end", "eof")
  return all
}

/**
 * The bytes of the chunks.
 *
 * **Errors**: throws a `RangeError` for what is not hex digits.
 *
 * @category converting
 * @since 0.1.0
 */
export const chunksOf = (vector: Pick<Vector, "id" | "chunks">): ReadonlyArray<Uint8Array> =>
  vector.chunks.map((chunk, index) => {
    const bytes = fromHex(chunk)
    if (bytes === undefined) throw new RangeError(`${vector.id}: chunk ${index} is not hex digits`)
    return bytes
  })

/**
 * What a replay gave, beside what the vector says.
 *
 * @category models
 * @since 0.1.0
 */
export interface Replay {
  readonly pass: boolean
  readonly got: ReadonlyArray<Expectation>
  readonly expected: ReadonlyArray<Expectation>
}

const key = (expectation: Expectation, at: At | undefined) => {
  const what = "frame" in expectation ? expectation.frame : `!${expectation.error}`
  return at === undefined ? what : `${what} @${at}`
}

/**
 * Gives the chunks to the codec again: the same messages and errors have to come out, with the same chunks where the
 * vector says with which. Notes are not compared.
 *
 * @category running
 * @since 0.1.0
 */
export const replay = (vector: Vector, codec: Codec<unknown, never>): Replay => {
  const expected = vector.expect
  const got = play(codec, chunksOf(vector), vector.eof)
  const pass = got.length === expected.length && expected.every((one, index) => {
    const other = got[index]
    return other !== undefined && key(one, one.at) === key(other, one.at === undefined ? undefined : other.at)
  })
  return { pass, got, expected }
}
