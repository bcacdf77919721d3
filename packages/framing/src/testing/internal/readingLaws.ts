// What a decoder keeps, whatever the bytes are.
import * as ByteReader from "../../ByteReader.ts"
import * as Decoder from "../../Decoder.ts"
import { FrameError } from "../../FramingError.ts"
import { atRandom, concat, cuttings, fillers } from "./bytes.ts"
import { fail, type Subject } from "./subject.ts"
import { decode, difference, type Event, show, showEvent, trial } from "./trial.ts"

// A stream of this length and its cuts are quick to read.
const short = 512

// How many frames are cut at every byte.
const tried = 64

// Up to here a frame is tried that is as large as the limit allows.
const largest = 1024

// More random bytes than these are read in several rounds, because all that comes of a round is kept.
const perRound = 200_000

export const readingLaws = <In, Out>(it: Subject<In, Out>): Record<string, (law: string) => void> => ({
  "the same bytes give the same, however they were cut": (law) => {
    const next = it.random()
    const frames = it.frames(law)
    const streams: Array<Uint8Array> = [concat(frames.map(({ bytes }) => bytes)), ...it.streams ?? []]
    // What lies near valid bytes goes farther into a decoder than noise does.
    for (let turn = 0; turn < 60; turn++) {
      const some = concat(Array.from({ length: 1 + next(6) }, () => frames[next(frames.length)]!.bytes.slice(0, short)))
      streams.push(some.slice(0, some.length - turn % 3))
      if (some.length > 0) some[next(some.length)] = next(256)
      streams.push(some)
    }
    streams.push(...atLimit(it))
    for (const stream of streams) {
      const whole = decode(it.codec, [stream.slice()])
      for (const chunks of cuttings(stream, next)) {
        const differs = difference(decode(it.codec, chunks), whole)
        if (differs !== undefined) {
          const sizes = chunks.length > 12 ? `${chunks.length} chunks` : chunks.map(({ length }) => length).join(" + ")
          fail(law, `${show(stream)} as ${sizes}: ${differs}, as when whole`)
        }
      }
    }
  },

  "a stream that ends inside a frame says so, at every byte": (law) => {
    let frames = it.frames(law)
    // Enough to see every kind of frame end, and the last one after others.
    if (frames.length > tried) frames = frames.filter((_, index) => index % Math.ceil(frames.length / tried) === 0)
    const large = it.frameOf(Math.min(it.codec.limit, 300))
    for (const frame of large === undefined ? frames : [...frames, large]) {
      const before = frames[0]!
      for (let have = 0; have <= frame.bytes.length; have++) {
        const read = trial(it.codec)
        const where = `${have} of the ${frame.bytes.length} bytes of a frame`
        read.feed(before.bytes)
        const earlier = read.reader.discarded
        read.feed(frame.bytes.slice(0, have))
        const waits = have - (read.reader.discarded - earlier)
        if (have === frame.bytes.length) {
          it.reads(law, read.events, [before.message, frame.message], where)
          read.feed("end")
          it.reads(law, read.events, [before.message, frame.message], `${where}, and the end`)
          continue
        }
        it.reads(law, read.events.slice(0, 1), [before.message], where)
        if (read.events.length === 1) read.feed("end")
        if (have === 0) it.reads(law, read.events, [before.message], "the end between frames")
        else if (waits > 0) expectEnd(law, where, it.tail, read.events[1], { have: waits, whole: frame.bytes.length })
        // What was discarded belongs to no frame: this one is there without it.
        else it.reads(law, decode(it.codec, [frame.bytes.slice(have)]), [frame.message], `${where} are discarded`)
      }
    }
  },

  "any bytes end in frames, more, or a typed error": (law) => {
    const next = it.random()
    const { noise = perRound } = it
    const frames = it.frames(law)
    const wire = concat([...frames.map(({ bytes }) => bytes.subarray(0, 64)), ...it.streams ?? []])
    for (let left = noise; left > 0; left -= perRound) {
      const size = Math.ceil(Math.min(left, perRound) / 3)
      const anything = Uint8Array.from({ length: size }, () => next(256))
      const letters = Uint8Array.from({ length: size }, () => wire[next(wire.length)] ?? 0)
      const nearly = Uint8Array.from(
        { length: size },
        (_, index) => next(40) === 0 ? next(256) : wire[index % wire.length] ?? 0
      )
      for (const [name, bytes] of Object.entries({ anything, letters, nearly })) {
        const whole = survive(law, it, bytes, [bytes.slice()])
        const differs = difference(survive(law, it, bytes, atRandom(bytes, 300, next)), whole)
        if (differs !== undefined) fail(law, `${size} random bytes (${name}) in pieces: ${differs}, as when whole`)
      }
    }
  }
})

