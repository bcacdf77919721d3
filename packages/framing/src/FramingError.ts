/**
 * The failures of framing: a `FrameError` ends the connection, a `MessageError` costs one message.
 *
 * @since 0.1.0
 */
import { InvalidOption as Option } from "@framewire/core"
import * as Data from "effect/Data"
import { toHex, toText } from "./internal/hex.ts"
import { hintOf } from "./internal/hint.ts"

/**
 * A frame is larger than the limit: `size` as declared by its length, or `limit + 1` where an end was looked for.
 *
 * @category reasons
 * @since 0.1.0
 */
export class FrameTooLong extends Data.TaggedError("FrameTooLong")<{
  readonly size: number
  readonly limit: number
}> {
  override get message(): string {
    return `a frame of ${this.size} bytes, ${this.limit} are allowed`
  }
}

/**
 * The stream ended inside a frame: `have` bytes of it had come; it needed `need`, where that can be known.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Truncated extends Data.TaggedError("Truncated")<{
  readonly have: number
  readonly need: number | undefined
}> {
  override get message(): string {
    return `the stream ended after ${this.have} bytes of a frame` + (this.need === undefined ? "" : ` of ${this.need}`)
  }
}

/**
 * The rest of a frame did not come in time: `have` bytes of it had come; it needed `need`, where that can be known.
 *
 * @category reasons
 * @since 0.1.0
 */
export class FrameTimeout extends Data.TaggedError("FrameTimeout")<{
  readonly have: number
  readonly need: number | undefined
  readonly millis: number
}> {
  override get message(): string {
    return `${this.have} bytes of a frame${
      this.need === undefined ? "" : ` of ${this.need}`
    } came within ${this.millis} ms`
  }
}

/**
 * Strict CRLF was asked for, and a line ended in LF alone: a sender and we would disagree about where lines end.
 *
 * @category reasons
 * @since 0.1.0
 */
export class BareLineFeed extends Data.TaggedError("BareLineFeed")<{}> {
  override readonly message = "a line ends in LF alone, CRLF is required"
}

/**
 * A payload contains the delimiter, so that the peer would read it as two frames.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ContainsDelimiter extends Data.TaggedError("ContainsDelimiter")<{ readonly index: number }> {
  override get message(): string {
    return `the delimiter is in the message, at byte ${this.index}`
  }
}

/**
 * The bytes of a frame are not UTF-8, or a text to send has no UTF-8 because of a lone surrogate.
 *
 * @category reasons
 * @since 0.1.0
 */
export class InvalidUtf8 extends Data.TaggedError("InvalidUtf8")<{}> {
  override readonly message = "the message is not UTF-8"
}

/**
 * The text of a frame is not JSON, or a message cannot be written as JSON.
 *
 * @category reasons
 * @since 0.1.0
 */
export class InvalidJson extends Data.TaggedError("InvalidJson")<{ readonly detail: string }> {
  override get message(): string {
    return `the message is not JSON: ${this.detail}`
  }
}

/**
 * The value does not have the shape that the schema says: `path` leads to the first place in it where that shows, and is
 * empty for the whole value.
 *
 * @category reasons
 * @since 0.1.0
 */
export class SchemaMismatch extends Data.TaggedError("SchemaMismatch")<{
  readonly detail: string
  readonly path?: ReadonlyArray<PropertyKey>
}> {
  override get message(): string {
    return `the message does not match the schema: ${this.detail}`
  }
}

/**
 * A length that no frame can have: not the digits or bytes that a length is written in, below what its own header takes, or
 * above 2^53 - 1.
 *
 * @category reasons
 * @since 0.1.0
 */
export class InvalidLength extends Data.TaggedError("InvalidLength")<{ readonly detail: string }> {
  override get message(): string {
    return `the length is invalid: ${this.detail}`
  }
}

/**
 * Bytes that no frame of this framing can have. `detail` says what stood there, and what can.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Malformed extends Data.TaggedError("Malformed")<{ readonly detail: string }> {
  override get message(): string {
    return `the frame is malformed: ${this.detail}`
  }
}

/**
 * The checksum of a frame is not that of its bytes: they changed on the way, or the ends disagree on what is summed.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ChecksumMismatch extends Data.TaggedError("ChecksumMismatch")<{
  readonly declared: number
  readonly computed: number
}> {
  override get message(): string {
    return `the checksum is 0x${this.declared.toString(16)}, the bytes have 0x${this.computed.toString(16)}`
  }
}

/**
 * The stream is out of step: no frame after this one can be found, and the connection is over.
 *
 * Whose fault: the peer's, or this side's choice of codec. `offset` is where the frame begins in the stream, in bytes;
 * `head` is what had come of it, the first 16 bytes at most. The message shows both, and says the `hint`.
 *
 * @category errors
 * @since 0.1.0
 */
export class FrameError extends Data.TaggedError("FrameError")<{
  readonly reason:
    | FrameTooLong
    | Truncated
    | FrameTimeout
    | BareLineFeed
    | InvalidLength
    | Malformed
    | ChecksumMismatch
  readonly offset: number
  readonly head: Uint8Array
}> {
  /** What the peer may speak instead, or how its length may be meant. A guess, for people to read. */
  get hint(): string | undefined {
    return hintOf(this.head, this.reason._tag === "FrameTooLong" ? this.reason : undefined)
  }

  /** `head` in hex and as text: `47 45 54 20 "GET "`. */
  get dump(): string {
    return `${toHex(this.head, " ")} ${JSON.stringify(toText(this.head))}`
  }

  override get message(): string {
    const { dump, head, hint, offset, reason } = this
    return `${reason.message}, at byte ${offset} of the stream` + (head.length === 0 ? "" : `: ${dump}`) +
      (hint === undefined ? "" : `, perhaps ${hint}`)
  }
}

/**
 * One message is bad; those before and after it are fine, and the connection goes on.
 *
 * Decoding: `offset` is where its frame begins in the stream, `frame` how many frames came before it. Encoding: nothing of
 * it was written.
 *
 * @category errors
 * @since 0.1.0
 */
export class MessageError extends Data.TaggedError("MessageError")<{
  readonly direction: "decode" | "encode"
  readonly reason:
    | FrameTooLong
    | ContainsDelimiter
    | InvalidLength
    | Malformed
    | ChecksumMismatch
    | InvalidUtf8
    | InvalidJson
    | SchemaMismatch
  readonly offset?: number
  readonly frame?: number
}> {
  override get message(): string {
    const { frame, offset, reason } = this
    return reason.message + (frame === undefined ? "" : `, in frame ${frame}`) +
      (offset === undefined ? "" : `, at byte ${offset} of the stream`)
  }
}

/**
 * A codec was asked for that cannot work: core's own. Thrown where it is built, because the program has to change.
 *
 * @category errors
 * @since 0.1.0
 */
export const InvalidOption: typeof Option.InvalidOption = Option.InvalidOption

/**
 * One of them.
 *
 * @category errors
 * @since 0.1.0
 */
export type InvalidOption = Option.InvalidOption
