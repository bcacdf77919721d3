// What a line of 16 MiB costs that does not end, beside one of 1 MiB: bytes looked at, and bytes copied, for each of it.
import { assert, describe, it } from "@effect/vitest"
import { Cobs, type Codec, Decoder, Delimited, JsonSequence, Lines, Slip } from "@framewire/framing"
import { CountingReader } from "../src/testing/internal/CountingReader.ts"
import { work } from "./support.ts"

const mebibyte = 1_048_576
const limit = 16 * mebibyte

const cost = (framing: Codec.Framing, size: number, chunk: number): number => {
  const reader = new CountingReader()
  const step = framing.decoder.start()
  const { copied } = work(() => {
    for (let at = 0; at < size; at += chunk) {
      reader.push(new Uint8Array(chunk).fill(0x61))
      assert.isUndefined(Decoder.run(step, reader, []))
    }
    reader.end()
    Decoder.run(step, reader, [])
  })
  return (reader.visits + copied) / size
}

const framings: Record<string, Codec.Framing> = {
  lines: Lines.make({ limit }),
  "strict crlf lines": Lines.make({ limit, ending: "crlf", strict: true }),
  "lines, too long ones are skipped": Lines.make({ limit: mebibyte / 2, onTooLong: "skip" }),
  delimited: Delimited.make({ delimiter: ["\r\n", "\0"], limit, allowTruncated: true }),
  "json sequence": JsonSequence.framing({ limit }),
  slip: Slip.make({ limit }),
  cobs: Cobs.make({ limit })
}

describe("16 MiB without an end", () => {
  for (const [name, framing] of Object.entries(framings)) {
    for (const chunk of [1024, 65_536]) {
      it(`${name}, in chunks of ${chunk}: no byte of it costs more than one of 1 MiB`, () => {
        const [short, long] = [cost(framing, mebibyte, chunk), cost(framing, 16 * mebibyte, chunk)]
        assert.isAtLeast(short, 0.9)
        assert.isAtMost(long, 1.1 * short, `${short} a byte of 1 MiB`)
      })
    }
  }
})