/** A frame as large as is allowed, and the same with one byte more near its end. */
const atLimit = <In, Out>(it: Subject<In, Out>): ReadonlyArray<Uint8Array> => {
  const bytes = it.codec.limit > largest ? undefined : it.frameOf(it.codec.limit)?.bytes
  if (bytes === undefined) return []
  const more = fillers.flatMap((filler) =>
    [bytes.length - 2, bytes.length - 1, bytes.length].filter((at) => at >= 0).map((at) =>
      concat([bytes.slice(0, at), Uint8Array.of(filler), bytes.slice(at)])
    )
  )
  return [bytes, ...more]
}

interface End {
  readonly have: number
  readonly whole: number
}

const expectEnd = (
  law: string,
  where: string,
  tail: "refused" | "frame" = "refused",
  event: Event<unknown> | undefined,
  { have, whole }: End
): void => {
  if (event === undefined) fail(law, `${where}, and the end: silence`)
  else if (tail === "refused" && "message" in event) fail(law, `${where}, and the end: ${showEvent(event)}`)
  else if ("failure" in event && event.failure.reason._tag === "Truncated") {
    const { have: says, need } = event.failure.reason
    if (says !== have) fail(law, `${where}: it says that ${says} had come`)
    if (need !== undefined && (need <= have || need > whole)) fail(law, `${where}: it says that ${need} were needed`)
  }
}

/** Runs a new decoder on a new connection after each `FrameError`, a bit farther in the bytes. */
const survive = <In, Out>(
  law: string,
  it: Subject<In, Out>,
  bytes: Uint8Array,
  chunks: ReadonlyArray<Uint8Array>
): Array<Event<In>> => {
  const bound = it.codec.limit + (it.header ?? 16)
  const events: Array<Event<In>> = []
  // How many of the bytes have come, and with which of them the connection begins.
  let come = 0
  let from = 0
  let reader = ByteReader.make()
  let step = it.codec.decoder.start()
  // Where what came out last began and ended, and what had been discarded by then. What comes out next cannot begin before:
  // it may be what became of the rest of a frame that was cut.
  let begin = 0
  let end = 0
  let discarded = 0
  const connect = (ended: boolean) => {
    reader = ByteReader.make()
    reader.push(bytes.subarray(from, come))
    if (ended) reader.end()
    step = it.codec.decoder.start()
    begin = end = discarded = 0
  }
  const run = () => {
    for (;;) {
      const messages: Array<In> = []
      const before = reader.offset
      const failure = Decoder.run(step, reader, messages, 1)
      for (const message of messages) events.push({ message })
      if (failure === undefined && messages.length === 0) return
      if (failure !== undefined) events.push({ failure })
      const offset = failure === undefined ? before : failure.offset ?? -1
      const taken = reader.offset - Math.max(offset, end) - (reader.discarded - discarded)
      if (offset < begin || offset > reader.offset) {
        fail(
          law,
          `${showEvent(events.at(-1))}: its frame begins at byte ${begin} to ${reader.offset}, which reader.offset says`
        )
      }
      if (failure instanceof FrameError && taken > 0) {
        fail(law, `${showEvent(events.at(-1))}: ${taken} bytes of it are taken`)
      }
      begin = before
      end = reader.offset
      discarded = reader.discarded
      if (!(failure instanceof FrameError)) continue
      from += offset + 1 + (from + offset) % 499
      connect(reader.ended)
    }
  }
  for (const chunk of chunks) {
    // The connection may begin with bytes that have not come.
    reader.push(chunk.subarray(Math.min(chunk.length, Math.max(0, from - come))))
    come += chunk.length
    run()
    if (reader.length > bound) fail(law, `${reader.length} bytes wait for more, where ${bound} are allowed`)
  }
  reader.end()
  run()
  if (reader.length > 0) fail(law, `${reader.length} bytes are left at the end`)
  return events
}
