import { assert, describe, it } from "@effect/vitest"
import { ByteReader, Codec, FramingError, Slip } from "@framewire/framing"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { bytes, encoded, events, gives, hex, inChunks, refusal, show, toHex } from "./support.ts"

const slip = Slip.make()
const malformed = (offset: number) => `!MessageError Malformed @${offset}`

describe("Slip reads", () => {
  it("what the file's box says", () => {
    gives(slip, hex("c0 68 69 c0 c0 61 db dc c0 db 62 c0 6f 6b c0"), ["hi", "a\xc0", malformed(9), "ok"])
  })

  it("frames between ENDs, and none between two of them", () => {
    gives(slip, "", [])
    gives(slip, hex("c0 c0 c0"), [])
    gives(slip, hex("c0 61 c0 62 c0 c0 c0 63 c0 c0"), ["a", "b", "c"])
  })

  it("both escapes, next to each other too", () => {
    gives(slip, hex("db dc c0 db dd c0 db dd db dc db dd dc dd c0"), ["\xc0", "\xdb", "\xdb\xc0\xdb\xdc\xdd"])
  })

  it("a bad escape costs its frame, whatever stands after the ESC", () => {
    gives(slip, hex("61 db 61 c0 6f c0"), [malformed(0), "o"])
    gives(slip, hex("61 db c0 6f c0"), [malformed(0), "o"])
    gives(slip, hex("db c0 db dc c0"), [malformed(0), "\xc0"])
    gives(slip, hex("db db dc c0 db dc c0"), [malformed(0), "\xc0"])
    const { failures } = Codec.decodeAll(slip, [hex("db db dc c0 db c0")])
    assert.deepStrictEqual(failures.map(({ error }) => error.message), [
      "the frame is malformed: 0xdb after ESC, 0xdc or 0xdd can stand there, in frame 0, at byte 0 of the stream",
      "the frame is malformed: the end of the frame after ESC, 0xdc or 0xdd can stand there, in frame 1, at byte 4 of the stream"
    ])
  })

  it("the limit, one below, at and one above, in bytes without escapes", () => {
    const framing = Slip.make({ limit: 3 })
    assert.strictEqual(framing.limit, 3)
    for (const byte of ["61", "db dc", "db dd"]) {
      const payload = (size: number) =>
        show(hex(byte.repeat(size))).replaceAll(/\xdb./g, byte === "db dc" ? "\xc0" : "\xdb")
      for (const end of ["c0", "c0 6f c0"]) {
        const after = end === "c0" ? [] : ["o"]
        gives(framing, hex("c0 6f c0" + byte.repeat(2) + end), ["o", payload(2), ...after])
        gives(framing, hex("c0 6f c0" + byte.repeat(3) + end), ["o", payload(3), ...after])
        gives(framing, hex("c0 6f c0" + byte.repeat(4) + end), ["o", "!FrameError FrameTooLong 4 > 3 @3"])
      }
      gives(framing, hex(byte.repeat(4)), ["!FrameError FrameTooLong 4 > 3 @0"])
    }
    gives(framing, hex("61 62 63 db c0 6f c0"), [malformed(0), "o"])
    // After an ESC anything is one byte of payload, also another ESC.
    gives(framing, hex("db db db db db db c0 6f c0"), [malformed(0), "o"])
    gives(framing, hex("db db db db db db db db c0"), ["!FrameError FrameTooLong 4 > 3 @0"])
    gives(framing, hex("61 62 db 63 64 c0"), ["!FrameError FrameTooLong 4 > 3 @0"])
    gives(Slip.make({ limit: 0 }), hex("c0 c0 61 c0"), ["!FrameError FrameTooLong 1 > 0 @2"])
  })

  it("what is too long costs its frame where that is asked for", () => {
    const framing = Slip.make({ limit: 3, onTooLong: "skip" })
    const tooLong = (offset: number) => `!MessageError FrameTooLong 4 > 3 @${offset}`
    gives(framing, hex("c0 6f c0 c0 61 62 63 64 65 c0 db dc c0"), ["o", tooLong(4), "\xc0"])
    gives(framing, hex("db dc db dc db dc db dc db c0 db db c0 6f c0"), [tooLong(0), malformed(10), "o"])
    gives(framing, hex("61 61 61 61 c0 61 61 61 61 61 c0 61 db dd 61 c0"), [tooLong(0), tooLong(5), "a\xdba"])
    gives(framing, hex("c0 61 62 63 64 65 66"), ["!FrameError Truncated 6 of ? @1"])
  })

  it("a stream that ends within a frame is Truncated, between frames it is not", () => {
    gives(slip, hex("c0 61"), ["!FrameError Truncated 1 of ? @1"])
    gives(slip, hex("61 c0 62 db"), ["a", "!FrameError Truncated 2 of ? @2"])
    gives(slip, hex("61 c0 c0"), ["a"])
  })

  it("each byte once, however it is cut", () => {
    const readers = ByteReader.ByteReader.prototype
    const original = Object.getOwnPropertyDescriptor(readers, "search")!
    let seen = 0
    readers.search = function(from, find) {
      return (original.value as typeof readers.search).call(this, from, (piece, at) => {
        const found = find(piece, at)
        seen += (found < 0 ? piece.length : found + 1) - at
        return found
      })
    }
    try {
      const stream = hex("61".repeat(20_000) + "db dc".repeat(5000) + "c0" + "62 c0".repeat(10_000))
      for (const size of [1, 7, 4096, stream.length]) {
        seen = 0
        assert.strictEqual(events(slip, inChunks(stream, size)).length, 10_001)
        assert.strictEqual(seen, stream.length)
      }
      const long = hex("61 62 c0".repeat(5000) + "db dc c0")
      seen = 0
      assert.strictEqual(events(Slip.make({ limit: 1, onTooLong: "skip" }), [long]).length, 5001)
      assert.isAtMost(seen, 2 * long.length)
    } finally {
      Object.defineProperty(readers, "search", original)
    }
  })
})

