/**
 * HL7's minimal lower layer protocol.
 *
 * ```text
 * +----+----------------+----+----+
 * | VT | payload        | FS | CR |
 * | 0b |                | 1c | 0d |
 * +----+----------------+----+----+
 * ```
 */
import { type Framing, limitOf } from "../Codec.ts"
import * as Decoder from "../Decoder.ts"
import { ContainsDelimiter, FrameTooLong, Malformed } from "../FramingError.ts"
import { broken, checkSize, refused } from "./failure.ts"

const startBlock = 0x0b
const endBlock = 0x1c
const cr = 0x0d

/** The framing with this limit. */
export const mllp = (most: number | undefined): Framing => {
  const limit = limitOf(most)

  const start = (): Decoder.Step<Uint8Array> => {
    // Where the end can still be.
    let from = 1
    return (reader) => {
      if (reader.length > 0 && reader.at(0) !== startBlock) {
        const found = reader.at(0).toString(16).padStart(2, "0")
        throw broken(reader, new Malformed({ detail: `it begins with 0x${found}, it always does with 0x0b` }))
      }
      let end = reader.indexOf(endBlock, from)
      while (end >= 0 && end + 1 < reader.length && reader.at(end + 1) !== cr) end = reader.indexOf(endBlock, end + 1)
      const isWhole = end >= 0 && end + 1 < reader.length
      from = end < 0 ? Math.max(1, reader.length) : end
      if (from - 1 > limit) throw broken(reader, new FrameTooLong({ size: limit + 1, limit }), limit + 2)
      if (!isWhole) return reader.need()

      from = 1
      reader.skip(1)
      const payload = reader.take(end - 1)
      reader.skip(2)
      return payload
    }
  }

  return {
    limit,
    decoder: Decoder.make(start),
    encode: (payload, writer) => {
      checkSize(payload.length, limit)
      for (let at = payload.indexOf(endBlock); at >= 0; at = payload.indexOf(endBlock, at + 1)) {
        if (payload[at + 1] === cr) throw refused(new ContainsDelimiter({ index: at }))
      }
      writer.byte(startBlock)
      writer.bytes(payload)
      writer.byte(endBlock)
      writer.byte(cr)
    }
  }
}
