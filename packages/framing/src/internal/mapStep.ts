/** Steps that give frames a meaning. */
import type * as Decoder from "../Decoder.ts"
import { more } from "./more.ts"

/** The step, and of each frame what `f` makes of it and of where it began in the stream. */
export const mapStep =
  <A, B>(step: Decoder.Step<A>, f: (frame: A, offset: number) => B): Decoder.Step<B> => (reader) => {
    // What a step discards on its way to a frame stands before it.
    const before = reader.offset - reader.discarded
    const frame = step(reader)
    return frame === more ? more : f(frame, before + reader.discarded)
  }

/** The step and its fast form, where it has one, by an `f` that need not know where a frame began. */
export const mapSteps = <A, B>(inner: Decoder.Step<A>, f: (frame: A) => B): Decoder.Step<B> => {
  const step: Decoder.Step<B> = (reader) => {
    const frame = inner(reader)
    return frame === more ? more : f(frame)
  }
  return inner.many === undefined ? step : Object.assign(step, {
    many: (bytes: Uint8Array, from: number, to: number, into: Array<B>, room: number): number => {
      const frames: Array<A> = []
      const end = inner.many!(bytes, from, to, frames, room)
      let good = 0
      try {
        for (; good < frames.length; good++) into.push(f(frames[good]!))
        return end
      } catch {
        // The step meets it again, and tells what it is.
        return inner.many!(bytes, from, to, [], good)
      }
    }
  })
}
