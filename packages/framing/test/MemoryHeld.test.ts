import { assert, describe, it } from "@effect/vitest"
import {
  ByteReader,
  Checked,
  Cobs,
  type Codec,
  ContentLength,
  Decoder,
  Delimited,
  FixedLength,
  FramingError,
  JsonSequence,
  LengthPrefixed,
  Lines,
  Netstring,
  OctetCounted,
  Preset,
  Slip,
  SunRpcRecord,
  Tpkt,
  Varint
} from "@framewire/framing"
import { atRandom, failureOf, inChunks, random, show } from "./support.ts"

const limit = 40

/** Each framing, and how many bytes it may keep beside the limit: its header, and what may turn out to be an ending. */
const framings: Readonly<Record<string, readonly [framing: Codec.Framing, beside: number]>> = {
  "lines": [Lines.make({ limit }), 1],
  "lines, skip": [Lines.make({ limit, onTooLong: "skip" }), 1],
  "lines, truncate": [Lines.make({ limit, onTooLong: "truncate" }), 1],
  "strict crlf lines, skip": [Lines.make({ limit, ending: "crlf", strict: true, onTooLong: "skip" }), 1],
  "delimited": [Delimited.make({ delimiter: ["\r\n", ",,,"], limit }), 2],
  "delimited, skip": [Delimited.make({ delimiter: ["\r\n", "\n"], limit, onTooLong: "skip" }), 1],
  "delimited, truncate": [Delimited.make({ delimiter: "\n\n", limit, onTooLong: "truncate", allowTruncated: true }), 1],
  "delimited, kept": [Delimited.make({ delimiter: "\n\r\n", limit, keep: true, onTooLong: "skip" }), 2],
  "length of 8 bytes": [LengthPrefixed.make({ width: 8, endian: "le", limit }), 8],
  "length that counts the frame": [
    LengthPrefixed.make({ width: 2, offset: 1, counts: "frame", strip: false, limit }),
    3
  ],
  "length, skip": [LengthPrefixed.make({ width: 1, limit, onTooLong: "skip" }), 1],
  "length with an adjustment, skip": [LengthPrefixed.make({ width: 1, counts: -9, limit, onTooLong: "skip" }), 1],
  "length from a header": [
    LengthPrefixed.fromHeader({ header: 3, sizeOf: (header) => header[0]! ^ header[2]!, limit, onTooLong: "skip" }),
    3
  ],
  "varint": [Varint.make({ limit }), 10],
  "minimal varint": [Varint.make({ limit, minimal: true }), 10],
  "fixed length": [FixedLength.make({ size: limit }), 0],
  "netstring": [Netstring.make({ limit }), 17],
  "octet counted": [OctetCounted.make({ limit }), 16],
  "content length": [ContentLength.make({ limit }), 4096],
  "json sequence": [JsonSequence.framing({ limit }), 1],
  "json sequence, skip": [JsonSequence.framing({ limit, onTooLong: "skip" }), 1],
  // Every byte may be escaped.
  "slip": [Slip.make({ limit }), limit + 1],
  "slip, skip": [Slip.make({ limit, onTooLong: "skip" }), limit + 1],
  "cobs, skip": [Cobs.make({ limit, onTooLong: "skip" }), 1],
  "cobs": [Cobs.make({ limit }), 1],
  "cobs with a checksum": [Checked.make(Cobs.make({ limit: limit + 2 }), { checksum: Checked.crc16Ccitt }), 3],
  "tpkt": [Tpkt.make({ limit }), 4],
  // A header for each byte, and for each fragment that may be empty.
  "records in fragments": [SunRpcRecord.make({ limit }), 4 * (limit + 17)],
  "amqp": [Preset.amqp({ limit }), 8],
  "fix": [Preset.fix({ begin: "FIX.4.2", limit }), 35],
  "mllp": [Preset.mllp({ limit }), 2],
  "mqtt": [Preset.mqtt({ limit }), 5],
  "smpp": [Preset.smpp({ limit }), 16]
}

const size = 50_000
const noise = (seed: number, from?: string): Uint8Array => {
  const next = random(seed)
  return Uint8Array.from({ length: size }, () => from === undefined ? next(256) : from.charCodeAt(next(from.length)))
}

const inputs = {
  "any bytes": noise(1),
  "small bytes": noise(2, "\0\0\0\x01\x02\x03\x09\x29\x80"),
  "line ends and separators": noise(3, "aaaaaaaaaa\r\n,\x1e\"{}[]"),
  "escapes and marks": noise(6, "aaaaaaaa\xc0\xdb\xdc\xdd\0\x01\x0b\x1c\r\x80\xff"),
  "digits": noise(4, "0123456789:, <"),
  // Whole frames, so that the framings with a grammar come to their ends too.
  "frames": Uint8Array.from(
    Array.from({ length: 4000 }, (_, at) => ["3:abc,", "2 hi", "Content-Length: 1\r\n\r\na", "\x1e[1]\n"][at % 4]!)
      .join(""),
    (character) => character.charCodeAt(0)
  ),
  "binary frames": Uint8Array.from(
    Array.from({ length: 3000 }, (_, at) => {
      const frames = ["\xc0a\xc0", "\x02a\0", "\x03\0\0\x05a", "\0\0\0\x01a\x80\0\0\0", "\x0ba\x1c\r", "0\x02hi"]
      return frames[Math.floor(at / 300) % frames.length]
    }).join(""),
    (character) => character.charCodeAt(0)
  )
}

/** What a stream gives, and the most bytes that wait in it. */
const given = (framing: Codec.Framing, chunks: ReadonlyArray<Uint8Array>) => {
  const reader = ByteReader.make()
  const step = framing.decoder.start()
  const seen: Array<string> = []
  let held = 0
  const goesOn = (): boolean => {
    for (;;) {
      const frames: Array<Uint8Array> = []
      const error = Decoder.run(step, reader, frames)
      for (const frame of frames) seen.push(show(frame))
      held = Math.max(held, reader.length)
      if (error === undefined) return true
      seen.push(failureOf(error))
      if (error instanceof FramingError.FrameError) return false
    }
  }
  const whole = chunks.every((chunk) => {
    reader.push(chunk)
    return goesOn()
  })
  reader.end()
  if (whole && goesOn()) assert.strictEqual(reader.length, 0)
  return { seen, held }
}

// Most random streams end in a FrameError soon, so there are many.
const streamSize = 500

describe("Every framing takes any bytes", () => {
  for (const [name, [framing, beside]] of Object.entries(framings)) {
    it(`${name}: with no defect, the same however they are cut, and keeps no more than the limit and ${beside} bytes`, () => {
      const next = random(5)
      for (const input of Object.values(inputs)) {
        for (const stream of inChunks(input, streamSize)) {
          const whole = given(framing, [stream])
          const most = 1 + next(30)
          const cut = given(framing, atRandom(stream, most, next))
          assert.deepStrictEqual(cut.seen, whole.seen)
          // A chunk is there at once, and may bring what fails.
          assert.isAtMost(cut.held, limit + beside + most)
          assert.isAtMost(given(framing, inChunks(stream, 1)).held, limit + beside + 1)
        }
      }
    })
  }
})
