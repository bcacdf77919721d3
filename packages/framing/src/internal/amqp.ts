/**
 * AMQP 0-9-1 frames.
 *
 * ```text
 * +------+------------+------------+----------------+-----+
 * | type | channel    | size       | payload        | end |
 * |      | big-endian | big-endian | size bytes     | ce  |
 * +------+------------+------------+----------------+-----+
 *   1      2            4                             1
 * ```
 */
import { type Framing, limitOf } from "../Codec.ts"
import { kept } from "./kept.ts"

const header = 7
const frameEnd = 0xce

/** The framing with this limit. */
export const amqp = (limit: number | undefined): Framing =>
  kept(
    limitOf(limit, 2 ** 32 - 1),
    (reader) => reader.length < header ? reader.need(header) : { header, size: reader.uint(3, 4, false), trailer: 1 },
    (reader, total) =>
      reader.at(total - 1) === frameEnd
        ? undefined
        : `its last byte is 0x${reader.at(total - 1).toString(16).padStart(2, "0")}, it is always 0xce`
  )
