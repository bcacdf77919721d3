/**
 * Values of ASN.1 in BER or DER, one after the other: tag, length, contents.
 *
 * ```text
 * +-------------------+-----------------------+----------------+
 * | tag               | length                | contents       |
 * | 1 byte, or to the | 00 to 7f, or 80 + n   | length bytes   |
 * | next below 80     | and n bytes of it     |                |
 * +-------------------+-----------------------+----------------+
 *
 * IN   02 01 05 30 82 00 02 05 00
 * OUT  02 01 05 | 30 82 00 02 05 00
 * ```
 *
 * A frame is as on the wire, with its tag and length. The indefinite form (80) has no length to go by, and is refused, as
 * LDAP and DER do.
 *
 * **Limits**: `limit` counts the bytes of the contents, inclusive, both ways; 1 MiB by default. A tag has 6 bytes at most, a
 * length 9.
 *
 * **Errors**: larger contents are a `FrameError` (`FrameTooLong`), an indefinite length, one of more than 2^53 - 1 or with
 * `minimal` one of more bytes than it needs one of `InvalidLength`, a longer tag one of `Malformed`, a stream that ends
 * within a value one of `Truncated`; the connection is over. To send what is not one whole value is a `MessageError`.
 *
 * **Source**: ITU-T X.690 sections 8.1.2 and 8.1.3, for `minimal` 10.1; Erlang's `{packet, asn1}`.
 *
 * @since 0.1.0
 */
import type { ByteReader } from "./ByteReader.ts"
import { type Framing, limitOf } from "./Codec.ts"
import { InvalidLength, Malformed } from "./FramingError.ts"
import { broken } from "./internal/failure.ts"
import { kept, type Shape } from "./internal/kept.ts"
import { type More, more } from "./internal/more.ts"

/**
 * `minimal` refuses a length of more bytes than it needs, which BER allows and DER does not.
 *
 * @category options
 * @since 0.1.0
 */
export interface BerOptions {
  readonly minimal?: boolean
  readonly limit?: number
}

const maxTag = 6

/** Where the tag ends that begins the value. */
const tagEnd = (reader: ByteReader): number | More => {
  if (reader.length === 0) return reader.need(1)
  if ((reader.at(0) & 0x1f) !== 0x1f) return 1
  for (let at = 1; at < maxTag; at++) {
    if (reader.length <= at) return reader.need(at + 1)
    if (reader.at(at) < 0x80) return at + 1
  }
  throw broken(reader, new Malformed({ detail: `its tag has more than ${maxTag} bytes` }), maxTag)
}

/**
 * The framing of the options.
 *
 * **Errors**: throws `InvalidOption` for a limit that is not a whole number.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: BerOptions = {}): Framing => {
  const { minimal = false } = options

  const shapeOf = (reader: ByteReader): Shape | More => {
    const at = tagEnd(reader)
    if (at === more) return more
    if (reader.length <= at) return reader.need(at + 1)
    const first = reader.at(at)
    if (first < 0x80) return { header: at + 1, size: first, trailer: 0 }
    const width = first - 0x80
    const refuse = (detail: string, end: number) => broken(reader, new InvalidLength({ detail }), end)
    if (width === 0) throw refuse("it is indefinite", at + 1)
    if (width > 8) throw refuse(`it has ${width} bytes, 8 are the most`, at + 1)
    const header = at + 1 + width
    if (reader.length < header) return reader.need(header)
    const size = reader.uint(at + 1, width, false)
    if (size > Number.MAX_SAFE_INTEGER) throw refuse("it is above 2^53 - 1", header)
    if (minimal && (size < 0x80 || reader.at(at + 1) === 0)) throw refuse("it has more bytes than it needs", header)
    return { header, size, trailer: 0 }
  }

  return kept(limitOf(options.limit), shapeOf)
}
