import { assert, describe, it } from "@effect/vitest"
import { Codec, ContentLength, Decoder, FramingError } from "@framewire/framing"
import * as Schema from "effect/Schema"
import { bytes, encoded, events, failureOf, gives, inChunks, readerOf, refusal, show, work } from "./support.ts"

const framing = ContentLength.make()
const wire = (payload: string) => `Content-Length: ${payload.length}\r\n\r\n${payload}`

describe("ContentLength reads", () => {
  it("frames, empty ones too, however they are cut", () => {
    gives(framing, "", [])
    gives(framing, wire("hello") + wire("") + wire("\r\n\r\n") + wire("hi"), ["hello", "", "\r\n\r\n", "hi"])
  })

  it("the field in any case, with any space, among others in any order", () => {
    gives(framing, "content-length:5\r\n\r\nhello", ["hello"])
    gives(framing, "CONTENT-LENGTH: \t 5 \t\r\n\r\nhello", ["hello"])
    const type = "Content-Type: application/vscode-jsonrpc; charset=utf-8\r\n"
    gives(framing, `Content-Length: 2\r\n${type}\r\nhi${type}Content-Length: 3\r\n\r\nabc`, ["hi", "abc"])
    gives(framing, "X-\x21: \xe9:\r\nContent-Length: 1\r\n\r\na", ["a"])
  })

  it("the size in bytes, not in characters", () => {
    const json = Codec.json(Schema.String)(framing)
    const sent = encoded(json, ["é€😀"])
    assert.strictEqual(show(sent).slice(0, 18), "Content-Length: 11")
    gives(json, sent, ["é€😀"])
  })

  it("refuses fields that are none, none at all, and none that says the size", () => {
    for (
      const [fields, detail] of [
        ["\r\n", "there is no Content-Length"],
        ["Content-Type: a\r\n\r\n", "there is no Content-Length"],
        ["Content-Length 5\r\n\r\n", "\"Content-Length 5\" is no header field"],
        ["Content-Length : 5\r\n\r\n", "\"Content-Length : 5\" is no header field"],
        [": 5\r\n\r\n", "\": 5\" is no header field"],
        ["Content-Length: 5\nX: a\r\n\r\n", "\"Content-Length: 5\\nX: a\" is no header field"],
        ["Content-Length: 5\rX: a\r\n\r\n", "\"Content-Length: 5\\rX: a\" is no header field"],
        ["Content-Length: 5\0\r\n\r\n", "\"Content-Length: 5\\u0000\" is no header field"],
        ["Content-Length: 5\r\n folded\r\n\r\n", "\" folded\" is no header field"],
        ["Content-Length: 5\r\nContent-Length: 5\r\n\r\n", "content-length comes twice"],
        ["Content-Length: 5\r\ncontent-length: 6\r\n\r\n", "content-length comes twice"]
      ] as const
    ) {
      gives(framing, wire("ok") + fields + "hello", ["ok", "!FrameError Malformed @23"])
      const error = Decoder.run(framing.decoder.start(), readerOf(bytes(fields)), [])
      assert.strictEqual(error?.reason.message, `the frame is malformed: ${detail}`)
    }
  })

  it("refuses a size that is no number", () => {
    for (
      const size of [
        "",
        "-1",
        "+1",
        "1.0",
        "0x1",
        "1e1",
        "1,1",
        "5 5",
        "9007199254740992",
        "9".repeat(17),
        "٥",
        "\xa05"
      ]
    ) {
      gives(framing, `Content-Length: ${size}\r\n\r\n`, ["!FrameError InvalidLength @0"])
    }
    gives(framing, "Content-Length: 9007199254740991\r\n\r\n", [`!FrameError FrameTooLong ${2 ** 53 - 1} > 1048576 @0`])
  })

  it("the limit, one below, at and one above", () => {
    const framing = ContentLength.make({ limit: 4 })
    gives(framing, wire("abc") + wire("abcd"), ["abc", "abcd"])
    gives(framing, wire("ok") + wire("abcde") + wire("lost"), ["ok", "!FrameError FrameTooLong 5 > 4 @23"])
  })

  it("4 KiB of fields at most, finished or not", () => {
    const fields = (size: number) => {
      const rest = "Content-Length: 1\r\nX: \r\n\r\n"
      return `Content-Length: 1\r\nX: ${"x".repeat(size - rest.length)}\r\n\r\n`
    }
    for (const chunk of [1, 1000, 5000]) {
      const given = (stream: string) => events(framing, inChunks(bytes(stream), chunk))
      assert.deepStrictEqual(given(fields(4095) + "a" + fields(4096) + "b"), ["a", "b"])
      assert.deepStrictEqual(given(fields(4097) + "a"), ["!FrameError Malformed @0"])
      assert.deepStrictEqual(given("x".repeat(4096)), ["!FrameError Malformed @0"])
      assert.deepStrictEqual(given("x".repeat(4095)), ["!FrameError Truncated 4095 of ? @0"])
    }
  })

  it("a stream that ends at any byte of a frame is Truncated", () => {
    const whole = wire("hi")
    for (let have = 1; have < whole.length; have++) {
      gives(framing, whole.slice(0, have), [`!FrameError Truncated ${have} of ${have < 21 ? "?" : "23"} @0`])
    }
  })

  it("looks at the fields once, and allocates nothing for the size", () => {
    const framing = ContentLength.make({ limit: 2 ** 40 })
    const reader = readerOf()
    const step = framing.decoder.start()
    const chunks = inChunks(bytes(`Content-Length: ${2 ** 40}\r\n\r\n`), 1)
    for (const chunk of chunks) {
      reader.push(chunk)
      assert.isUndefined(Decoder.run(step, reader, []))
    }
    const done = work(() => {
      for (let i = 0; i < 100; i++) assert.isUndefined(Decoder.run(step, reader, []))
    })
    assert.strictEqual(reader.needed, 2 ** 40 + chunks.length)
    assert.strictEqual(done.allocated + done.copied + done.read, 0)
  })

  it("shows the first bytes", () => {
    const error = Decoder.run(framing.decoder.start(), readerOf(bytes("GET / HTTP/1.1\r\nHost: a\r\n\r\n")), [])
    assert.instanceOf(error, FramingError.FrameError)
    assert.strictEqual(failureOf(error), "FrameError Malformed @0")
    assert.strictEqual(show(error.head), "GET / HTTP/1.1\r\n")
  })
})

describe("ContentLength writes", () => {
  it("the size and the payload", () => {
    assert.strictEqual(show(encoded(framing, [bytes("hello"), bytes("")])), wire("hello") + wire(""))
  })

  it("up to the limit", () => {
    const framing = ContentLength.make({ limit: 4 })
    assert.strictEqual(framing.limit, 4)
    assert.isUndefined(refusal(framing, bytes("abcd")))
    assert.strictEqual(refusal(framing, bytes("abcde")), "MessageError FrameTooLong 5 > 4")
    assert.throws(() => ContentLength.make({ limit: -1 }), FramingError.InvalidOption)
  })
})
