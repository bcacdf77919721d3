// Messages to bytes, by us and by others. Each gets a batch of messages and gives what is to be written to the sink.
import { Codec, LengthPrefixed, Lines } from "@framewire/framing"
import type * as Arr from "effect/Array"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Ndjson from "effect/encoding/Ndjson"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { encode as itEncode } from "it-length-prefixed"
import * as lengthPrefixedStream from "length-prefixed-stream"
import { once } from "node:events"
import { Message, uncheckedJson } from "./decoders.ts"
import type { Wire } from "./Material.ts"

export interface EncoderPeer {
  readonly wire: Wire
  readonly run: (
    batches: ReadonlyArray<ReadonlyArray<unknown>>,
    write: (bytes: Uint8Array) => void
  ) => void | Promise<void>
}

const perBatch = (wire: Wire, encode: (batch: ReadonlyArray<unknown>) => Iterable<Uint8Array>): EncoderPeer => ({
  wire,
  run: (batches, write) => {
    for (const batch of batches) for (const bytes of encode(batch)) write(bytes)
  }
})

const framesByHand = (batch: ReadonlyArray<unknown>): Iterable<Uint8Array> => {
  const frames = batch as ReadonlyArray<Uint8Array>
  let size = 0
  for (const frame of frames) size += 4 + frame.length
  const out = Buffer.allocUnsafe(size)
  let at = 0
  for (const frame of frames) {
    out.writeUInt32BE(frame.length, at)
    out.set(frame, at + 4)
    at += 4 + frame.length
  }
  return [out]
}

/** One that would be two, or that the other end would refuse, is not sent. */
const linesByHand = (batch: ReadonlyArray<unknown>): Iterable<Uint8Array> => {
  const lines = batch as ReadonlyArray<string>
  for (const line of lines) {
    if (line.length > 1_048_576 || line.includes("\n") || line.endsWith("\r")) throw new Error("no line")
  }
  const text = `${lines.join("\n")}\n`
  if (/\p{Surrogate}/u.test(text)) throw new Error("no UTF-8")
  return [Buffer.from(text)]
}

const toJson = Schema.encodeUnknownSync(Schema.toCodecJson(Message))

const framewire = <A>(codec: Codec.Codec<A>, wire: Wire) =>
  perBatch(wire, (batch) => Result.getOrThrow(Codec.encodeAll(codec, batch as ReadonlyArray<A>)))

// It speaks varints unless told otherwise.
const lengthEncoder = Object.assign((size: number) => {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, size)
  return bytes
}, { bytes: 4 })

const throughStream: EncoderPeer = {
  wire: "varint",
  run: async (batches, write) => {
    const encoder = lengthPrefixedStream.encode()
    encoder.on("data", write)
    for (const batch of batches) {
      let full = false
      for (const frame of batch) full = !encoder.write(frame)
      if (full) await once(encoder, "drain")
    }
    encoder.end()
    await once(encoder, "end")
  }
}

const ndjson = (
  encode: () => Channel.Channel<
    Arr.NonEmptyReadonlyArray<Uint8Array>,
    unknown,
    unknown,
    Arr.NonEmptyReadonlyArray<never>,
    never,
    void
  >
): EncoderPeer => ({
  wire: "lf",
  run: (batches, write) => {
    const messages = Stream.fromArrays(...batches as ReadonlyArray<ReadonlyArray<never>>)
    const bytes = Stream.fromChannel(Channel.pipeTo(Stream.toChannel(messages), encode()))
    return Effect.runPromise(Stream.runForEachArray(bytes, (chunks) => Effect.sync(() => chunks.forEach(write))))
  }
})

export const encoders: Readonly<Record<string, Readonly<Record<string, EncoderPeer>>>> = {
  frames: {
    "by hand": perBatch("u32be", framesByHand),
    framewire: framewire(LengthPrefixed.u32be(), "u32be"),
    "it-length-prefixed": perBatch("u32be", (batch) => itEncode(batch as ReadonlyArray<Uint8Array>, { lengthEncoder })),
    "length-prefixed-stream": throughStream
  },
  lines: {
    join: perBatch("lf", (batch) => [Buffer.from(`${batch.join("\n")}\n`)]),
    "check and join": perBatch("lf", linesByHand),
    framewire: framewire(Codec.text(Lines.make()), "lf")
  },
  json: {
    "stringify and join": perBatch(
      "lf",
      (batch) => [Buffer.from(batch.map((it) => `${JSON.stringify(it)}\n`).join(""))]
    ),
    "schema, stringify and join": perBatch(
      "lf",
      (batch) => [Buffer.from(batch.map((it) => `${JSON.stringify(toJson(it))}\n`).join(""))]
    ),
    framewire: framewire(Codec.json(Message)(Lines.make()), "lf"),
    "framewire unchecked": framewire(uncheckedJson, "lf"),
    "effect Ndjson": ndjson(() => Ndjson.encodeSchema(Message)()),
    "effect Ndjson unchecked": ndjson(() => Ndjson.encode())
  }
}
