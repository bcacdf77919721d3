import { assert, describe, it } from "@effect/vitest"
import { Codec, ConcatenatedJson } from "@framewire/framing"
import { CodecLaws } from "@framewire/framing/testing"
import * as Schema from "effect/Schema"
import { bytes, encoded, gives, noise, refusal, show, work } from "./support.ts"

const { make } = ConcatenatedJson
const malformed = (at: number) => `!FrameError Malformed @${at}`

describe("ConcatenatedJson", () => {
  it("finds objects and arrays by their brackets, and drops white space around them", () => {
    gives(make(), " {\"a\":1}\r\n\t[1, 2]{}[] ", ["{\"a\":1}", "[1, 2]", "{}", "[]"])
    gives(make(), "{\"a\":[{}]}{ }", ["{\"a\":[{}]}", "{ }"])
  })

  it("does not count what is in a string", () => {
    for (const text of ["{\"a\":\"}\"}", "[\"\\\"]\"]", "[\"\\\\\"]", "{\"foo\" : \"bar\\\\\\\"\"}", "[\"{\"]"]) {
      gives(make(), `${text}{}`, [text, "{}"])
    }
  })

  it("refuses a byte that begins neither, and frames before it come out", () => {
    gives(make(), "{} b [1]", ["{}", malformed(3)])
    for (const stream of ["1", "\"a\"", ",", "]", "\u00ef\u00bb\u00bf{}"]) gives(make(), stream, [malformed(0)])
  })

  it("says that a stream ended within a frame", () => {
    gives(make(), "{}[1", ["{}", "!FrameError Truncated 2 of ? @2"])
    gives(make(), "  ", [])
  })

  it("counts a frame without the white space around it: one below the limit, at, one above, unfinished", () => {
    const codec = make({ limit: 5 })
    gives(codec, "      [12]      [123][1234]", ["[12]", "[123]", "!FrameError FrameTooLong 6 > 5 @21"])
    gives(codec, "[12345", ["!FrameError FrameTooLong 6 > 5 @0"])
    gives(make({ limit: 6 }), "{}{}{}{}", ["{}", "{}", "{}", "{}"])
  })

  it("sends one object or array, and nothing else", () => {
    assert.strictEqual(show(encoded(make(), [bytes("{}"), bytes("[ 1 ]")])), "{}[ 1 ]")
    for (const text of ["", "1", " {}", "{} ", "{}{}", "{", "\"a\""]) {
      assert.strictEqual(refusal(make(), bytes(text)), "MessageError Malformed", text)
    }
    assert.strictEqual(refusal(make({ limit: 5 }), bytes("[1234]")), "MessageError FrameTooLong 6 > 5")
  })

  it("with a schema a frame that is no JSON costs one message", () => {
    const points = Codec.json(Schema.Struct({ x: Schema.Finite }))(make())
    gives(points, "{\"x\":1}{x}{\"x\":2}", [{ x: 1 }, "!MessageError InvalidJson @7", { x: 2 }])
  })

  it("looks at each byte once, however many chunks a frame has", () => {
    const stream = bytes(`[${"1,".repeat(50_000)}1]`)
    const done = work(() => Codec.decodeAll(make(), Array.from(stream, (byte) => Uint8Array.of(byte))))
    assert.isAtMost(done.read, 2 * stream.length)
    assert.isAtMost(done.copied, 8 * stream.length)
  })
})

describe("ConcatenatedJson of elements", () => {
  const elements = make({ elements: true })

  it("gives the elements of arrays, of every kind", () => {
    gives(elements, "[ 12, \"b,]\" , 1.5\t,{\"k\": [1,2]} , true,null, [\"a\", [1]] ] [] [1]{\"c\":2}", [
      "12",
      "\"b,]\"",
      "1.5",
      "{\"k\": [1,2]}",
      "true",
      "null",
      "[\"a\", [1]]",
      "1",
      "{\"c\":2}"
    ])
  })

  it("refuses commas too many and too few", () => {
    for (
      const [stream, at] of [["[,1]", 1], ["[1,,2]", 3], ["[1,]", 3], ["[1 2]", 3], ["[1]]", 3], [
        "[\"a\"b]",
        4
      ]] as const
    ) {
      const before = at > 2 ? [stream.startsWith("[\"") ? "\"a\"" : "1"] : []
      gives(elements, stream, [...before, malformed(at)])
    }
  })

  it("a stream that ends within an array says so, wherever it ends", () => {
    gives(elements, "[", ["!FrameError Truncated 1 of ? @0"])
    gives(elements, "[1", ["!FrameError Truncated 1 of ? @1"])
    gives(elements, "[1,", ["1", "!FrameError Truncated 1 of ? @2"])
    gives(elements, "[\"a\"  ", ["\"a\"", "!FrameError Truncated 1 of ? @5"])
  })

  it("sends each in an array of its own", () => {
    assert.strictEqual(show(encoded(elements, [bytes("1"), bytes("{}")])), "[1][{}]")
    for (const text of ["", " 1", "1 ", "1,2", "]", "[1", "1][2"]) {
      assert.strictEqual(refusal(elements, bytes(text)), "MessageError Malformed", text)
    }
  })
})

describe("laws of concatenated JSON", () => {
  const texts = ["{}", "[]", "[1,{\"a\":\"]}\"}]", "[\"\\\\\"]", "", "1", "{} ", "[1][2]"]
  const streams = ["  {}", "{}x", "[[[[", "[\"\\", "[1,2] [3", "[1,]", "\"a\"", "   "].map(bytes)
  for (const [which, elements] of [["frames", false], ["elements", true]] as const) {
    for (
      const { name, run } of CodecLaws.suite({
        codec: make({ elements, limit: 300 }),
        messages: texts.map(bytes),
        ofSize: (size) => bytes(size < 2 ? "" : `[${" ".repeat(size - 2)}]`),
        streams,
        noise
      })
    ) it(`${which}: ${name}`, run)
  }
})
