// What a frame of 64 bytes costs to read and to write, in counts: bytes looked at and copied for each byte that comes or goes.
// A change that needs more of it says here that it does, and why it has to.
import { assert, describe, it } from "@effect/vitest"
import { Codec, Decoder, type FramingError } from "@framewire/framing"
import * as Framing from "@framewire/framing"
import * as Result from "effect/Result"
import { CountingReader } from "../src/testing/internal/CountingReader.ts"
import { work } from "./support.ts"

const text = new TextEncoder().encode("x".repeat(64))

// How often each byte is shown to the codec or given out by it.
const framings: Readonly<Record<string, readonly [framing: Codec.Framing, visits: number]>> = {
  u32be: [Framing.LengthPrefixed.u32be(), 1],
  varint: [Framing.Varint.make(), 1],
  "fixed length": [Framing.FixedLength.make({ size: 64 }), 1],
  netstring: [Framing.Netstring.make(), 1],
  lines: [Framing.Lines.make(), 1],
  // Searched for their ends, then taken.
  delimited: [Framing.Delimited.make({ delimiter: "\0" }), 2],
  slip: [Framing.Slip.make(), 2],
  cobs: [Framing.Cobs.make(), 2]
}

const frames = 1000

const read = (framing: Codec.Framing, bytes: Uint8Array, size: number) => {
  const reader = new CountingReader()
  const step = framing.decoder.start()
  let seen = 0
  let failed: FramingError.FrameError | FramingError.MessageError | undefined
  const { copied } = work(() => {
    for (let at = 0; at < bytes.length; at += size) {
      reader.push(bytes.subarray(at, at + size))
      const into: Array<Uint8Array> = []
      failed ??= Decoder.run(step, reader, into)
      seen += into.length
    }
  })
  assert.isUndefined(failed)
  assert.strictEqual(seen, frames)
  return { visits: reader.visits / bytes.length, copied: copied / bytes.length }
}

describe("a frame of 64 bytes", () => {
  for (const [name, [framing, visits]] of Object.entries(framings)) {
    it(`${name}: each byte is looked at ${visits} times, copied once to be written and, where chunks are small, to be read`, () => {
      const all = Array.from({ length: frames }, () => text)
      const encode = () => Result.getOrThrow(Codec.encodeAll(framing, all))
      // The writer comes to its size.
      encode()
      let out: ReadonlyArray<Uint8Array> = []
      const { copied } = work(() => {
        out = encode()
      })
      const bytes = Buffer.concat(out)
      assert.isAtLeast(copied, 0.9 * bytes.length)
      assert.isAtMost(copied, bytes.length)
      const whole = read(framing, bytes, bytes.length)
      assert.isAtMost(whole.visits, visits + 0.02)
      assert.strictEqual(whole.copied, 0)
      // A frame in 15 is cut, and begun again.
      const pieces = read(framing, bytes, 1000)
      assert.isAtMost(pieces.visits, visits + 0.08)
      assert.isAtMost(pieces.copied, 1.05)
    })
  }
})
