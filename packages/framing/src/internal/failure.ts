import type { ByteReader } from "../ByteReader.ts"
import { FrameError, FrameTooLong, MessageError } from "../FramingError.ts"

/** The stream is out of step at the frame that begins here, of which `size` bytes are shown at most. */
export const broken = (reader: ByteReader, reason: FrameError["reason"], size = 16): FrameError =>
  new FrameError({ reason, offset: reader.offset, head: reader.peek(Math.min(16, size)) })

/** What came cannot be accepted, and is taken. */
export const rejected = (reason: MessageError["reason"]): MessageError =>
  new MessageError({ direction: "decode", reason })

/** What was to be sent cannot be. */
export const refused = (reason: MessageError["reason"]): MessageError =>
  new MessageError({ direction: "encode", reason })

/** Refuses to send a payload above the limit. */
export const checkSize = (size: number, limit: number): void => {
  if (size > limit) throw refused(new FrameTooLong({ size, limit }))
}
