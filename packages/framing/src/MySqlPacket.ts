/**
 * Packets of MySQL and MariaDB, each with its number; a payload that takes several packets is joined.
 *
 * ```text
 * +---------------+----------+----------------+
 * | size          | sequence | payload        |     a packet of ff ff ff bytes goes on in the next, which may be empty
 * | little-endian |          | size bytes     |
 * +---------------+----------+----------------+
 *   3               1
 *
 * IN   01 00 00 00 0e 01 00 00 01 00
 * OUT  0, 0e | 1, 00
 * ```
 *
 * The sequence begins at 0 with each command, and each packet of either side has the next, 0 after 255. A message has that
 * of its first packet: an answer to it goes on with `sequence + Math.floor(payload.length / 0xffffff) + 1`.
 *
 * **Limits**: `limit` counts the bytes of a whole payload, inclusive, both ways, checked with the size of each packet; 1 MiB
 * by default.
 *
 * **Errors**: a larger payload is a `FrameError` (`FrameTooLong`, with the size as far as it was declared), packets of one
 * payload whose numbers do not follow each other one of `Malformed`, a stream that ends within a payload one of
 * `Truncated`; the connection is over. To send a larger payload is a `MessageError` (`FrameTooLong`), a sequence that is no
 * byte one of `Malformed`.
 *
 * **Source**: MySQL Internals, Client/Server Protocol, MySQL Packets.
 *
 * @since 0.1.0
 */
import { type Codec, limitOf } from "./Codec.ts"
import * as Decoder from "./Decoder.ts"
import { FrameTooLong, Malformed } from "./FramingError.ts"
import { broken, checkSize, refused } from "./internal/failure.ts"

/**
 * A payload, and the number of its first packet, 0 to 255.
 *
 * @category models
 * @since 0.1.0
 */
export interface MySqlPacket {
  readonly sequence: number
  readonly payload: Uint8Array
}

const header = 4
const maxSize = 0xffffff

const join = (packets: Uint8Array, size: number): Uint8Array => {
  const payload = new Uint8Array(size)
  let filled = 0
  for (let at = header; at < packets.length; at += maxSize + header) {
    const part = packets.subarray(at, at + maxSize)
    payload.set(part, filled)
    filled += part.length
  }
  return payload
}

/**
 * The codec, with another limit where one is asked for.
 *
 * **Errors**: throws `InvalidOption` for a limit that is not a whole number.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: { readonly limit?: number } = {}): Codec<MySqlPacket> => {
  const limit = limitOf(options.limit)

  const start = (): Decoder.Step<MySqlPacket> => {
    // How many packets of the payload are there, all of them full.
    let full = 0

    return (reader) => {
      for (;;) {
        const at = full * (maxSize + header)
        if (reader.length < at + header) return reader.need(at + header)
        const sequence = reader.at(3)
        const number = reader.at(at + 3)
        if (number !== (sequence + full) % 256) {
          throw broken(reader, new Malformed({ detail: `packet ${number} after ${(sequence + full + 255) % 256}` }))
        }
        const last = reader.uint(at, 3, true)
        const size = full * maxSize + last
        if (size > limit) throw broken(reader, new FrameTooLong({ size, limit }))
        const end = at + header + last
        if (reader.length < end) return reader.need(end)
        if (last === maxSize) {
          full++
          continue
        }
        const joined = full > 0
        full = 0
        if (joined) return { sequence, payload: join(reader.take(end), size) }
        reader.skip(header)
        return { sequence, payload: reader.take(size) }
      }
    }
  }

  return {
    limit,
    decoder: Decoder.make(start),
    encode: ({ payload, sequence }, writer) => {
      checkSize(payload.length, limit)
      if (!(Number.isInteger(sequence) && sequence >= 0 && sequence <= 255)) {
        throw refused(new Malformed({ detail: `the sequence ${sequence}, it is one byte` }))
      }
      for (let from = 0, number = sequence;; from += maxSize, number++) {
        const part = payload.subarray(from, from + maxSize)
        writer.uint(part.length, 3, true)
        writer.byte(number % 256)
        writer.bytes(part)
        if (part.length < maxSize) return
      }
    }
  }
}
