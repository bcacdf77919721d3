import { assert, describe, it } from "@effect/vitest"
import { Decoder, FramingError, SunRpcRecord } from "@framewire/framing"
import {
  atRandom,
  bytes,
  encoded,
  events,
  gives,
  hex,
  inChunks,
  join,
  random,
  readerOf,
  refusal,
  show,
  toHex,
  work
} from "./support.ts"

const records = SunRpcRecord.make()
const fragment = (payload: string, last = true) =>
  (last ? "\x80" : "\0") + show(hex(payload.length.toString(16).padStart(6, "0"))) + payload
const part = (payload: string) => fragment(payload, false)

describe("SunRpcRecord reads", () => {
  it("what the file's box says", () => {
    gives(records, hex("00 00 00 03 68 65 6c 80 00 00 02 6c 6f 80 00 00 00"), ["hello", ""])
  })

  it("a call of the NULL procedure of portmap, and its reply", () => {
    const call = "00 00 00 01 00 00 00 00 00 00 00 02 00 01 86 a0 00 00 00 02 00 00 00 00" +
      "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
    const reply = "00 00 00 01 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
    gives(records, hex(`80 00 00 28 ${call} 80 00 00 18 ${reply}`), [show(hex(call)), show(hex(reply))])
  })

  it("fragments joined, empty ones too", () => {
    gives(records, part("a") + part("bc") + fragment("d") + fragment("e"), ["abcd", "e"])
    gives(records, part("") + fragment("a") + part("b") + part("") + fragment("") + part("") + fragment(""), [
      "a",
      "b",
      ""
    ])
  })

  it("the limit on the whole record, one below, at and one above, with the size of each fragment", () => {
    const framing = SunRpcRecord.make({ limit: 4 })
    assert.strictEqual(framing.limit, 4)
    gives(framing, part("ab") + fragment("c"), ["abc"])
    gives(framing, part("ab") + fragment("cd"), ["abcd"])
    gives(framing, fragment("o") + part("ab") + fragment("cde"), ["o", "!FrameError FrameTooLong 5 > 4 @5"])
    gives(framing, part("ab") + part("cd") + fragment("") + fragment("o"), ["abcd", "o"])
    gives(framing, part("abcde"), ["!FrameError FrameTooLong 5 > 4 @0"])
    gives(framing, part("abc") + "\xff\xff\xff\xff", [`!FrameError FrameTooLong ${2 ** 31 + 2} > 4 @0`])
  })

  it("16 empty fragments before the last, and not one more", () => {
    gives(records, part("").repeat(16) + fragment("a"), ["a"])
    gives(records, part("").repeat(8) + part("a") + part("").repeat(8) + fragment("") + part("") + fragment("b"), [
      "a",
      "b"
    ])
    gives(records, part("").repeat(17), ["!FrameError Malformed @0"])
    gives(records, part("").repeat(8) + part("a") + part("").repeat(9) + fragment("a"), ["!FrameError Malformed @0"])
  })

  it("a stream that ends at any byte of a record is Truncated", () => {
    const record = part("ab") + fragment("c")
    const needs = [4, 4, 4, 6, 6, 10, 10, 10, 10, 11]
    needs.forEach((need, index) => {
      gives(records, fragment("o") + record.slice(0, index + 1), [
        "o",
        `!FrameError Truncated ${index + 1} of ${need} @5`
      ])
    })
  })

  it("a fragment of 2^31-1 bytes allocates nothing", () => {
    const step = SunRpcRecord.make({ limit: 2 ** 31 - 1 }).decoder.start()
    const reader = readerOf(hex("ff ff ff ff"), bytes("some"))
    const done = work(() => assert.isUndefined(Decoder.run(step, reader, [])))
    assert.strictEqual(done.allocated, 0)
    assert.strictEqual(reader.needed, 2 ** 31 + 3)
  })

  it("many fragments in linear work, however they are cut", () => {
    const stream = bytes(part("a").repeat(20_000) + fragment("b"))
    for (const chunks of [[stream], inChunks(stream, 1), atRandom(stream, 50, random(1))]) {
      const done = work(() => assert.deepStrictEqual(events(records, chunks), ["a".repeat(20_000) + "b"]))
      assert.isAtMost(done.read, 8 * stream.length)
      assert.isAtMost(done.copied, 4 * stream.length)
    }
  })
})

describe("SunRpcRecord writes", () => {
  it("one fragment, which is the last", () => {
    assert.strictEqual(toHex(encoded(records, [bytes("hi"), bytes("")])), "80000002686980000000")
    const large = new Uint8Array(100_000)
    assert.strictEqual(toHex(encoded(records, [large])), toHex(join([hex("80 01 86 a0"), large])))
  })

  it("up to the limit", () => {
    const framing = SunRpcRecord.make({ limit: 2 })
    assert.isUndefined(refusal(framing, bytes("ab")))
    assert.strictEqual(refusal(framing, bytes("abc")), "MessageError FrameTooLong 3 > 2")
    assert.throws(() => SunRpcRecord.make({ limit: 2 ** 31 }), FramingError.InvalidOption)
  })
})
