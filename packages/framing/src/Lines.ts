/**
 * Frames that end in a line feed.
 *
 * ```text
 * +----------------+------+------+
 * | payload        | (CR) | LF   |
 * +----------------+------+------+
 *
 * IN   h e l l o CR LF LF a CR b LF h i
 * OUT  hello | (empty) | aCRb | hi (at the end of the stream)
 * ```
 *
 * Read: LF and CRLF end a line, a CR elsewhere is data, and the last line needs no end. `strict` takes `ending` alone:
 * after a strict `crlf` a bare LF is refused, because a sender that means it as data and a reader that takes it as an
 * end is how requests are smuggled; after a strict `lf` a CR is data.
 *
 * **Limits**: `limit` counts payload bytes, inclusive, both ways, without the ending; 1 MiB by default. A CR that may yet
 * belong to the ending is not counted.
 *
 * **Errors**: a longer line, finished or not, is a `FrameError` (`FrameTooLong`), a bare LF in strict CRLF one of
 * `BareLineFeed`; the connection is over. With `onTooLong: "skip"` a longer line is discarded as it comes, and costs a
 * `MessageError` (`FrameTooLong`) with its size at its end; with `"truncate"` its first `limit` bytes are a frame of
 * their own before that, without a character of UTF-8 that would be cut in two. To send a payload that has an LF, or ends in
 * a CR that the reader would take as part of the ending, is a `MessageError` (`ContainsDelimiter`), a longer one is one of
 * `FrameTooLong`.
 *
 * **Source**: CRLF is RFC 5321 section 2.3.8 and most Internet protocols, LF is POSIX 3.206.
 *
 * @since 0.1.0
 */
import { type FrameEncode, type Framing, limitOf } from "./Codec.ts"
import type * as Decoder from "./Decoder.ts"
import { BareLineFeed, ContainsDelimiter } from "./FramingError.ts"
import { checkSize, refused } from "./internal/failure.ts"
import { encodeTexts, lineForms } from "./internal/lineForms.ts"
import { oneOf } from "./internal/options.ts"
import { onTooLongOf, type Search, searched } from "./internal/searched.ts"

const lf = 0x0a
const cr = 0x0d

/**
 * How lines end: `ending` is what is written, `lf` by default; `strict` reads nothing else. `onTooLong` says what becomes
 * of a line above the limit, `fail` by default.
 *
 * @category options
 * @since 0.1.0
 */
export interface LinesOptions {
  readonly ending?: "lf" | "crlf"
  readonly strict?: boolean
  readonly onTooLong?: "fail" | "skip" | "truncate"
  readonly limit?: number
}

/**
 * The framing of the options.
 *
 * **Errors**: throws `InvalidOption` for an ending that is not `lf` or `crlf`, a limit that is not a whole number, or one of 0 to
 * truncate to.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: LinesOptions = {}): Framing => {
  const { ending = "lf", strict = false } = options
  oneOf("ending", ending, ["lf", "crlf"])
  const limit = limitOf(options.limit)
  const onTooLong = onTooLongOf(options.onTooLong, limit)
  const crEnds = !strict || ending === "crlf"
  const bareFails = strict && ending === "crlf"
  const lastCrEnds = ending === "lf" && crEnds

  const search = (): Search => {
    const state: Search = {
      ending: 0,
      fault: undefined,
      find: (reader, from) => {
        const found = reader.indexOf(lf, from)
        const end = found >= 0 ? found : reader.length
        const crs = crEnds && end > 0 && reader.at(end - 1) === cr ? 1 : 0
        if (found < 0) {
          state.ending = crs
          return reader.ended && end > 0 ? end : -1
        }
        state.ending = crs + 1
        if (bareFails && crs === 0) state.fault = new BareLineFeed()
        return end + 1
      }
    }
    return state
  }

  const forms = lineForms({ limit, crEnds, bareFails })
  const start = (): Decoder.FrameStep => {
    const step = searched({ limit, onTooLong, keep: false, search })
    // One that skips has a memory between two frames.
    return onTooLong === "fail" ? Object.assign(step, forms) : step
  }

  const encode: FrameEncode = (payload, writer) => {
    checkSize(payload.length, limit)
    const found = payload.indexOf(lf)
    // In front of a lone LF a last CR would be read as part of the ending.
    const index = found < 0 && lastCrEnds && payload[payload.length - 1] === cr ? payload.length - 1 : found
    if (index >= 0) throw refused(new ContainsDelimiter({ index }))
    writer.bytes(payload)
    if (ending === "crlf") writer.byte(cr)
    writer.byte(lf)
  }

  const texts = encodeTexts(encode, { limit, ending: ending === "lf" ? "\n" : "\r\n", lastCrEnds })
  return { limit, decoder: { start }, encode: Object.assign(encode, { texts }) }
}
