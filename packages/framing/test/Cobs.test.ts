import { assert, describe, it } from "@effect/vitest"
import { Cobs, Codec, FramingError } from "@framewire/framing"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { bytes, encoded, events, gives, hex, inChunks, refusal, show, toHex, work } from "./support.ts"

const cobs = Cobs.make()
const malformed = (offset: number) => `!MessageError Malformed @${offset}`
const run = (from: number, to: number) => toHex(Uint8Array.from({ length: to - from + 1 }, (_, i) => from + i))

// Payload and frame, the examples that are found with every description of COBS.
const pairs: ReadonlyArray<readonly [payload: string, frame: string]> = [
  ["", "01"],
  ["00", "01 01"],
  ["00 00", "01 01 01"],
  ["00 11 00", "01 02 11 01"],
  ["11 22 00 33", "03 11 22 02 33"],
  ["11 22 33 44", "05 11 22 33 44"],
  ["11 00 00 00", "02 11 01 01 01"],
  [run(0x01, 0xfd), "fe" + run(0x01, 0xfd)],
  [run(0x01, 0xfe), "ff" + run(0x01, 0xfe)],
  ["00" + run(0x01, 0xfe), "01 ff" + run(0x01, 0xfe)],
  [run(0x01, 0xff), "ff" + run(0x01, 0xfe) + "02 ff"],
  [run(0x02, 0xff) + "00", "ff" + run(0x02, 0xff) + "01 01"],
  [run(0x03, 0xff) + "00 01", "fe" + run(0x03, 0xff) + "02 01"]
]

describe("Cobs", () => {
  for (const [payload, frame] of pairs) {
    it(`${payload.slice(0, 20)} of ${hex(payload).length} bytes, both ways`, () => {
      assert.strictEqual(toHex(encoded(cobs, [hex(payload)])), toHex(hex(frame + "00")))
      gives(cobs, hex(frame + "00" + frame + "00"), [show(hex(payload)), show(hex(payload))])
    })
  }
})

describe("Cobs reads", () => {
  it("what the file's box says", () => {
    gives(cobs, hex("03 68 69 00 02 61 02 62 00 05 61 00 02 6f 00"), ["hi", "a\0b", malformed(9), "o"])
  })

  it("a block that the end cuts short costs its frame", () => {
    gives(cobs, hex("02 00 02 61 00"), [malformed(0), "a"])
    gives(cobs, hex("02 61 02 00 02 61 00"), [malformed(0), "a"])
    gives(cobs, hex("ff 61 00 02 61 00"), [malformed(0), "a"])
    const [failure] = Codec.decodeAll(cobs, [hex("05 61 00")]).failures
    assert.strictEqual(
      failure?.error.message,
      "the frame is malformed: a block of 4 bytes, and the frame ends after 1, in frame 0, at byte 0 of the stream"
    )
  })

  it("zeros between frames as nothing", () => {
    gives(cobs, "", [])
    gives(cobs, hex("00 00"), [])
    gives(cobs, hex("00 02 61 00 00 00 01 00 00"), ["a", ""])
  })

  it("a full block at the end with or without an empty one behind it", () => {
    const full = "ff" + run(1, 254)
    gives(cobs, hex(full + "01 00" + full + "00"), [show(hex(run(1, 254))), show(hex(run(1, 254)))])
  })

  it("the limit, one below, at and one above, in bytes without codes", () => {
    const framing = Cobs.make({ limit: 3 })
    assert.strictEqual(framing.limit, 3)
    gives(framing, hex("03 61 62 00"), ["ab"])
    gives(framing, hex("04 61 62 63 00 02 6f 00"), ["abc", "o"])
    gives(framing, hex("01 01 01 01 00 02 6f 00"), ["\0\0\0", "o"])
    gives(framing, hex("02 61 02 62 00"), ["a\0b"])
    gives(framing, hex("02 6f 00 05 61 62 63 64 00"), ["o", "!FrameError FrameTooLong 4 > 3 @3"])
    gives(framing, hex("01 01 01 01 01 00"), ["!FrameError FrameTooLong 4 > 3 @0"])
    gives(framing, hex("02 61 03 62 63 00"), ["!FrameError FrameTooLong 4 > 3 @0"])
    gives(framing, hex("05 61 62 63 64"), ["!FrameError FrameTooLong 4 > 3 @0"])
    gives(framing, hex("ff 61 62 63 00 02 6f 00"), [malformed(0), "o"])
    gives(framing, hex("ff 61 62 63 64 00"), ["!FrameError FrameTooLong 4 > 3 @0"])
    gives(Cobs.make({ limit: 0 }), hex("01 00 01 01 00"), ["", "!FrameError FrameTooLong 1 > 0 @2"])
  })

  it("what is too long costs its frame where that is asked for", () => {
    const framing = Cobs.make({ limit: 3, onTooLong: "skip" })
    const tooLong = (offset: number) => `!MessageError FrameTooLong 4 > 3 @${offset}`
    gives(framing, hex("02 6f 00 00 06 61 62 63 64 65 00 04 61 62 63 00"), ["o", tooLong(4), "abc"])
    gives(framing, hex("01 01 01 01 01 01 00 05 61 00 01 00"), [tooLong(0), malformed(7), ""])
    gives(framing, hex("05 61 61 61 61 00 05 61 61 61 61 00 01 01 00"), [tooLong(0), tooLong(6), "\0"])
    gives(framing, hex("00 06 61 62 63 64 65"), ["!FrameError Truncated 6 of ? @1"])
  })

  it("a stream that ends within a frame is Truncated", () => {
    gives(cobs, hex("02 61"), ["!FrameError Truncated 2 of ? @0"])
    gives(cobs, hex("00 02 61 00 03"), ["a", "!FrameError Truncated 1 of ? @4"])
  })

  it("each byte once for the end, and each code once a chunk", () => {
    const stream = encoded(cobs, [new Uint8Array(30_000).fill(1), ...Array.from({ length: 5000 }, () => bytes("a\0b"))])
    for (const size of [1, 7, 4096, stream.length]) {
      const chunks = inChunks(stream, size)
      const done = work(() => assert.strictEqual(events(cobs, chunks).length, 5001))
      assert.isAtMost(done.searched, stream.length + 10)
      assert.isAtMost(done.read, 3 * stream.length)
    }
  })
})

