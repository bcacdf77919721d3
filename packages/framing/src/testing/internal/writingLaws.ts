// What an encoder and its decoder keep together.
import * as ByteWriter from "../../ByteWriter.ts"
import { MessageError } from "../../FramingError.ts"
import { concat, cuttings } from "./bytes.ts"
import { fail, type Subject } from "./subject.ts"
import { decode, show, trial } from "./trial.ts"

// Pairs of messages that are tried, of all there are.
const pairs = 1000

export const writingLaws = <In, Out>(it: Subject<In, Out>): Record<string, (law: string) => void> => ({
  "a message is read back as it was, or refused with a MessageError": (law) => {
    for (const message of it.messages) {
      const frame = it.write(message)
      if (frame === undefined) refuses(law, it, message)
      else it.reads(law, decode(it.codec, [frame.bytes]), [message], show(frame.bytes))
    }
    const all = it.frames(law)
    it.reads(law, decode(it.codec, all.map(({ bytes }) => bytes)), all.map(({ message }) => message), "all of them")
  },

  "one message in is exactly one frame out, complete with its last byte": (law) => {
    const next = it.random()
    const all = it.frames(law)
    for (let turn = 0; turn < pairs; turn++) {
      const [first, second] = [all[turn % all.length]!, all[next(all.length)]!]
      const where = `${show(first.bytes)} and then ${show(second.bytes)}`
      const apart = trial(it.codec)
      apart.feed(first.bytes)
      it.reads(law, apart.events, [first.message], `${where}, before the second has come`)
      if (apart.reader.length > 0) fail(law, `${where}: ${apart.reader.length} bytes of the first are left`)
      apart.feed(second.bytes)
      it.reads(law, apart.events, [first.message, second.message], where)
      it.reads(law, decode(it.codec, [concat([first.bytes, second.bytes])]), [first.message, second.message], where)
    }
  },

  "the limit is inclusive": (law) => {
    const { codec, ofSize } = it
    if (ofSize === undefined) return
    for (const size of [Math.max(0, codec.limit - 1), codec.limit]) {
      const frame = it.frameOf(size)
      if (frame === undefined) continue
      const { bytes, message } = frame
      const where = `${size} bytes, where ${codec.limit} are allowed`
      it.reads(law, decode(codec, [bytes]), [message], where)
      const places = [1, 2, bytes.length >> 1, bytes.length - 2, bytes.length - 1]
      for (const at of places.filter((place) => place > 0 && place < bytes.length)) {
        it.reads(law, decode(codec, [bytes.slice(0, at), bytes.slice(at)]), [message], `${where}, cut at ${at}`)
      }
    }
    if (it.frameOf(codec.limit + 1) !== undefined) {
      fail(law, `${codec.limit + 1} bytes are written, where ${codec.limit} are allowed`)
    }
  },

  "frames without payload are frames": (law) => {
    const empty = it.frameOf(0)
    if (empty === undefined) return
    const frames = it.frames(law).slice(0, 3).flatMap((frame) => [empty, empty, frame, empty])
    for (const chunks of cuttings(concat(frames.map(({ bytes }) => bytes)), it.random())) {
      it.reads(law, decode(it.codec, chunks), frames.map(({ message }) => message), "empty frames between others")
    }
  }
})

const refuses = <In, Out>(law: string, it: Subject<In, Out>, message: Out): void => {
  try {
    it.codec.encode(message, ByteWriter.make())
  } catch (error) {
    if (error instanceof MessageError && error.direction === "encode") return
    fail(law, `${show(message)} is refused with ${String(error)}`)
  }
  fail(law, `${show(message)} is refused the first time only`)
}
