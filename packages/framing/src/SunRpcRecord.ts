/**
 * Records in fragments, as ONC RPC has them on TCP: NFS, portmap. The fragments of a record are joined.
 *
 * ```text
 * +------+---------------------+----------------+
 * | last | size, 31 bits       | size bytes     |     and so on, to the fragment that says it is the last one
 * | 1 bit| big-endian          |                |
 * +------+---------------------+----------------+
 *
 * IN   00 00 00 03 h e l 80 00 00 02 l o 80 00 00 00
 * OUT  hello | (empty)
 * ```
 *
 * A record is written as one fragment.
 *
 * **Limits**: `limit` counts the bytes of a whole record, inclusive, both ways, checked with the size of each fragment; 1
 * MiB by default. At most 16 fragments before the last may be empty.
 *
 * **Errors**: a larger record is a `FrameError` (`FrameTooLong`, with the size as far as it was declared), more empty
 * fragments one of `Malformed`, a stream that ends within a record one of `Truncated`; the connection is over. A larger
 * record to send is a `MessageError` (`FrameTooLong`).
 *
 * **Source**: RFC 5531 section 11.
 *
 * @since 0.1.0
 */
import { type Framing, limitOf } from "./Codec.ts"
import * as Decoder from "./Decoder.ts"
import { FrameTooLong, Malformed } from "./FramingError.ts"
import { broken, checkSize } from "./internal/failure.ts"

const lastFragment = 2 ** 31
const maxEmpty = 16
const header = 4

const join = (fragments: Uint8Array, size: number): Uint8Array => {
  const record = new Uint8Array(size)
  const view = new DataView(fragments.buffer, fragments.byteOffset, fragments.length)
  let filled = 0
  for (let at = 0; at < fragments.length;) {
    const from = at + header
    at = from + view.getUint32(at) % lastFragment
    record.set(fragments.subarray(from, at), filled)
    filled += at - from
  }
  return record
}

/**
 * The framing, with another limit where one is asked for.
 *
 * **Errors**: throws `InvalidOption` for a limit that is not a whole number from 0 to 2^31 - 1.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: { readonly limit?: number } = {}): Framing => {
  const limit = limitOf(options.limit, lastFragment - 1)

  const start = (): Decoder.Step<Uint8Array> => {
    // Of the record that is not whole: where its next fragment begins, its bytes before that, the empty ones among them.
    let fragment = 0
    let size = 0
    let empty = 0

    return (reader) => {
      for (let last = false; !last;) {
        if (reader.length < fragment + header) return reader.need(fragment + header)
        const mark = reader.uint(fragment, 4, false)
        last = mark >= lastFragment
        const more = mark % lastFragment
        if (size + more > limit) throw broken(reader, new FrameTooLong({ size: size + more, limit }))
        if (more === 0 && !last && empty === maxEmpty) {
          throw broken(reader, new Malformed({ detail: `more than ${maxEmpty} empty fragments before the last` }))
        }
        const end = fragment + header + more
        if (reader.length < end) return reader.need(end)
        if (more === 0 && !last) empty++
        size += more
        fragment = end
      }
      const [end, whole] = [fragment, size]
      fragment = size = empty = 0
      if (end > whole + header) return join(reader.take(end), whole)
      reader.skip(header)
      return reader.take(whole)
    }
  }

  return {
    limit,
    decoder: Decoder.make(start),
    encode: (record, writer) => {
      checkSize(record.length, limit)
      writer.uint(lastFragment + record.length, 4, false)
      writer.bytes(record)
    }
  }
}
