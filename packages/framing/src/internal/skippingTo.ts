import type * as Decoder from "../Decoder.ts"
import { FrameError, type FrameTooLong, MessageError, Truncated } from "../FramingError.ts"

/**
 * The step, but a frame that it would refuse as too long goes by up to the byte that ends it, and costs one message.
 * The step has to be ready for the next frame when it refuses one.
 */
export const skippingTo = (step: Decoder.Step<Uint8Array>, delimiter: number): Decoder.Step<Uint8Array> => {
  let tooLong: { readonly reason: FrameTooLong; readonly offset: number; readonly head: Uint8Array } | undefined
  let searched = 0
  return (reader) => {
    if (tooLong === undefined) {
      try {
        return step(reader)
      } catch (error) {
        if (!(error instanceof FrameError && error.reason._tag === "FrameTooLong")) throw error
        tooLong = { reason: error.reason, offset: error.offset, head: error.head }
        searched = 0
      }
    }
    const { head, offset, reason } = tooLong
    const end = reader.indexOf(delimiter, searched)
    if (end >= 0) {
      reader.skip(end + 1)
      reader.skipping = false
      tooLong = undefined
      throw new MessageError({ direction: "decode", reason, offset })
    }
    if (reader.ended) {
      const have = reader.offset + reader.length - offset
      throw new FrameError({ reason: new Truncated({ have, need: undefined }), offset, head })
    }
    // One byte stays, so that a stream that ends here ends within a frame.
    reader.discard(reader.length - 1)
    searched = 1
    reader.skipping = true
    return reader.need()
  }
}
