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
