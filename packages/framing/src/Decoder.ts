/**
 * From bytes to frames or messages, one at a time and without I/O.
 *
 * **Contract** of a step, which is called with the bytes that wait:
 *
 * 1. A whole frame is there: take its bytes from the reader and return it. A frame of no payload is a frame.
 * 2. More bytes have to come: take nothing and return `reader.need(total)`, with the bytes that the frame needs from its
 *    first on, or `reader.need()` where that cannot be told. `reader.ended` says that none will come. What belongs to no
 *    frame, such as the rest of one that is too long, may be discarded before, with `reader.discard`.
 * 3. The frame cannot be accepted: throw a `FrameError`. Its message cannot: take the frame and throw a `MessageError`.
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
import { type More, more } from "./internal/more.ts"

/**
 * One decoding step: a frame, or the wish for more bytes.
 *
 * @category models
 * @since 0.1.0
 */
export type Step<out A> = (reader: ByteReader) => A | More

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
  start: () => {
    const step = self.start()
    return (reader) => {
      // What a step discards on its way to a frame stands before it.
      const before = reader.offset - reader.discarded
      const frame = step(reader)
      return frame === more ? more : f(frame, before + reader.discarded)
    }
  }
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
  let before = reader.length
  let discarded = reader.discarded
  // The one place where what a step throws becomes a value.
  try {
    while (into.length < full) {
      before = reader.length
      discarded = reader.discarded
      const message = step(reader)
      if (message === more) {
        if (reader.length + reader.discarded !== before + discarded) {
          throw new Error("a decoder took bytes and asked for more")
        }
        if (!reader.ended || reader.length === 0) return undefined
        return new FrameError({
          reason: new Truncated({ have: reader.length, need: reader.needed === 0 ? undefined : reader.needed }),
          offset: reader.offset,
          head: reader.peek(16)
        })
      }
      if (reader.length === before) throw new Error("a decoder returned a frame and took no byte for it")
      into.push(message)
    }
    return undefined
  } catch (error) {
    if (error instanceof FrameError) return error
    if (!(error instanceof MessageError)) throw error
    if (reader.length === before) {
      throw new Error("a decoder refused a message and took no byte of it", { cause: error })
    }
    // Only here is known how many frames were before it. It is one itself.
    const frame = reader.frames + into.length - first
    reader.frames++
    const { direction, offset, reason } = error
    return new MessageError({ direction, reason, frame, ...(offset === undefined ? {} : { offset }) })
  } finally {
    reader.frames += into.length - first
  }
}
