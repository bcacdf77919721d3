import { assert, describe, it } from "@effect/vitest"
import { Codec, FramingError, Tpkt } from "@framewire/framing"
import { bytes, encoded, gives, hex, refusal, show, toHex } from "./support.ts"

const tpkt = Tpkt.make()

describe("Tpkt reads", () => {
  it("what the file's box says", () => {
    gives(tpkt, hex("03 00 00 09 68 65 6c 6c 6f 03 00 00 04"), ["hello", ""])
  })

  it("a connection request of COTP, and data, as an S7 client sends them", () => {
    const request = "11 e0 00 00 00 01 00 c0 01 0a c1 02 01 00 c2 02 01 02"
    const setup = "02 f0 80 32 01 00 00 04 00 00 08 00 00 f0 00 00 01 00 01 01 e0"
    gives(tpkt, hex(`03 00 00 16 ${request} 03 00 00 19 ${setup}`), [show(hex(request)), show(hex(setup))])
  })

  it("any reserved byte", () => gives(tpkt, hex("03 ff 00 05 61"), ["a"]))

  it("another version is the end, at its first byte", () => {
    gives(tpkt, hex("03 00 00 04 47 45 54 20"), ["", "!FrameError Malformed @4"])
    gives(tpkt, hex("16"), ["!FrameError Malformed @0"])
    const [failure] = Codec.decodeAll(tpkt, [bytes("GET /")]).failures
    assert.strictEqual(
      failure?.error.reason.message,
      "the frame is malformed: version 71, it is always 3"
    )
  })

  it("a length that does not count its header is the end", () => {
    for (const length of ["00 00", "00 01", "00 03"]) {
      gives(tpkt, hex(`03 00 ${length} 61 61 61 61`), ["!FrameError InvalidLength @0"])
    }
  })

  it("the limit, one below, at and one above", () => {
    const framing = Tpkt.make({ limit: 4 })
    assert.strictEqual(framing.limit, 4)
    gives(framing, hex("03 00 00 07 61 62 63"), ["abc"])
    gives(framing, hex("03 00 00 08 61 62 63 64"), ["abcd"])
    gives(framing, hex("03 00 00 04 03 00 00 09 61 62 63 64 65"), ["", "!FrameError FrameTooLong 5 > 4 @4"])
    gives(framing, hex("03 00 ff ff"), ["!FrameError FrameTooLong 65531 > 4 @0"])
  })

  it("a stream that ends at any byte of a packet is Truncated", () => {
    const packet = hex("03 00 00 07 61 62 63")
    for (let have = 1; have < packet.length; have++) {
      gives(tpkt, packet.slice(0, have), [`!FrameError Truncated ${have} of ${have < 4 ? 4 : 7} @0`])
    }
    gives(tpkt, "", [])
  })
})

describe("Tpkt writes", () => {
  it("the header and the payload", () => {
    const largest = new Uint8Array(65_531)
    assert.strictEqual(toHex(encoded(tpkt, [bytes("hi"), bytes("")])), "03000006686903000004")
    assert.strictEqual(toHex(encoded(tpkt, [largest]).subarray(0, 5)), "0300ffff00")
    assert.strictEqual(tpkt.limit, 65_531)
    assert.strictEqual(refusal(tpkt, new Uint8Array(65_532)), "MessageError FrameTooLong 65532 > 65531")
    assert.strictEqual(refusal(Tpkt.make({ limit: 2 }), bytes("abc")), "MessageError FrameTooLong 3 > 2")
  })

  it("refuses a limit that the length cannot say", () => {
    assert.throws(() => Tpkt.make({ limit: 65_532 }), FramingError.InvalidOption)
  })
})
