import { assert, describe, it } from "@effect/vitest"
import { FixedLength, FramingError } from "@framewire/framing"
import { bytes, encoded, gives, refusal, show } from "./support.ts"

const three = FixedLength.make({ size: 3 })

describe("FixedLength", () => {
  it("reads frames of its size, however they are cut", () => {
    gives(three, "", [])
    gives(three, "ABCDEFGHI", ["ABC", "DEF", "GHI"]) // netty-fixed-01
    gives(FixedLength.make({ size: 1 }), "AB", ["A", "B"])
  })

  it("a stream that ends within a frame is Truncated", () => {
    gives(three, "ABCD", ["ABC", "!FrameError Truncated 1 of 3 @3"])
    gives(three, "AB", ["!FrameError Truncated 2 of 3 @0"])
  })

  it("allowTruncated: what is left is the last frame, and nothing left is none", () => {
    const framing = FixedLength.make({ size: 3, allowTruncated: true })
    gives(framing, "ABCD", ["ABC", "D"])
    gives(framing, "AB", ["AB"])
    gives(framing, "ABC", ["ABC"])
    gives(framing, "", [])
    assert.strictEqual(refusal(framing, bytes("AB")), "MessageError InvalidLength")
  })

  it("writes frames of its size and no other", () => {
    assert.strictEqual(three.limit, 3)
    assert.strictEqual(show(encoded(three, [bytes("ABC"), bytes("DEF")])), "ABCDEF")
    assert.strictEqual(refusal(three, bytes("AB")), "MessageError InvalidLength")
    assert.strictEqual(refusal(three, bytes("")), "MessageError InvalidLength")
    assert.strictEqual(refusal(three, bytes("ABCD")), "MessageError FrameTooLong 4 > 3")
  })

  it("refuses a size that no frame can have", () => {
    for (const size of [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      const allowed = `allowed is a whole number of bytes from 1 to ${Number.MAX_SAFE_INTEGER}`
      assert.throws(() => FixedLength.make({ size }), FramingError.InvalidOption, `size is ${size}, ${allowed}`)
    }
  })
})
