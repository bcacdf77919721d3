/**
 * From bytes to frames or messages, one at a time and without I/O.
 *
 * **Contract** of a step, which is called with the bytes that wait:
 *
 * 1. A whole frame is there: take its bytes from the reader and return it. A frame of no payload is a frame.
 * 2. More bytes have to come: take nothing and return `reader.need(total)`, with the bytes that the frame needs from its
 *    first on, or `reader.need()` where that cannot be told. `reader.ended` says that none will come. What belongs to no
 *    frame, such as the rest of one that is too long, may be discarded before, with `reader.discard`.
 * 3. The frame cannot be accepted: throw a `FrameError`. Its message cannot: take the frame and throw a `MessageError`, to
 *    which is added where the frame began, unless it says so.
 *
 * `run` reports a step that breaks these rules as a defect: it would stand still, or lose bytes in silence.
 *
 * In return a step is not called again after a `FrameError`, and sees each byte in order, however it was chunked. What it
 * remembers between calls (how far it has searched) lives in the closure that `start` makes.
 *
 * ```text
 * IN   05 h e l l o 02 h i 03 a
 * OUT  hello | hi | need(4)
 * ```
 *
 * @since 0.1.0
 */
import type { ByteReader } from "./ByteReader.ts"
import { FrameError, MessageError, Truncated } from "./FramingError.ts"
import { mapStep } from "./internal/mapStep.ts"
import { type More, more } from "./internal/more.ts"

/**
 * One decoding step: a frame, or the wish for more bytes.
 *
 * It can have fast forms, which do what many steps would do with the frames that lie whole in one piece of bytes. They begin at
 * a frame's first byte, return the position behind the last frame they took, and leave to the step what is not whole, not
 * acceptable or not simple. They have no memory, and so the step must have none between two frames.
 *
 * @category models
 * @since 0.1.0
 */
export interface Step<out A> {
  (reader: ByteReader): A | More
  /** Appends at most `room` messages. */
  many?(bytes: Uint8Array, from: number, to: number, into: Array<A>, room: number): number
}

/**
 * A step that gives frames, which can have a fast form each for those who want no object a frame, and for those who want text.
 *
 * @category models
 * @since 0.1.0
 */
export interface FrameStep extends Step<Uint8Array> {
  /** Tells where each payload lies. */
  readonly visit?: ((bytes: Uint8Array, from: number, to: number, each: Visitor) => number) | undefined
  /** Appends at most `room` payloads as text; leaves what is not UTF-8. */
  readonly texts?:
    | ((bytes: Uint8Array, from: number, to: number, into: Array<string>, room: number) => number)
    | undefined
}

/**
 * Sees a payload where it lies: `bytes` from `start` to before `end`. They may be read until it returns.
 *
 * @category models
 * @since 0.1.0
 */
export type Visitor = (bytes: Uint8Array, start: number, end: number) => void

/**
 * An immutable description; `start` makes the state of one connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Decoder<out A> {
  readonly start: () => Step<A>
}

/**
 * A decoder from the function that makes its steps.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A>(start: () => Step<A>): Decoder<A> => ({ start })

/**
 * Gives frames a meaning. `f` gets the frame and where it began in the stream, and may throw a `MessageError`.
 *
 * @category combinators
 * @since 0.1.0
 */
export const map = <A, B>(self: Decoder<A>, f: (frame: A, offset: number) => B): Decoder<B> => ({
  start: () => mapStep(self.start(), f)
})

/**
 * Runs the step until the reader has no whole frame left and appends what it gives to `into`. Returns the failure that
 * came after, if one did. After a `MessageError` it can be called again, after a `FrameError` it must not be.
 *
 * A stream that ended inside a frame is a `FrameError` of the reason `Truncated`.
 *
 * **Limits**: stops after `atMost` more messages, by default never: what is in memory bounds it.
 *
 * @category running
 * @since 0.1.0
 */
export const run = <A>(
  step: Step<A>,
  reader: ByteReader,
  into: Array<A>,
  atMost = Number.POSITIVE_INFINITY
): FrameError | MessageError | undefined => {
  const first = into.length
  const full = first + atMost
  const error = loop(
    step,
    reader,
    step.many && ((bytes, from, to, room) => step.many!(bytes, from, to, into, Math.min(room, full - into.length))),
    () => into.length < full,
    (message) => into.push(message),
    // Only here is known how many frames were before it.
    () => reader.frames + into.length - first
  )
  reader.frames += into.length - first
  // It is a frame itself.
  if (error instanceof MessageError) reader.frames++
  return error
}

/**
 * Shows every whole frame in the reader to `each`, without an object for it where the framing can do so. Otherwise as `run`,
 * but that a `MessageError` says no frame's number.
 *
 * @category running
 * @since 0.1.0
 */
export const visit = (step: FrameStep, reader: ByteReader, each: Visitor): FrameError | MessageError | undefined => {
  const { visit } = step
  // To count them would cost each of them.
  reader.frames = Number.NaN
  return loop(
    step,
    reader,
    visit && ((bytes, from, to) => visit(bytes, from, to, each)),
    () => true,
    (frame) => each(frame, 0, frame.length),
    () => undefined
  )
}

/** At most `room` frames of a piece, from a frame's first byte: the position behind the last. */
type Fast = (bytes: Uint8Array, from: number, to: number, room: number) => number

const loop = <A>(
  step: Step<A>,
  reader: ByteReader,
  fast: Fast | undefined,
  isWanted: () => boolean,
  give: (message: A) => void,
  /** How many frames were before one that is refused. */
  number: () => number | undefined
): FrameError | MessageError | undefined => {
  let before = reader.length
  let discarded = reader.discarded
  /** Bytes of the piece in front that the fast form left. */
  let left = 0
  const front = fast && ((bytes: Uint8Array, from: number, to: number) => {
    const at = fast(bytes, from, to, reader.window)
    if (at > from) reader.window *= 2
    left = to - at
    return at
  })
  // The one place where what a step throws becomes a value.
  try {
    while (isWanted()) {
      // Where the step has asked for more, it remembers what it has seen, and the fast form would look at it again.
      if (front !== undefined && reader.offset !== reader.stalled) {
        reader.front(front)
        if (!isWanted()) break
      }
      before = reader.length
      discarded = reader.discarded
      const message = step(reader)
      if (message === more) {
        if (reader.length + reader.discarded !== before + discarded) {
          throw new Error("a decoder took bytes and asked for more")
        }
        reader.stalled = reader.offset
        if (!reader.ended || reader.length === 0) return undefined
        return new FrameError({
          reason: new Truncated({ have: reader.length, need: reader.needed === 0 ? undefined : reader.needed }),
          offset: reader.offset,
          head: reader.peek(16)
        })
      }
      const taken = before - reader.length
      if (taken === 0) throw new Error("a decoder returned a frame and took no byte for it")
      // The fast form could have taken it, and did not: what it looked at beyond was in vain.
      if (taken <= left) reader.window = 1
      left = 0
      give(message)
    }
    return undefined
  } catch (error) {
    if (error instanceof FrameError) return error
    if (!(error instanceof MessageError)) throw error
    if (reader.length === before) {
      throw new Error("a decoder refused a message and took no byte of it", { cause: error })
    }
    reader.window = 1
    const { direction, reason } = error
    const frame = number()
    return new MessageError({
      direction,
      reason,
      // What the step discarded on its way to the frame stands before it.
      offset: error.offset ?? reader.offset + reader.length - before + reader.discarded - discarded,
      ...(frame === undefined || Number.isNaN(frame) ? {} : { frame })
    })
  }
}
