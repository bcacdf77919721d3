/**
 * JSON texts that each begin with a record separator and end in a line feed.
 *
 * ```text
 * +----+----------------+----+
 * | RS | JSON text      | LF |
 * +----+----------------+----+
 *
 * IN   RS {"a": LF 1} LF RS 12 RS [] LF
 * OUT  { a: 1 } | Malformed: 12 may be cut short | []
 * ```
 *
 * Read: a text ends at the first LF at which its brackets and strings are closed, so that it is delivered when it is
 * there, and a text of several lines is one; else at the next RS or the end of the stream, with all that came. One that
 * was cut off there, which of a number can only be told by white space after it, costs one message. White space and
 * further RS between texts are passed over.
 *
 * **Limits**: `limit` counts the bytes of a text, inclusive, both ways, without RS and LF; 1 MiB by default. Each byte is
 * looked at once.
 *
 * **Errors**: a text that is cut short or has no RS in front is a `MessageError` (`Malformed`), one that is not UTF-8, not
 * JSON or not of the schema's shape one of `InvalidUtf8`, `InvalidJson` or `SchemaMismatch`; the next is fine. A longer
 * text is a `FrameError` (`FrameTooLong`), which ends the connection, or with `onTooLong: "skip"` a `MessageError`.
 *
 * **Source**: RFC 7464, but that it gives all up to the next RS to one text; `jq --seq` writes it.
 *
 * @since 0.1.0
 */
import type * as Schema from "effect/Schema"
import * as Codec from "./Codec.ts"
import * as Decoder from "./Decoder.ts"
import { ContainsDelimiter, FrameTooLong, Malformed, MessageError } from "./FramingError.ts"
import { more } from "./internal/more.ts"
import { oneOf } from "./internal/options.ts"
import { type Search, searched } from "./internal/searched.ts"

const rs = 0x1e
const lf = 0x0a
const quote = 0x22
const backslash = 0x5c

const isSpace = (byte: number) => byte === 0x20 || byte === lf || byte === 0x0d || byte === 0x09
// { and [ or } and ], which differ in one bit.
const opens = (byte: number) => (byte | 0x20) === 0x7b
const closes = (byte: number) => (byte | 0x20) === 0x7d

// The bytes that say where a text ends.
const special = new Uint8Array(256)
for (const byte of [rs, lf, quote, backslash, 0x7b, 0x7d, 0x5b, 0x5d]) special[byte] = 1

/** Looks for the end of a text, and knows whether it was cut short. */
const scanner = () => {
  let first = 0
  let last = 0
  let depth = 0
  let inString = false
  let escaped = false
  return {
    /** The index of the LF or RS that ends the text, or -1; goes on where it has stopped. */
    find: (piece: Uint8Array, from: number): number => {
      const { length } = piece
      if (first === 0 && from < length) first = piece[from]!
      // Local variables, because those that are shared are written to memory at every byte.
      let [nested, quoted, skips] = [depth, inString, escaped]
      let i = from
      for (; i < length; i++) {
        // What is escaped is passed over, but RS is in no text at all.
        if (skips) {
          skips = false
          if (piece[i] !== rs) continue
        }
        while (i < length && special[piece[i]!] === 0) i++
        if (i === length) break
        const byte = piece[i]!
        if (byte === rs || (byte === lf && !quoted && nested <= 0)) break
        if (quoted) {
          if (byte === quote) quoted = false
          skips = byte === backslash
        } else if (byte === quote) quoted = true
        else if (opens(byte)) nested++
        else if (closes(byte)) nested--
      }
      if (i > from) last = piece[i - 1]!
      depth = nested
      inString = quoted
      escaped = skips
      return i < length ? i : -1
    },
    /** Whether a text that no LF follows is whole as far as can be told. */
    isWhole: () => !inString && depth <= 0 && (first === quote || opens(first) || isSpace(last)),
    reset: () => {
      first = last = depth = 0
      inString = escaped = false
    }
  }
}

/**
 * What becomes of a text that is too long, `"fail"` by default.
 *
 * @category options
 * @since 0.1.0
 */
export interface JsonSequenceOptions {
  readonly onTooLong?: "fail" | "skip"
  readonly limit?: number
}

/**
 * The texts as bytes. What does not end as a JSON text does cannot be sent: it is refused as `Malformed`, one in which
 * another would begin as `ContainsDelimiter`.
 *
 * **Errors**: throws `InvalidOption` for a limit that is not a whole number, or another word than those.
 *
 * @category constructors
 * @since 0.1.0
 */
export const framing = (options: JsonSequenceOptions = {}): Codec.Framing => {
  const limit = Codec.limitOf(options.limit)
  const onTooLong = oneOf("onTooLong", options.onTooLong ?? "fail", ["fail", "skip"])

  const start = (): Decoder.Step<Uint8Array> => {
    const scan = scanner()
    // Before a text, and whether its RS was seen by then; and what is wrong with the last one that has ended.
    let between = true
    let separated = false
    let wrong: string | undefined

    const begins = (piece: Uint8Array, from: number) => {
      for (let i = from; i < piece.length; i++) {
        const byte = piece[i]!
        if (byte === rs) separated = true
        else if (!isSpace(byte)) return i
      }
      return -1
    }

    const search = (): Search => {
      const state: Search = {
        ending: 0,
        fault: undefined,
        find: (reader, from) => {
          const at = reader.search(from, scan.find)
          if (at < 0 && !(reader.ended && reader.length > 0)) {
            state.ending = 0
            return -1
          }
          state.ending = at >= 0 && reader.at(at) === lf ? 1 : 0
          const isWhole = state.ending === 1 || scan.isWhole()
          wrong = separated ? isWhole ? undefined : "the text may be cut short" : "the text has no RS in front"
          scan.reset()
          between = true
          separated = false
          return at < 0 ? reader.length : at + state.ending
        }
      }
      return state
    }

    const step = searched({ limit, onTooLong, keep: false, search })
    return (reader) => {
      if (between) {
        const at = reader.search(0, begins)
        reader.discard(at < 0 ? reader.length : at)
        if (at < 0) return reader.need()
        between = false
      }
      const offset = reader.offset
      const text = step(reader)
      if (text === more || wrong === undefined) return text
      throw new MessageError({ direction: "decode", reason: new Malformed({ detail: wrong }), offset })
    }
  }

  const refuse = (reason: MessageError["reason"]) => new MessageError({ direction: "encode", reason })

  return {
    limit,
    decoder: Decoder.make(start),
    encode: (text, writer) => {
      const size = text.length
      if (size > limit) throw refuse(new FrameTooLong({ size, limit }))
      const scan = scanner()
      const index = scan.find(text, 0)
      if (index >= 0) throw refuse(new ContainsDelimiter({ index }))
      if (size === 0 || isSpace(text[0]!) || scan.find(Uint8Array.of(lf), 0) < 0) {
        throw refuse(new Malformed({ detail: "it is no JSON text without white space in front" }))
      }
      writer.byte(rs)
      writer.bytes(text)
      writer.byte(lf)
    }
  }
}

/**
 * The codec of values of the schema.
 *
 * **Errors**: throws `InvalidOption` as `framing` does.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A, E>(schema: Schema.Codec<A, E>, options: JsonSequenceOptions = {}): Codec.Codec<A> =>
  Codec.json(schema)(framing(options))
