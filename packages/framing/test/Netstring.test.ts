import { assert, describe, it } from "@effect/vitest"
import { Decoder, FramingError, Netstring } from "@framewire/framing"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { bytes, encoded, events, gives, readerOf, refusal, show, work } from "./support.ts"

const netstring = Netstring.make()

describe("Netstring reads", () => {
  it("frames, empty ones too, however they are cut", () => {
    gives(netstring, "", [])
    gives(netstring, "5:hello,0:,2:hi,", ["hello", "", "hi"])
    gives(netstring, "3:a,:,10:0123456789,", ["a,:", "0123456789"])
  })

  it("what its author's document gives", () => {
    gives(netstring, "12:hello world!,", ["hello world!"])
    gives(netstring, "0:,", [""])
  })

  it("what Twisted reads and refuses", () => {
    gives(netstring, "4:aaaa,", ["aaaa"]) // twisted-ns-11
    gives(netstring, "2:aaa,", ["!FrameError Malformed @0"]) // twisted-ns-05
    gives(netstring, "4:abcde", ["!FrameError Malformed @0"]) // twisted-ns-17
    for (const stream of [":aaa,", "aaa,", "01:a,"]) gives(netstring, stream, ["!FrameError InvalidLength @0"])
    gives(Netstring.make({ limit: 3 }), "3:abc,", ["abc"]) // twisted-ns-21
  })

  it("a length that is no number is refused at the byte that says so", () => {
    for (
      const [length, at] of [["x", 0], [":", 0], ["-", 0], ["+", 0], [" ", 0], ["00", 1], ["05", 1], ["5 ", 1], [
        "5;",
        1
      ], ["12a", 2]] as const
    ) {
      gives(netstring, "2:ok," + length, ["ok", "!FrameError InvalidLength @5"])
      const error = Decoder.run(netstring.decoder.start(), readerOf(bytes(length)), [])
      assert.include(error?.message, `byte ${at} of it is 0x`)
      assert.isUndefined(Decoder.run(netstring.decoder.start(), readerOf(bytes(length.slice(0, at))), []))
    }
  })

  it("a length of 2^53 - 1, and none above: digits that never end are refused at the seventeenth at the latest", () => {
    gives(netstring, "9007199254740991:", [`!FrameError FrameTooLong ${2 ** 53 - 1} > 1048576 @0`])
    gives(netstring, "9007199254740992", ["!FrameError InvalidLength @0"])
    gives(netstring, "10000000000000000", ["!FrameError InvalidLength @0"])
    gives(netstring, "9".repeat(22), ["!FrameError InvalidLength @0"]) // twisted-ns-15 says too long at the second
    gives(netstring, "1000000000000000", ["!FrameError Truncated 16 of 17 @0"])
  })

  it("the limit, one below, at and one above", () => {
    for (const limit of [4, 9, 10]) {
      const framing = Netstring.make({ limit })
      const wire = (size: number) => `${size}:${"x".repeat(size)},`
      gives(framing, wire(limit - 1) + wire(limit), ["x".repeat(limit - 1), "x".repeat(limit)])
      gives(framing, wire(2) + wire(limit + 1) + wire(1), ["xx", `!FrameError FrameTooLong ${limit + 1} > ${limit} @5`])
    }
    gives(Netstring.make({ limit: 0 }), "0:,1:a,", ["", "!FrameError FrameTooLong 1 > 0 @3"])
  })

  it("a stream that ends at any byte of a frame is Truncated", () => {
    const whole = "12:hello world!,"
    for (let have = 1; have < whole.length; have++) {
      gives(netstring, "1:a," + whole.slice(0, have), [
        "a",
        `!FrameError Truncated ${have} of ${have < 3 ? have + 1 : whole.length} @4`
      ])
    }
  })

  it("a declared size allocates nothing", () => {
    const reader = readerOf(bytes("900000000:some"))
    const step = Netstring.make({ limit: 2 ** 30 }).decoder.start()
    const done = work(() => {
      for (let i = 0; i < 100; i++) assert.isUndefined(Decoder.run(step, reader, []))
    })
    assert.strictEqual(done.allocated, 0)
    assert.strictEqual(reader.needed, 900_000_011)
  })

  it("shows no byte that is not of the frame", () => {
    const error = Decoder.run(Netstring.make({ limit: 2 }).decoder.start(), readerOf(bytes("3:abc,next")), [])
    assert.instanceOf(error, FramingError.FrameError)
    assert.strictEqual(show(error.head), "3:abc,")
  })
})

describe("Netstring writes", () => {
  it("the length, the payload and a comma", () => {
    const messages = ["hello", "", "0123456789", "x".repeat(100)]
    const wire = `5:hello,0:,10:0123456789,100:${"x".repeat(100)},`
    assert.strictEqual(show(encoded(netstring, messages.map(bytes))), wire)
    assert.deepStrictEqual(events(netstring, [bytes(wire)]), messages)
  })

  it("up to the limit, and refuses what is above", () => {
    const framing = Netstring.make({ limit: 4 })
    assert.strictEqual(framing.limit, 4)
    assert.isUndefined(refusal(framing, bytes("abcd")))
    assert.strictEqual(refusal(framing, bytes("abcde")), "MessageError FrameTooLong 5 > 4")
    assert.throws(() => Netstring.make({ limit: -1 }), FramingError.InvalidOption)
  })

  it.prop(
    "any bytes give the same, however they are cut, and its frames are read as they are written",
    {
      stream: Arbitrary.array(Arbitrary.schema(Schema.Literals(["0", "1", "2", "3", ":", ":", ",", ","])), {
        maxLength: 20
      })
    },
    ({ stream }) => {
      const given = events(netstring, [bytes(stream.join(""))])
      gives(netstring, stream.join(""), given)
      const frames = given.filter((of): of is string => typeof of === "string" && !of.startsWith("!"))
      gives(netstring, encoded(netstring, frames.map(bytes)), frames)
    },
    { arbitrary: { runs: 1000, seed: 1 } }
  )
})
