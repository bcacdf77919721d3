/**
 * JSON values, one a line.
 *
 * ```text
 * +----------------+------+------+
 * | JSON           | (CR) | LF   |
 * +----------------+------+------+
 *
 * IN   {"a":1} LF [ LF 2 LF
 * OUT  { a: 1 } | InvalidJson | 2
 * ```
 *
 * The framing is `Lines`: LF and CRLF end a line, the last one needs no end, a byte order mark is no part of JSON.
 *
 * **Limits**: `limit` counts the bytes of a line, inclusive, both ways, without its ending; 1 MiB by default.
 *
 * **Errors**: a line that is not UTF-8, not JSON or not of the schema's shape is a `MessageError` (`InvalidUtf8`,
 * `InvalidJson`, `SchemaMismatch`), and the next is fine; a blank line is such a one unless it is ignored. A longer line
 * is a `FrameError` (`FrameTooLong`), which ends the connection, or with `onTooLong: "skip"` a `MessageError`.
 *
 * **Source**: the NDJSON specification 1.0.0; JSON Lines is the same.
 *
 * @since 0.1.0
 */
import type * as Schema from "effect/Schema"
import * as Codec from "./Codec.ts"
import * as Decoder from "./Decoder.ts"
import { more } from "./internal/more.ts"
import { oneOf } from "./internal/options.ts"
import * as Lines from "./Lines.ts"

/**
 * What becomes of lines of white space alone, `"refuse"` by default, and of those that are too long, `"fail"` by default.
 *
 * @category options
 * @since 0.1.0
 */
export interface NdjsonOptions {
  readonly blankLines?: "refuse" | "ignore"
  readonly onTooLong?: "fail" | "skip"
  readonly limit?: number
}

/**
 * The codec of values of the schema.
 *
 * **Errors**: throws `InvalidOption` for a limit that is not a whole number, or another word than those.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A, E>(schema: Schema.Codec<A, E>, options: NdjsonOptions = {}): Codec.Codec<A> => {
  const { blankLines = "refuse", onTooLong = "fail" } = options
  oneOf("blankLines", blankLines, ["refuse", "ignore"])
  oneOf("onTooLong", onTooLong, ["fail", "skip"])
  const lines = Lines.make({ ...options, onTooLong })
  const framing = blankLines === "refuse" ? lines : { ...lines, decoder: withoutBlank(lines.decoder) }
  return Codec.json(schema)(framing)
}

const isBlank = (line: Uint8Array) => line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d)

const withoutBlank = (decoder: Decoder.Decoder<Uint8Array>): Decoder.Decoder<Uint8Array> =>
  Decoder.make(() => {
    const step = decoder.start()
    return (reader) => {
      for (;;) {
        const before = reader.offset
        const line = step(reader)
        if (line === more || !isBlank(line)) return line
        // It was taken, and belongs to no message.
        reader.discarded += reader.offset - before
      }
    }
  })
