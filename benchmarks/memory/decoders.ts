// Bytes to frames, by us and by others. Each gets the chunks of a whole stream and gives its frames to the sink.
import { ByteReader, Codec, Decoder, LengthPrefixed, Lines } from "@framewire/framing"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Ndjson from "effect/encoding/Ndjson"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { decode as itDecode } from "it-length-prefixed"
import * as lengthPrefixedStream from "length-prefixed-stream"
import { createInterface } from "node:readline"
import { type Duplex, Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import split2 from "split2"
import type { Wire } from "./Material.ts"

export interface Sink {
  readonly frame: (frame: unknown) => void
  readonly batch: (frames: ReadonlyArray<unknown>) => void
  /** A frame that nobody made an object of. */
  readonly view: (chunk: Uint8Array, start: number, end: number) => void
}

export interface DecoderPeer {
  readonly wire: Wire
  readonly run: (chunks: ReadonlyArray<Buffer>, sink: Sink) => void | Promise<void>
}

const empty = new Uint8Array(0)

const joined = (a: Uint8Array, b: Uint8Array): Uint8Array => {
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}

const u32 = (bytes: Uint8Array, at: number) =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0

/** The loop by hand: only a frame that lies in two chunks is copied. `whole` is called for every other one. */
const byHand = (
  chunks: ReadonlyArray<Buffer>,
  whole: (chunk: Uint8Array, start: number, end: number) => void,
  copied: (frame: Uint8Array) => void,
  chunkDone: () => void
) => {
  let pending: Uint8Array = empty
  for (const buffer of chunks) {
    const chunk = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
    let at = 0
    while (pending.length > 0 && at < chunk.length) {
      const need = pending.length < 4 ? 4 : 4 + u32(pending, 0)
      const end = Math.min(chunk.length, at + need - pending.length)
      pending = joined(pending, chunk.subarray(at, end))
      at = end
      if (pending.length < 4 || pending.length < 4 + u32(pending, 0)) continue
      copied(pending.subarray(4))
      pending = empty
    }
    while (chunk.length - at >= 4) {
      const end = at + 4 + u32(chunk, at)
      if (end > chunk.length) break
      whole(chunk, at + 4, end)
      at = end
    }
    if (at < chunk.length) pending = chunk.subarray(at)
    chunkDone()
  }
}

const subarray: DecoderPeer = {
  wire: "u32be",
  run: (chunks, sink) => {
    let frames: Array<Uint8Array> = []
    byHand(
      chunks,
      (chunk, start, end) => frames.push(chunk.subarray(start, end)),
      (frame) => frames.push(frame),
      () => {
        sink.batch(frames)
        frames = []
      }
    )
  }
}

const visitor: DecoderPeer = {
  wire: "u32be",
  run: (chunks, sink) => byHand(chunks, sink.view, (frame) => sink.view(frame, 0, frame.length), () => {})
}

const framewireVisitor: DecoderPeer = {
  wire: "u32be",
  run: (chunks, sink) => {
    const reader = ByteReader.make()
    const step = LengthPrefixed.u32be().decoder.start()
    for (const chunk of chunks) {
      reader.push(chunk)
      const error = Decoder.visit(step, reader, sink.view)
      if (error !== undefined) throw error
    }
  }
}

const framewire = <A>(codec: Codec.Codec<A>, wire: Wire): DecoderPeer => ({
  wire,
  run: (chunks, sink) => {
    const reader = ByteReader.make()
    const step = codec.decoder.start()
    for (const chunk of chunks) {
      reader.push(chunk)
      const frames: Array<A> = []
      const error = Decoder.run(step, reader, frames)
      if (error !== undefined) throw error
      sink.batch(frames)
    }
  }
})

// It speaks varints unless told otherwise.
const lengthDecoder = Object.assign((data: { getUint32(at: number): number }) => data.getUint32(0), { bytes: 4 })

const itLengthPrefixed: DecoderPeer = {
  wire: "u32be",
  run: (chunks, sink) => {
    for (const frame of itDecode(chunks, { lengthDecoder })) sink.frame(frame.subarray())
  }
}

const throughStream = (wire: Wire, make: () => Duplex): DecoderPeer => ({
  wire,
  run: (chunks, sink) => {
    const decoder = make()
    decoder.on("data", sink.frame)
    return pipeline(Readable.from(chunks), decoder)
  }
})

const readline: DecoderPeer = {
  wire: "lf",
  run: (chunks, sink) =>
    new Promise((resolve) => {
      createInterface({ input: Readable.from(chunks) }).on("line", sink.frame).on("close", resolve)
    })
}

/** Text of whole chunks, split: the fastest that JavaScript has, without limits. `each` turns lines into messages. */
const split = (each: (lines: Array<string>) => ReadonlyArray<unknown>): DecoderPeer => ({
  wire: "lf",
  run: (chunks, sink) => {
    const decoder = new TextDecoder("utf-8", { fatal: true })
    let rest = ""
    for (const chunk of chunks) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n")
      rest = lines.pop()!
      sink.batch(each(lines))
    }
  }
})

