import { assert, describe, it } from "@effect/vitest"
import { Decoder, FramingError, Varint } from "@framewire/framing"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { bytes, encoded, events, gives, hex, readerOf, refusal, show, toHex, work } from "./support.ts"

const varint = Varint.make()
const minimal = Varint.make({ minimal: true })

describe("Varint reads", () => {
  it("frames, empty ones too, however they are cut", () => {
    gives(varint, "", [])
    gives(varint, "\x05hello\0\x02hi", ["hello", "", "hi"])
    gives(varint, show(hex("ac02")) + "x".repeat(300), ["x".repeat(300)])
  })

  it("what netty and libp2p read", () => {
    gives(varint, hex("0401010101"), ["\x01\x01\x01\x01"]) // netty-varint-01
    gives(varint, hex("8300616263"), ["abc"]) // netty-varint-03
    gives(varint, hex("000161"), ["", "a"]) // libp2p-03, npm-10
  })

  it("a length of several bytes cut anywhere, which netty#17549 took for another", () => {
    gives(varint, hex("80808001"), ["!FrameError FrameTooLong 2097152 > 1048576 @0"])
    gives(Varint.make({ limit: 2 ** 28 }), hex("8080808001"), ["!FrameError Truncated 5 of 268435461 @0"])
    gives(varint, hex("80808080"), ["!FrameError Truncated 4 of 5 @0"]) // netty-varint-05
  })

  it("the limit, one below, at and one above, for lengths of one byte and of two", () => {
    for (const limit of [4, 127, 128, 200]) {
      const framing = Varint.make({ limit })
      const wire = (size: number) =>
        show(size < 128 ? Uint8Array.of(size) : Uint8Array.of(size | 128, size >> 7)) + "x".repeat(size)
      assert.strictEqual(framing.limit, limit)
      gives(framing, wire(limit - 1) + wire(limit), ["x".repeat(limit - 1), "x".repeat(limit)])
      gives(framing, wire(2) + wire(limit + 1) + wire(1), ["xx", `!FrameError FrameTooLong ${limit + 1} > ${limit} @3`])
    }
  })

  it("a length of 2^53 - 1 exactly, and none above, refused at the byte that goes beyond", () => {
    gives(varint, hex("ffffffffffffff0f"), [`!FrameError FrameTooLong ${2 ** 53 - 1} > 1048576 @0`])
    gives(varint, hex("ffffffffffffff0fff"), [`!FrameError FrameTooLong ${2 ** 53 - 1} > 1048576 @0`])
    gives(varint, hex("ffffffffffffff"), ["!FrameError Truncated 7 of 8 @0"])
    for (const digits of ["8080808080808010", "ffffffffffffff1f", "808080808080809", "ffffffffffffffffff01"]) {
      gives(varint, hex(digits.padEnd(16, "0")), ["!FrameError InvalidLength @0"])
    }
    gives(Varint.make({ limit: 2 ** 53 - 11 }), hex("f5ffffffffffff0f"), [
      `!FrameError Truncated 8 of ${2 ** 53 - 3} @0`
    ])
  })

  it("10 bytes at most: a length that never ends is refused at the tenth", () => {
    gives(varint, hex("80808080808080808000"), [""])
    gives(varint, hex("8080808080808080808000"), ["!FrameError InvalidLength @0"])
    const reader = readerOf(hex("808080808080808080"))
    const step = varint.decoder.start()
    assert.isUndefined(Decoder.run(step, reader, []))
    assert.strictEqual(reader.needed, 10)
    reader.push(hex("80"))
    const error = Decoder.run(step, reader, [])
    assert.strictEqual(error?.reason.message, "the length is invalid: it has more than 10 bytes")
    // libp2p-01 swallows these for ever.
    gives(varint, new Uint8Array(40).fill(0x80), ["!FrameError InvalidLength @0"])
  })

  it("a length with more bytes than it needs, unless minimal is asked for", () => {
    gives(varint, hex("8000 8100aa 810000"), ["", "\xaa", "\0"])
    gives(minimal, hex("00 01aa 8000"), ["", "\xaa", "!FrameError InvalidLength @3"])
    gives(minimal, hex("8100aa"), ["!FrameError InvalidLength @0"])
    gives(minimal, hex("80808000"), ["!FrameError InvalidLength @0"])
    gives(minimal, show(hex("8001")) + "x".repeat(128), ["x".repeat(128)])
  })

  it("a stream that ends at any byte of a frame is Truncated", () => {
    const whole = hex("8300616263")
    for (let have = 1; have < whole.length; have++) {
      gives(varint, whole.slice(0, have), [`!FrameError Truncated ${have} of ${have < 2 ? 2 : 5} @0`])
    }
  })

  it("a declared size allocates nothing", () => {
    const framing = Varint.make({ limit: 2 ** 40 })
    const reader = readerOf(hex("808080808010"), bytes("some"))
    const step = framing.decoder.start()
    const done = work(() => {
      for (let i = 0; i < 100; i++) assert.isUndefined(Decoder.run(step, reader, []))
    })
    assert.strictEqual(done.allocated, 0)
    assert.strictEqual(reader.needed, 2 ** 39 + 6)
  })

  it("shows no byte that is not of the frame", () => {
    const error = Decoder.run(Varint.make({ limit: 2 }).decoder.start(), readerOf(bytes("\x03abcnext")), [])
    assert.instanceOf(error, FramingError.FrameError)
    assert.strictEqual(show(error.head), "\x03abc")
  })
})

describe("Varint writes", () => {
  it("the fewest bytes that say the length", () => {
    for (
      const [size, prefix] of [[0, "00"], [10, "0a"], [127, "7f"], [128, "8001"], [300, "ac02"], [
        16_384,
        "808001"
      ]] as const
    ) {
      const wire = encoded(varint, [new Uint8Array(size).fill(1)])
      assert.strictEqual(toHex(wire.slice(0, wire.length - size)), prefix)
      assert.deepStrictEqual(events(minimal, [wire]), ["\x01".repeat(size)])
    }
  })

  it("up to the limit, and refuses what is above", () => {
    const framing = Varint.make({ limit: 4 })
    assert.isUndefined(refusal(framing, bytes("abcd")))
    assert.strictEqual(refusal(framing, bytes("abcde")), "MessageError FrameTooLong 5 > 4")
  })
})

describe("Varint.make", () => {
  it("has a finite limit and refuses a bad one", () => {
    assert.strictEqual(varint.limit, 1_048_576)
    for (const limit of [-1, 0.5, Number.NaN, 2 ** 53]) {
      assert.throws(() => Varint.make({ limit }), FramingError.InvalidOption, "limit is")
    }
  })

  it.prop(
    "any bytes give the same, however they are cut, and its frames are read as they are written",
    {
      minimal: Arbitrary.schema(Schema.Boolean),
      limit: Arbitrary.schema(Schema.Literals([0, 1, 3, 1000])),
      stream: Arbitrary.array(Arbitrary.schema(Schema.Literals([0, 1, 2, 3, 0x80, 0x81, 0xff])), { maxLength: 20 })
    },
    ({ stream, ...options }) => {
      const framing = Varint.make(options)
      const given = events(framing, [Uint8Array.from(stream)])
      gives(framing, Uint8Array.from(stream), given)
      const frames = given.filter((of): of is string => typeof of === "string" && !of.startsWith("!"))
      gives(framing, encoded(framing, frames.map(bytes)), frames)
    },
    { arbitrary: { runs: 500, seed: 1 } }
  )
})
