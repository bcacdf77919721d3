/**
 * MQTT control packets.
 *
 * ```text
 * +-------------+--------------------+---------------------------+
 * | type, flags | remaining length   | variable header, payload  |
 * |             | 1 to 4 bytes, of 7 | remaining length bytes    |
 * |             | bits, low first    |                           |
 * +-------------+--------------------+---------------------------+
 * ```
 */
import type { ByteReader } from "../ByteReader.ts"
import { type Framing, limitOf } from "../Codec.ts"
import { InvalidLength } from "../FramingError.ts"
import { broken } from "./failure.ts"
import { kept, type Shape } from "./kept.ts"
import type { More } from "./more.ts"

const maxSize = 128 ** 4 - 1

const shapeOf = (reader: ByteReader): Shape | More => {
  let size = 0
  for (let at = 1, factor = 1; at <= 4; at++, factor *= 128) {
    if (reader.length <= at) return reader.need(at + 1)
    const byte = reader.at(at)
    size += (byte & 0x7f) * factor
    if (byte === 0 && at > 1) throw broken(reader, new InvalidLength({ detail: "it has more bytes than it needs" }))
    if (byte < 0x80) return { header: at + 1, size, trailer: 0 }
  }
  throw broken(reader, new InvalidLength({ detail: "it has more than 4 bytes" }))
}

/** The framing with this limit. */
export const mqtt = (limit: number | undefined): Framing => kept(limitOf(limit, maxSize), shapeOf)