describe("Slip writes", () => {
  it("an END on both sides, and the escapes", () => {
    assert.strictEqual(toHex(encoded(slip, [bytes("a"), hex("c0 61 db db c0")])), "c061c0c0dbdc61dbdddbdddbdcc0")
  })

  it("up to the limit, and no empty frame", () => {
    const framing = Slip.make({ limit: 3 })
    assert.isUndefined(refusal(framing, bytes("ab")))
    assert.isUndefined(refusal(framing, hex("c0 c0 c0")))
    assert.strictEqual(refusal(framing, bytes("abcd")), "MessageError FrameTooLong 4 > 3")
    assert.strictEqual(refusal(framing, bytes("")), "MessageError InvalidLength")
  })

  const byte = Arbitrary.schema(Schema.Literals([0, 0x61, 0xc0, 0xdb, 0xdc, 0xdd]))
  it.prop("what it writes is read back as the same messages", {
    messages: Arbitrary.array(Arbitrary.array(byte, { maxLength: 8 }), { maxLength: 4 })
  }, ({ messages }) => {
    const payloads = messages.filter(({ length }) => length > 0).map((of) => Uint8Array.from(of))
    gives(slip, encoded(slip, payloads), payloads.map(show))
  }, { arbitrary: { runs: 300, seed: 1 } })

  it.prop("any bytes give the same, however they are cut", {
    limit: Arbitrary.schema(Schema.Literals([0, 1, 3, 100])),
    onTooLong: Arbitrary.schema(Schema.Literals(["fail", "skip"])),
    stream: Arbitrary.array(byte, { maxLength: 16 })
  }, ({ limit, onTooLong, stream }) => {
    const framing = Slip.make({ limit, onTooLong })
    gives(framing, Uint8Array.from(stream), events(framing, [Uint8Array.from(stream)]))
  }, { arbitrary: { runs: 1000, seed: 1 } })

  it("refuses a limit that is none", () => {
    assert.strictEqual(slip.limit, 1_048_576)
    assert.throws(() => Slip.make({ limit: -1 }), FramingError.InvalidOption)
    assert.throws(() => Slip.make({ onTooLong: "truncate" as "skip" }), FramingError.InvalidOption)
  })
})
