/**
 * Why a request has no answer, and what became of it.
 *
 * @since 0.1.0
 */
import type { TransportError } from "@framewire/core"
import type { FramingError } from "@framewire/framing"
import * as Data from "effect/Data"

/**
 * The peer sent FIN, or this side closed, before the answer came. `cause` is why a client that keeps its line has ended by
 * itself: its schedule is done, or no endpoint can ever work.
 *
 * @category reasons
 * @since 0.1.0
 */
export class LineClosed
  extends Data.TaggedError("LineClosed")<{ readonly by: "peer" | "self"; readonly cause?: unknown }>
{
  override get message(): string {
    if (this.by === "peer") return "the peer closed the line"
    return this.cause instanceof Error ? `this client has ended: ${this.cause.message}` : "this client was closed"
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
 * As many pushes as `maxPushes` waited, and nobody took one: there was no consumer, or it took none for all of
 * `requestTimeout`. To read on would take memory without a bound, and not to read would hold back answers.
 *
 * @category reasons
 * @since 0.1.0
 */
export class PushesUnread extends Data.TaggedError("PushesUnread")<{ readonly limit: number }> {
  override get message(): string {
    return `${this.limit} pushes waited, and nobody took one`
  }
}

/**
 * No answer came within `requestTimeout`. It ends the line too, where nothing was answered in all that time and either the
 * answers come in order or no place was left for another request.
 *
 * @category reasons
 * @since 0.1.0
 */
export class RequestTimedOut extends Data.TaggedError("RequestTimedOut")<{ readonly millis: number }> {
  override get message(): string {
    return `no answer came within ${this.millis} ms`
  }
}

/**
 * As many answers of a `requestStream` as `maxStreamed` waited to be taken, for all of `requestTimeout`, and held up the
 * other requests of the line.
 *
 * @category reasons
 * @since 0.1.0
 */
export class AnswersUnread extends Data.TaggedError("AnswersUnread")<{ readonly millis: number }> {
  override get message(): string {
    return `its answers were not taken for ${this.millis} ms`
  }
}

/**
 * The peer sent nothing for so long, and did not answer what was sent to find out: it is gone, or stands still.
 *
 * @category reasons
 * @since 0.1.0
 */
export class HeartbeatMissed extends Data.TaggedError("HeartbeatMissed")<{ readonly millis: number }> {
  override get message(): string {
    return `the peer sent nothing for ${this.millis} ms`
  }
}

/**
 * The line takes no more requests and ends when those in flight are answered: `drain` was called, or the server said that
 * it goes away.
 *
 * @category reasons
 * @since 0.1.0
 */
export class LineDraining extends Data.TaggedError("LineDraining")<{}> {
  override readonly message = "the line is draining"
}

/**
 * There is no line now, and the request may not wait for one. `cause` is why there is none, as far as that is known.
 *
 * @category reasons
 * @since 0.1.0
 */
export class NotConnected extends Data.TaggedError("NotConnected")<{ readonly cause: unknown }> {
  override get message(): string {
    const why = this.cause instanceof Error ? `: ${this.cause.message}` : ""
    return `there is no line${why}`
  }
}

/**
 * As much as `limit` lets wait for a line waits already.
 *
 * @category reasons
 * @since 0.1.0
 */
export class QueueFull
  extends Data.TaggedError("QueueFull")<{ readonly limit: "maxRequests" | "maxBytes" | "maxWaiting" }>
{
  override get message(): string {
    return `what waits for a line has reached ${this.limit}`
  }
}

/**
 * The request waited for a line for so long.
 *
 * @category reasons
 * @since 0.1.0
 */
export class QueueTimedOut extends Data.TaggedError("QueueTimedOut")<{ readonly millis: number }> {
  override get message(): string {
    return `no line was free for ${this.millis} ms`
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
  | RequestTimedOut
  | AnswersUnread
  | HeartbeatMissed
  | LineDraining
  | NotConnected
  | QueueFull
  | QueueTimedOut

/**
 * What is known of a request that failed:
 * - `NotSent`: no byte of it was handed to the platform, so that sending it elsewhere is safe.
 * - `MaybeSent`: it was, and whether the peer acted on it is unknown.
 * - `Answered`: the peer answered, with a message that the codec refuses (`reason` is a `MessageError`), or that it has given
 *   the request up (`RequestCancelled`), or nobody took its answers (`AnswersUnread`). An error of the protocol's own is the request's failure as it is.
 *
 * @category models
 * @since 0.1.0
 */
export type Delivery = "NotSent" | "MaybeSent" | "Answered"

/**
 * A request failed, and `delivery` says what became of it.
 *
 * @category errors
 * @since 0.1.0
 */
export class RequestError extends Data.TaggedError("RequestError")<{
  readonly delivery: Delivery
  readonly reason: RequestFailure
}> {
  override get message(): string {
    const delivery = { NotSent: "was not sent", MaybeSent: "may have been sent", Answered: "was answered" }
    return `the request ${delivery[this.delivery]}: ${this.reason.message}`
  }
}
