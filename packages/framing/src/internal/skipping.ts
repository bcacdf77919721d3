import type * as Decoder from "../Decoder.ts"
import { FrameError, type FrameTooLong, MessageError, Truncated } from "../FramingError.ts"

/** The step, but a frame that it would refuse as too long, behind a header of so many bytes, goes by and costs one message. */
export const skipping = (step: Decoder.Step<Uint8Array>, header: number): Decoder.Step<Uint8Array> => {
  let left = 0
  let tooLong: { readonly reason: FrameTooLong; readonly offset: number; readonly head: Uint8Array } | undefined
  return (reader) => {
    if (tooLong === undefined) {
      try {
        return step(reader)
      } catch (error) {
        if (!(error instanceof FrameError && error.reason._tag === "FrameTooLong")) throw error
        tooLong = { reason: error.reason, offset: error.offset, head: error.head }
        left = header + error.reason.size
      }
    }
    const { head, offset, reason } = tooLong
    const part = Math.min(left, reader.length)
    reader.discard(part)
    left -= part
    if (left === 0) {
      tooLong = undefined
      throw new MessageError({ direction: "decode", reason, offset })
    }
    if (!reader.ended) return reader.need(left)
    const need = header + reason.size
    throw new FrameError({ reason: new Truncated({ have: need - left, need }), offset, head })
  }
}