// One chunk a pull, as a socket gives them.
const streamOf = (chunks: ReadonlyArray<Buffer>): Stream.Stream<Uint8Array> =>
  Stream.fromIterable(chunks, { chunkSize: 1 })

const effect = <E>(decode: (stream: Stream.Stream<Uint8Array>) => Stream.Stream<unknown, E>): DecoderPeer => ({
  wire: "lf",
  run: (chunks, sink) =>
    Effect.runPromise(
      Stream.runForEachArray(decode(streamOf(chunks)), (frames) => Effect.sync(() => sink.batch(frames)))
    )
})

export const Message = Schema.Struct({ id: Schema.Finite, name: Schema.String, ok: Schema.Boolean })

export const uncheckedJson = Codec.transform(
  Codec.text(Lines.make()),
  (line): unknown => JSON.parse(line),
  (value: unknown) => JSON.stringify(value)
)

const fromJson = Schema.decodeUnknownSync(Schema.toCodecJson(Message))

const splitAndParse = split((lines) => lines.map((line): unknown => JSON.parse(line)))

const uncheckedNdjson = effect((stream) =>
  Stream.fromChannel(Channel.pipeTo(Stream.toChannel(stream), Ndjson.decode()))
)

export const decoders: Readonly<Record<string, Readonly<Record<string, DecoderPeer>>>> = {
  frames: {
    subarray,
    visitor,
    framewire: framewire(LengthPrefixed.u32be(), "u32be"),
    "framewire visit": framewireVisitor,
    "it-length-prefixed": itLengthPrefixed,
    "length-prefixed-stream": throughStream("varint", lengthPrefixedStream.decode)
  },
  lines: {
    "decode and split": split((lines) => lines),
    framewire: framewire(Codec.text(Lines.make()), "lf"),
    "node:readline": readline,
    split2: throughStream("lf", split2),
    "effect splitLines": effect((stream) => Stream.splitLines(Stream.decodeText(stream)))
  },
  strings: {
    "split and parse": splitAndParse,
    framewire: framewire(Codec.json(Schema.String)(Lines.make()), "lf"),
    "effect Ndjson": effect((stream) => Stream.pipeThroughChannelOrFail(stream, Ndjson.decodeSchema(Schema.String)())),
    "effect Ndjson unchecked": uncheckedNdjson
  },
  json: {
    "split and parse": splitAndParse,
    "split, parse and schema": split((lines) => lines.map((line): unknown => fromJson(JSON.parse(line)))),
    framewire: framewire(Codec.json(Message)(Lines.make()), "lf"),
    "framewire unchecked": framewire(uncheckedJson, "lf"),
    "effect Ndjson": effect((stream) => Stream.pipeThroughChannelOrFail(stream, Ndjson.decodeSchema(Message)())),
    "effect Ndjson unchecked": uncheckedNdjson
  }
}
