/** Frames that keep their header and what stands behind the payload. */
import { ByteReader } from "../ByteReader.ts"
import type { Framing } from "../Codec.ts"
import * as Decoder from "../Decoder.ts"
import { FrameError, FrameTooLong, Malformed } from "../FramingError.ts"
import { broken, refused } from "./failure.ts"
import { type More, more } from "./more.ts"

/** What the header says of a frame, in bytes. */
export interface Shape {
  readonly header: number
  readonly size: number
  readonly trailer: number
}

/**
 * The framing of what a header says. `shapeOf` may throw a `FrameError`; `fault` says what is wrong with a whole frame
 * of so many bytes. To be sent, a frame has to be whole and one.
 */
export const kept = (
  limit: number,
  shapeOf: (reader: ByteReader) => Shape | More,
  fault: (reader: ByteReader, total: number) => string | undefined = () => undefined
): Framing => {
  const step = (reader: ByteReader): Uint8Array | More => {
    const shape = shapeOf(reader)
    if (shape === more) return more
    const { header, size, trailer } = shape
    if (size > limit) throw broken(reader, new FrameTooLong({ size, limit }))
    const total = header + size + trailer
    if (reader.length < total) return reader.need(total)
    const detail = fault(reader, total)
    if (detail !== undefined) throw broken(reader, new Malformed({ detail }))
    return reader.take(total)
  }

  const check = (frame: Uint8Array) => {
    const reader = new ByteReader()
    reader.push(frame)
    try {
      if (step(reader) !== more && reader.length === 0) return
    } catch (error) {
      if (!(error instanceof FrameError)) throw error
      const { reason } = error
      throw refused(
        reason._tag === "Truncated" || reason._tag === "FrameTimeout" || reason._tag === "BareLineFeed"
          ? new Malformed({ detail: reason.message })
          : reason
      )
    }
    throw refused(new Malformed({ detail: `the header says another size than the frame's ${frame.length} bytes` }))
  }

  return {
    limit,
    decoder: Decoder.make(() => step),
    encode: (frame, writer) => {
      check(frame)
      writer.bytes(frame)
    }
  }
}
