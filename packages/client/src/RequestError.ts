/**
 * Why a request has no answer, and what became of it.
 *
 * @since 0.1.0
 */
import type { TransportError } from "@framewire/core"
import type { FramingError } from "@framewire/framing"
import * as Data from "effect/Data"

/**
 * The peer sent FIN, or this side closed, before the answer came.
 *
 * @category reasons
 * @since 0.1.0
 */
export class LineClosed extends Data.TaggedError("LineClosed")<{ readonly by: "peer" | "self" }> {
  override get message(): string {
    return this.by === "peer" ? "the peer closed the line" : "this client was closed"
  }
}

/**
 * An answer came that no request waits for: from here on answers would be taken for those of other requests.
 *
 * @category reasons
 * @since 0.1.0
 */
export class UnexpectedAnswer extends Data.TaggedError("UnexpectedAnswer")<{}> {
  override readonly message = "an answer came that no request waits for"
}

/**
 * The server gave the request up, and nobody had asked it to.
 *
 * @category reasons
 * @since 0.1.0
 */
export class RequestCancelled extends Data.TaggedError("RequestCancelled")<{}> {
  override readonly message = "the server gave the request up"
}

/**
 * More pushes came than `maxPushes`, and nobody took them: reading on would take memory without a bound, and not reading
 * would hold back answers.
 *
 * @category reasons
 * @since 0.1.0
 */
export class PushesUnread extends Data.TaggedError("PushesUnread")<{ readonly limit: number }> {
  override get message(): string {
    return `more than ${this.limit} pushes were not taken`
  }
}

/**
 * What ended the line, or what was wrong with this one message.
 *
 * @category models
 * @since 0.1.0
 */
export type RequestFailure =
  | TransportError.ReceiveError
  | TransportError.SendError
  | FramingError.FrameError
  | FramingError.MessageError
  | LineClosed
  | UnexpectedAnswer
  | RequestCancelled
  | PushesUnread

/**
 * A request failed.
 *
 * `delivery` is what is known of it:
 * - `NotSent`: no byte of it was handed to the connection, so that sending it elsewhere is safe.
 * - `MaybeSent`: it was, and whether the peer acted on it is unknown.
 * - `Answered`: the peer answered, with a message that the codec refuses (`reason` is a `MessageError`), or that it has given
 *   the request up (`RequestCancelled`). An error of the protocol's own is the request's failure as it is.
 *
 * @category errors
 * @since 0.1.0
 */
export class RequestError extends Data.TaggedError("RequestError")<{
  readonly delivery: "NotSent" | "MaybeSent" | "Answered"
  readonly reason: RequestFailure
}> {
  override get message(): string {
    const delivery = { NotSent: "was not sent", MaybeSent: "may have been sent", Answered: "was answered" }
    return `the request ${delivery[this.delivery]}: ${this.reason.message}`
  }
}