describe("Cobs writes", () => {
  it("up to the limit", () => {
    const framing = Cobs.make({ limit: 3 })
    assert.isUndefined(refusal(framing, bytes("ab")))
    assert.isUndefined(refusal(framing, bytes("abc")))
    assert.strictEqual(refusal(framing, bytes("abcd")), "MessageError FrameTooLong 4 > 3")
  })

  it("one byte in 254 more at most", () => {
    for (const size of [0, 1, 253, 254, 255, 507, 508, 509, 10_000]) {
      const payload = new Uint8Array(size).fill(1)
      const stream = encoded(cobs, [payload])
      assert.strictEqual(stream.length, size + Math.max(1, Math.ceil(size / 254)) + 1)
      assert.strictEqual(stream.indexOf(0), stream.length - 1)
      assert.deepStrictEqual(events(cobs, [stream]), [show(payload)])
    }
  })

  const payload = Arbitrary.array(Arbitrary.schema(Schema.Literals([0, 1, 2])), { maxLength: 8 })
  it.prop("what it writes is read back as the same messages", {
    messages: Arbitrary.array(payload, { maxLength: 4 })
  }, ({ messages }) => {
    const payloads = messages.map((of) => Uint8Array.from(of))
    gives(cobs, encoded(cobs, payloads), payloads.map(show))
  }, { arbitrary: { runs: 300, seed: 1 } })

  it.prop("any bytes give the same, however they are cut", {
    limit: Arbitrary.schema(Schema.Literals([0, 1, 3, 100])),
    onTooLong: Arbitrary.schema(Schema.Literals(["fail", "skip"])),
    stream: Arbitrary.array(Arbitrary.schema(Schema.Literals([0, 1, 2, 3, 4, 255])), { maxLength: 16 })
  }, ({ limit, onTooLong, stream }) => {
    const framing = Cobs.make({ limit, onTooLong })
    gives(framing, Uint8Array.from(stream), events(framing, [Uint8Array.from(stream)]))
  }, { arbitrary: { runs: 1000, seed: 1 } })

  it("refuses a limit that is none", () => {
    assert.strictEqual(cobs.limit, 1_048_576)
    assert.throws(() => Cobs.make({ limit: 0.5 }), FramingError.InvalidOption)
    assert.throws(() => Cobs.make({ onTooLong: "truncate" as "skip" }), FramingError.InvalidOption)
  })
})
