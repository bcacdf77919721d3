/**
 * Frames behind header fields, one of which is Content-Length, as the Language Server and Debug Adapter Protocols have
 * them.
 *
 * ```text
 * +---------------------------+--------------------------+----+----------------+
 * | Content-Length: size CRLF | other fields, each  CRLF | CR | payload        |
 * |                           | (none is needed)         | LF | size bytes     |
 * +---------------------------+--------------------------+----+----------------+
 *
 * IN   Content-Length: 5 CRLF CRLF h e l l o content-length:0 CRLF Content-Type: text/plain CRLF CRLF
 * OUT  hello | (empty)
 * ```
 *
 * The size is in bytes, never in characters. Names of fields are read in any case, and fields other than Content-Length are
 * passed over, Content-Type too: a payload that is not UTF-8 shows where it is decoded.
 *
 * **Limits**: `limit` counts payload bytes, inclusive, both ways; 1 MiB by default. The header fields have 4 KiB at most,
 * and nothing is allocated for the declared size ahead.
 *
 * **Errors**: a larger declared size is a `FrameError` (`FrameTooLong`), one that is not 1 to 16 digits or is above
 * 2^53 - 1 one of `InvalidLength`; no Content-Length, a field that comes twice, one that is not `name: value`, a bare CR
 * or LF, and too many bytes of fields are one of `Malformed`, a stream that ends within a frame one of `Truncated`; the
 * connection is over. A larger payload to send is a `MessageError` (`FrameTooLong`).
 *
 * **Source**: Language Server Protocol 3.17, "Base Protocol"; Debug Adapter Protocol, "Base protocol"; the syntax of
 * fields is RFC 9110 section 5.
 *
 * @since 0.1.0
 */
import type { ByteReader } from "./ByteReader.ts"
import { utf8 } from "./ByteWriter.ts"
import { type Framing, limitOf } from "./Codec.ts"
import * as Decoder from "./Decoder.ts"
import { FrameError, FrameTooLong, InvalidLength, Malformed, MessageError } from "./FramingError.ts"
import { automaton } from "./internal/delimiters.ts"

const headerLimit = 4096

const crlf = utf8("\r\n")
const endOfHeaders = automaton([utf8("\r\n\r\n")])

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
// All that is not printable, but a tab: bare CR and LF among it.
// oxlint-disable-next-line no-control-regex
const control = /[\0-\x08\x0a-\x1f\x7f]/

/** The size that the lines say, or why they say none. */
const sizeOf = (lines: ReadonlyArray<string>): number | InvalidLength | Malformed => {
  const fields = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(":")
    const name = line.slice(0, Math.max(0, colon)).toLowerCase()
    if (!token.test(name) || control.test(line)) {
      return new Malformed({ detail: `${JSON.stringify(line.slice(0, 40))} is no header field` })
    }
    if (fields.has(name)) return new Malformed({ detail: `${name} comes twice` })
    fields.set(name, line.slice(colon + 1))
  }
  const value = fields.get("content-length")
  if (value === undefined) return new Malformed({ detail: "there is no Content-Length" })
  // White space is what the syntax says, and not all that `trim` and `Number` take for it.
  const size = /^[ \t]*\d{1,16}[ \t]*$/.test(value) ? Number(value) : Number.NaN
  return Number.isSafeInteger(size) ? size : new InvalidLength({ detail: JSON.stringify(value.trim().slice(0, 40)) })
}

/**
 * The framing with this limit. It writes Content-Length and no other field.
 *
 * **Errors**: throws `InvalidOption` for a limit that is not a whole number.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: { readonly limit?: number } = {}): Framing => {
  const limit = limitOf(options.limit, Number.MAX_SAFE_INTEGER - headerLimit)

  const fail = (reader: ByteReader, reason: FrameTooLong | InvalidLength | Malformed) =>
    new FrameError({ reason, offset: reader.offset, head: reader.peek(16) })

  const start = (): Decoder.Step<Uint8Array> => {
    const scan = endOfHeaders()
    // As if a line had ended before, so that an empty one is the end also where it is the first.
    scan.find(crlf, 0)
    let searched = 0
    // Of the frame that is being read, once its header is whole.
    let header = 0
    let size = 0
    return (reader) => {
      if (header === 0) {
        const last = reader.search(Math.max(0, searched - reader.offset), scan.find)
        if (last >= headerLimit || (last < 0 && reader.length >= headerLimit)) {
          throw fail(reader, new Malformed({ detail: `its header fields take more than ${headerLimit} bytes` }))
        }
        searched = reader.offset + reader.length
        if (last < 0) return reader.need()
        const text = String.fromCharCode(...reader.peek(Math.max(0, last + 1 - 4)))
        const declared = sizeOf(text === "" ? [] : text.split("\r\n"))
        if (typeof declared !== "number") throw fail(reader, declared)
        if (declared > limit) throw fail(reader, new FrameTooLong({ size: declared, limit }))
        header = last + 1
        size = declared
      }
      if (reader.length < header + size) return reader.need(header + size)
      reader.skip(header)
      searched = 0
      header = 0
      scan.find(crlf, 0)
      return reader.take(size)
    }
  }

  return {
    limit,
    decoder: Decoder.make(start),
    encode: (payload, writer) => {
      const size = payload.length
      if (size > limit) throw new MessageError({ direction: "encode", reason: new FrameTooLong({ size, limit }) })
      writer.bytes(utf8(`Content-Length: ${size}\r\n\r\n`))
      writer.bytes(payload)
    }
  }
}
