/**
 * The values of Redis' protocol, version 2 and 3.
 *
 * ```text
 * +------+---------------+----+----+
 * | type | text          | CR | LF |     + text   - error   : integer   _ null   # t or f   , double   ( big number
 * +------+---------------+----+----+
 * +------+---------------+----+----+--------------+----+----+
 * | type | size          | CR | LF | size bytes   | CR | LF |     $ bytes   ! error   = three letters, colon, bytes
 * +------+---------------+----+----+--------------+----+----+
 * +------+---------------+----+----+-------------------------
 * | type | count         | CR | LF | count values             * array   ~ set   > push   % map, | attributes: pairs
 * +------+---------------+----+----+-------------------------
 *
 * IN   *2 CR LF $5 CR LF hello CR LF :42 CR LF +OK CR LF
 * OUT  array [bytes hello, integer 42] | simple OK
 * ```
 *
 * Attributes are a property of the value they stand before. A string or an aggregate whose end is told by what follows
 * (`$?` with `;` chunks, `*?` and the like up to `.`) is read as if its size had been given, and never written.
 * `inline` is for servers: what does not begin with `*` is a line of words that a person typed, and becomes an array of
 * bytes.
 *
 * **Limits**: `limit` counts the bytes of all texts and strings of a value together, inclusive, both ways, 1 MiB by
 * default. `items` bounds its values, those within others and attributes counted, 65,536 by default, and `depth` how
 * deep they are nested, 32 by default. A size and a count are checked as soon as they are read, and nothing is
 * allocated for them ahead.
 *
 * **Errors**: bytes that tell no end of the value are a `FrameError` (`Malformed`, `InvalidLength`, `BareLineFeed`),
 * one above a limit is one of `FrameTooLong` or `Malformed`, a stream that ends within a value one of `Truncated`; the
 * connection is over. A text that its type cannot have is a `MessageError` (`Malformed`, `InvalidUtf8`), and the next
 * value is fine. A value that cannot be sent is a `MessageError` too.
 *
 * **Source**: Redis serialization protocol specification, redis.io; RESP3 specification by Sanfilippo,
 * github.com/antirez/RESP3.
 *
 * @since 0.1.0
 */
import { utf8 } from "./ByteWriter.ts"
import { type Codec, limitOf } from "./Codec.ts"
import * as Decoder from "./Decoder.ts"
import { InvalidOption } from "./FramingError.ts"
import { more } from "./internal/more.ts"
import { parser } from "./internal/respParse.ts"
import { scanner } from "./internal/respScan.ts"
import { words } from "./internal/respWords.ts"
import { write } from "./internal/respWrite.ts"

interface Attributed {
  /** What stands before the value to be known besides it. */
  readonly attributes?: ReadonlyArray<readonly [Value, Value]>
}

/**
 * A value.
 *
 * - `simple` and `error` are one line of text. `bytes` and `bulkError` are bytes of any kind, `verbatim` with three
 *   letters that say which: `txt`, `mkd`.
 * - `integer` has 64 bits: a number where that is exact, else a bigint. `bigNumber` is any size.
 * - `null` is `_` of version 3, `nullBytes` and `nullArray` are `$-1` and `*-1` of version 2.
 * - `push` is not an answer to anything, and stands within no other value.
 *
 * @category models
 * @since 0.1.0
 */
export type Value =
  & Attributed
  & (
    | { readonly type: "simple" | "error"; readonly value: string }
    | { readonly type: "integer"; readonly value: number | bigint }
    | { readonly type: "bigNumber"; readonly value: bigint }
    | { readonly type: "double"; readonly value: number }
    | { readonly type: "boolean"; readonly value: boolean }
    | { readonly type: "null" | "nullBytes" | "nullArray" }
    | { readonly type: "bytes" | "bulkError"; readonly value: Uint8Array }
    | { readonly type: "verbatim"; readonly format: string; readonly value: Uint8Array }
    | { readonly type: "array" | "set" | "push"; readonly value: ReadonlyArray<Value> }
    | { readonly type: "map"; readonly value: ReadonlyArray<readonly [Value, Value]> }
  )

/**
 * The bounds of a value, and whether to read inline commands, by default not.
 *
 * @category options
 * @since 0.1.0
 */
export interface RespOptions {
  readonly limit?: number
  readonly items?: number
  readonly depth?: number
  readonly inline?: boolean
}

const maxDepth = 1000

const bound = (option: "items" | "depth", value: number, most: number): number => {
  if (Number.isInteger(value) && value >= 1 && value <= most) return value
  throw new InvalidOption({ option, value, allowed: `a whole number from 1 to ${most}` })
}

/**
 * The codec of the options.
 *
 * **Errors**: throws `InvalidOption` for a limit that is not a whole number, items that are not one from 1, and a depth
 * that is not one from 1 to 1,000.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: RespOptions = {}): Codec<Value> => {
  const { depth = 32, inline = false, items = 65_536 } = options
  const bounds = {
    limit: limitOf(options.limit),
    items: bound("items", items, Number.MAX_SAFE_INTEGER),
    depth: bound("depth", depth, maxDepth)
  }
  return {
    limit: bounds.limit,
    decoder: Decoder.make(() => {
      const scan = scanner(bounds, inline)
      const parse = parser()
      return (reader) => {
        const size = scan(reader)
        if (size === more) return more
        const bytes = reader.take(size)
        return inline && bytes[0] !== 0x2a ? words(bytes, items) : parse(bytes)
      }
    }),
    encode: (value, writer) => write(value, writer, bounds)
  }
}

/**
 * A command as clients send it: an array of bytes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const command = (...words: ReadonlyArray<string | Uint8Array>): Value => ({
  type: "array",
  value: words.map((word) => ({ type: "bytes", value: typeof word === "string" ? utf8(word) : word }))
})
