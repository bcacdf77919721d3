/**
 * Frames that end in a delimiter: a byte string, or any of several.
 *
 * ```text
 * +----------------+-----------+
 * | payload        | delimiter |
 * +----------------+-----------+
 *
 * delimiters ";" and "\r\n"
 * IN   a ; b CR LF ; c CR d ;
 * OUT  a | b | (empty) | cCRd
 * ```
 *
 * The first byte at which a delimiter is complete ends the frame, with the longest delimiter that ends there. So a
 * delimiter that contains another before its own end would never be found, and is refused when the codec is built.
 *
 * **Limits**: `limit` counts payload bytes, inclusive, both ways, without the delimiter, kept or not; 1 MiB by default.
 * Bytes that may yet turn out to be a delimiter are not counted. Each byte is looked at once.
 *
 * **Errors**: a longer frame, finished or not, is a `FrameError` (`FrameTooLong`); the connection is over. With `onTooLong:
 * "skip"` it is discarded as it comes, and costs a `MessageError` (`FrameTooLong`) with its size at its end; with
 * `"truncate"` its first `limit` bytes are a frame of their own before that, without a character of UTF-8 that would be cut
 * in two. A stream that ends without a delimiter is a `FrameError` (`Truncated`), with `allowTruncated` the bytes that came are the last frame. To send a payload in which,
 * or across whose end, a delimiter would be found is a `MessageError` (`ContainsDelimiter`), a longer one is one of
 * `FrameTooLong`.
 *
 * **Source**: NUL as of XMLSocket and GELF over TCP; the several delimiters of Netty's `DelimiterBasedFrameDecoder` and
 * tokio's `AnyDelimiterCodec`.
 *
 * @since 0.1.0
 */
import { utf8 } from "./ByteWriter.ts"
import { type Framing, limitOf } from "./Codec.ts"
import * as Decoder from "./Decoder.ts"
import { ContainsDelimiter, FrameTooLong, InvalidOption, Malformed, MessageError } from "./FramingError.ts"
import { automaton } from "./internal/delimiters.ts"
import { onTooLongOf, type Search, searched } from "./internal/searched.ts"

const mostBytes = 1024

/**
 * - `delimiter`: what ends a frame, as bytes or as text in UTF-8. Of several, the first is written.
 * - `keep`: leave the delimiter in the frame, by default it is left out. What is sent then has to end in one.
 * - `allowTruncated`: take what is left at the end of the stream as a frame, by default it is refused.
 * - `onTooLong`: what becomes of a frame above the limit, `"fail"` by default.
 *
 * @category options
 * @since 0.1.0
 */
export interface DelimitedOptions {
  readonly delimiter: string | Uint8Array | ReadonlyArray<string | Uint8Array>
  readonly keep?: boolean
  readonly allowTruncated?: boolean
  readonly onTooLong?: "fail" | "skip" | "truncate"
  readonly limit?: number
}

/**
 * The framing of the options.
 *
 * **Errors**: throws `InvalidOption` for no delimiter or an empty one, for delimiters of more than 1024 bytes together, for
 * one that another contains before its end (as one that is its prefix), and for a bad limit.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: DelimitedOptions): Framing => {
  const { allowTruncated = false, keep = false } = options
  const delimiters = delimitersOf(options.delimiter)
  const limit = limitOf(options.limit)
  const onTooLong = onTooLongOf(options.onTooLong, limit)
  const start = automaton(delimiters)

  const search = (): Search => {
    const scan = start()
    const state: Search = {
      ending: 0,
      fault: undefined,
      find: (reader, from) => {
        const last = reader.search(from, scan.find)
        const isTail = last < 0 && allowTruncated && reader.ended
        state.ending = isTail ? 0 : scan.matched()
        return isTail && reader.length > 0 ? reader.length : last < 0 ? -1 : last + 1
      }
    }
    return state
  }

  const refuse = (reason: MessageError["reason"]) => new MessageError({ direction: "encode", reason })

  /** The length of the delimiter at the end of the parts, where none is before. */
  const endingOf = (...parts: ReadonlyArray<Uint8Array>): number => {
    const scan = start()
    let before = 0
    for (const part of parts) {
      const last = scan.find(part, 0)
      before += last < 0 ? part.length : last + 1
      if (last < 0) continue
      if (part === parts.at(-1) && last === part.length - 1) return scan.matched()
      throw refuse(new ContainsDelimiter({ index: before - scan.matched() }))
    }
    throw refuse(new Malformed({ detail: "it ends in no delimiter, and its own is to be kept" }))
  }

  return {
    limit,
    decoder: Decoder.make(() => searched({ limit, onTooLong, keep, search })),
    encode: (payload, writer) => {
      const parts = keep ? [payload] : [payload, delimiters[0]]
      const ending = endingOf(...parts)
      const size = payload.length - (keep ? ending : 0)
      if (size > limit) throw refuse(new FrameTooLong({ size, limit }))
      // In front of the delimiter the payload's last bytes may make a longer one.
      if (!keep && ending !== delimiters[0].length) {
        throw refuse(new ContainsDelimiter({ index: size + delimiters[0].length - ending }))
      }
      for (const part of parts) writer.bytes(part)
    }
  }
}

const shown = (delimiter: string | Uint8Array) =>
  typeof delimiter === "string"
    ? JSON.stringify(delimiter)
    : `0x${Array.from(delimiter, (byte) => byte.toString(16).padStart(2, "0")).join("")}`

const delimitersOf = (given: DelimitedOptions["delimiter"]): readonly [Uint8Array, ...Array<Uint8Array>] => {
  const all = typeof given === "string" || given instanceof Uint8Array ? [given] : given
  const refuse = (allowed: string) =>
    new InvalidOption({ option: "delimiter", value: all.map(shown).join(", "), allowed })
  const [first, ...others] = all.map((of) => typeof of === "string" ? utf8(of) : of.slice())
  if (first === undefined) throw refuse("one or several byte strings")
  const delimiters = [first, ...others] as const
  if (delimiters.some(({ length }) => length === 0)) throw refuse("byte strings of one byte or more")
  if (delimiters.reduce((sum, { length }) => sum + length, 0) > mostBytes) throw refuse(`${mostBytes} bytes in all`)
  delimiters.forEach((delimiter, index) => {
    const scan = automaton([delimiter])()
    for (const other of delimiters.toSpliced(index, 1)) {
      const end = scan.find(other, 0)
      if (end >= 0 && (end < other.length - 1 || other.length === delimiter.length)) {
        throw refuse("byte strings none of which is in another before its end")
      }
    }
  })
  return delimiters
}
