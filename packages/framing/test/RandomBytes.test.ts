import { assert, describe, it } from "@effect/vitest"
import {
  ByteReader,
  Checked,
  Cobs,
  Codec,
  Decoder,
  FramingError,
  FramingSpec,
  LengthPrefixed,
  MySqlPacket,
  Preset,
  ProxyHeader,
  Resp,
  Slip,
  SunRpcRecord,
  Tpkt
} from "@framewire/framing"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { atRandom, random } from "./support.ts"

const size = 200_000

/** Bytes of all values, or of those that the framings look at. */
const noise = (seed: number, from?: ReadonlyArray<number>): Uint8Array => {
  const next = random(seed)
  return Uint8Array.from({ length: size }, () => from === undefined ? next(256) : from[next(from.length)]!)
}

/** Runs the decoder, a new one after each FrameError. Anything else that it throws is a defect, and fails the test. */
const survive = (codec: Codec.Codec<unknown, never>, chunks: ReadonlyArray<Uint8Array>) => {
  const reader = ByteReader.make()
  const count = { messages: 0, frameErrors: 0, messageErrors: 0 }
  let step = codec.decoder.start()
  // Where the bytes of the next connection begin.
  let next = 0
  const run = () => {
    for (;;) {
      reader.skip(Math.min(Math.max(0, next - reader.offset), reader.length))
      if (reader.offset < next) return
      const messages: Array<unknown> = []
      const before = reader.offset
      const error = Decoder.run(step, reader, messages)
      count.messages += messages.length
      if (error === undefined) return
      assert.isTrue(error.offset! >= before && error.offset! <= reader.offset)
      assert.isNotEmpty(error.message)
      if (error instanceof FramingError.MessageError) {
        count.messageErrors++
        continue
      }
      count.frameErrors++
      assert.strictEqual(error.offset, reader.offset, "a frame error takes nothing")
      next = error.offset + 1 + error.offset % 499
      step = codec.decoder.start()
    }
  }
  for (const chunk of chunks) {
    reader.push(chunk)
    run()
  }
  reader.end()
  run()
  assert.strictEqual(reader.length, 0)
  assert.strictEqual(reader.offset, size)
  return count
}

const specs = [
  ...FramingSpec.names.filter((name) => name !== "length"),
  "lines:crlf",
  "lines:crlf,strict",
  "lines:strict",
  "lines:limit=0",
  "lines:crlf,strict,limit=3",
  "u8:limit=0",
  "u16le:limit=100",
  "u24be:limit=1000",
  "u32be:limit=4294967295"
]

describe("Random bytes end in frames, more, or a FrameError", () => {
  const inputs = {
    "any bytes": noise(1),
    "line ends": noise(2, [10, 13, 97]),
    "short lengths": noise(3, [0, 0, 0, 1, 9])
  }
  for (const spec of specs) {
    for (const [name, input] of Object.entries(inputs)) {
      it(`${spec}, ${name}`, () => {
        const { framing } = Result.getOrThrow(FramingSpec.parse(spec))
        const whole = survive(framing, [input])
        assert.deepStrictEqual(survive(framing, atRandom(input, 300, random(4))), whole)
      })
    }
  }

  const codecs: Readonly<Record<string, Codec.Codec<unknown, never>>> = {
    Slip: Slip.make({ limit: 50 }),
    Cobs: Cobs.make({ limit: 50 }),
    Checked: Checked.make(LengthPrefixed.u16be(), {
      checksum: { width: 1, endian: "be", of: (bytes) => bytes.length }
    }),
    Tpkt: Tpkt.make(),
    SunRpcRecord: SunRpcRecord.make({ limit: 500 }),
    ProxyHeader: ProxyHeader.make(),
    MySqlPacket: MySqlPacket.make({ limit: 500 }),
    Resp: Resp.make({ limit: 500, items: 20 }),
    "Resp inline": Resp.make({ inline: true, limit: 500, items: 20 }),
    "Preset.amqp": Preset.amqp({ limit: 500 }),
    "Preset.fix": Preset.fix({ begin: "FIX.4.2" }),
    "Preset.mllp": Preset.mllp({ limit: 50 }),
    "Preset.mqtt": Preset.mqtt({ limit: 500 }),
    "Preset.smpp": Preset.smpp({ limit: 500 })
  }
  const special = {
    "escapes and marks": noise(5, [0xc0, 0xdb, 0xdc, 0xdd, 0, 0, 1, 2, 3, 0x0b, 0x1c, 0x0d, 0x80, 0xce, 0xff]),
    "types and digits": noise(6, Array.from("*$+-:_#,(!=~>%|;.?0123\r\n\r\n\r\n ", (of) => of.charCodeAt(0)))
  }
  for (const [name, codec] of Object.entries(codecs)) {
    for (const [kind, input] of Object.entries({ ...inputs, ...special })) {
      it(`${name}, ${kind}`, () => {
        assert.deepStrictEqual(survive(codec, atRandom(input, 300, random(4))), survive(codec, [input]))
      })
    }
  }

  for (
    const [name, meaning] of [
      ["text", Codec.text],
      ["JSON", Codec.json(Schema.Struct({ a: Schema.Array(Schema.Number) }))]
    ] as const
  ) {
    it(`${name}: a bad message is a MessageError`, () => {
      const { framing } = Result.getOrThrow(FramingSpec.parse("lines"))
      const counts = survive(meaning(framing), [inputs["any bytes"]])
      assert.isAbove(counts.messageErrors, 100)
      assert.strictEqual(counts.frameErrors, 0)
    })
  }
})
