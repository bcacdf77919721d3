import { assert, describe, it } from "@effect/vitest"
import { Decoder, FramingError, OctetCounted } from "@framewire/framing"
import { bytes, encoded, gives, readerOf, refusal, show } from "./support.ts"

const counted = OctetCounted.make()

// RFC 5424 section 6.5, the second example.
const example = "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts."

describe("OctetCounted reads", () => {
  it("frames, however they are cut", () => {
    gives(counted, "", [])
    gives(counted, "5 hello2 hi", ["hello", "hi"])
    gives(counted, "1 \n2  4", ["\n", " 4"])
    gives(counted, `${example.length} ${example}1 x`, [example, "x"])
  })

  it("a length begins with a digit other than 0, and has digits alone", () => {
    for (const length of [" ", "0", "0 ", "05 ", "<", "x", "1x", "1:"]) {
      gives(counted, "2 ok" + length, ["ok", "!FrameError InvalidLength @4"])
    }
    gives(counted, "9007199254740992", ["!FrameError InvalidLength @0"])
    const error = Decoder.run(counted.decoder.start(), readerOf(bytes("<34>Oct 11 mymachine su: failed")), [])
    assert.strictEqual(error?.reason.message, "the length is invalid: byte 0 of it is 0x3c")
    assert.instanceOf(error, FramingError.FrameError)
    assert.strictEqual(show(error.head), "<34>Oct 11 mymac")
  })

  it("the limit, one below, at and one above", () => {
    const framing = OctetCounted.make({ limit: 10 })
    gives(framing, "9 12345678910 1234567890", ["123456789", "1234567890"])
    gives(framing, "1 a11 1234567890a1 a", ["a", "!FrameError FrameTooLong 11 > 10 @3"])
  })

  it("a stream that ends at any byte of a frame is Truncated", () => {
    for (const [stream, need] of [["1", 2], ["10", 3], ["10 ", 13], ["10 123456789", 13]] as const) {
      gives(counted, stream, [`!FrameError Truncated ${stream.length} of ${need} @0`])
    }
  })
})

describe("OctetCounted writes", () => {
  it("the length, a space and the payload", () => {
    assert.strictEqual(show(encoded(counted, [bytes(example), bytes("hi")])), `${example.length} ${example}2 hi`)
  })

  it("from one byte up to the limit", () => {
    const framing = OctetCounted.make({ limit: 4 })
    assert.isUndefined(refusal(framing, bytes("abcd")))
    assert.strictEqual(refusal(framing, bytes("abcde")), "MessageError FrameTooLong 5 > 4")
    assert.strictEqual(refusal(framing, bytes("")), "MessageError InvalidLength")
  })

  it("has a limit of one byte at least", () => {
    assert.strictEqual(counted.limit, 1_048_576)
    for (const limit of [0, -1, 0.5]) assert.throws(() => OctetCounted.make({ limit }), FramingError.InvalidOption)
  })
})
