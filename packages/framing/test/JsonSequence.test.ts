import { assert, describe, it } from "@effect/vitest"
import { Decoder, FramingError, JsonSequence } from "@framewire/framing"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { bytes, encoded, events, gives, inChunks, readerOf, refusal, show } from "./support.ts"

const values = JsonSequence.make(Schema.Unknown)
const texts = JsonSequence.framing()
const RS = "\x1e"

describe("JsonSequence reads", () => {
  it("texts, however they are cut", () => {
    gives(values, "", [])
    gives(values, `${RS}{"a":1}\n${RS}12\n${RS}"x"\n${RS}null\n`, [{ a: 1 }, 12, "x", null])
    gives(texts, `${RS}{"a":"\xc3\xa9"}\n`, ["{\"a\":\"\xc3\xa9\"}"])
  })

  it("a text of several lines as one, and gives it at its last", () => {
    // As jq --seq writes it.
    const pretty = "{\n  \"a\": [\n    1,\n    \"]}\\\"\\\\\"\n  ]\n}"
    gives(values, `${RS}${pretty}\n${RS}1\n`, [{ a: [1, "]}\"\\"] }, 1])
    assert.deepStrictEqual(events(texts, [bytes(`${RS}${pretty}\n`)]), [pretty])
  })

  it("a text is there with its LF: nothing that follows is waited for", () => {
    for (const stream of [`${RS}1\n`, `${RS}{"a":\n1}\n`, `${RS}"\\""\n`]) {
      const into: Array<unknown> = []
      assert.isUndefined(Decoder.run(values.decoder.start(), readerOf(...inChunks(bytes(stream), 1)), into))
      assert.lengthOf(into, 1)
    }
  })

  it("white space and several RS between texts as nothing", () => {
    gives(values, `${RS}${RS}${RS}1\n\r\n \t${RS} ${RS}\n2\n${RS}`, [1, 2])
    gives(values, ` \n${RS}`, [])
  })

  it("a text that the next RS or the end cuts short costs one message", () => {
    gives(values, `${RS}{"a":${RS}1\n`, ["!MessageError Malformed @1", 1])
    gives(values, `${RS}"ab${RS}[1\n${RS}2\n`, ["!MessageError Malformed @1", "!MessageError Malformed @5", 2])
    gives(values, `${RS}1\n${RS}{"a":`, [1, "!MessageError Malformed @4"])
    gives(values, `${RS}"a\n"\n${RS}2\n`, ["!MessageError InvalidJson @1", 2])
  })

  it("a number, true, false and null are whole with white space after them alone, others by themselves", () => {
    for (const text of ["12", "-1", "true", "false", "null"]) {
      gives(values, `${RS}${text}${RS}1\n`, ["!MessageError Malformed @1", 1])
      gives(values, `${RS}${text}`, ["!MessageError Malformed @1"])
      gives(values, `${RS}${text} ${RS}1\n`, [JSON.parse(text), 1])
      gives(values, `${RS}${text}\t`, [JSON.parse(text)])
    }
    for (const text of ["{}", "[1]", "\"a\""]) {
      gives(values, `${RS}${text}${RS}${text}`, [JSON.parse(text), JSON.parse(text)])
    }
  })

  it("a text without RS in front costs one message", () => {
    gives(values, `1\n{"a":\n1}\n${RS}2\n3\n${RS}4\n`, [
      "!MessageError Malformed @0",
      "!MessageError Malformed @2",
      2,
      "!MessageError Malformed @14",
      4
    ])
  })

  it("what is no JSON, no UTF-8 and not of the schema costs one message", () => {
    gives(JsonSequence.make(Schema.Number), `${RS}1 2\n${RS}]]\n${RS}"\xff"\n${RS}"a"\n \n${RS}${RS}{]\n${RS}1\n`, [
      "!MessageError InvalidJson @1",
      "!MessageError InvalidJson @6",
      "!MessageError InvalidUtf8 @10",
      "!MessageError SchemaMismatch @15",
      "!MessageError InvalidJson @23",
      1
    ])
  })

  it("the limit, one below, at and one above", () => {
    const stream = `${RS}123\n${RS}1234\n${RS}12345\n${RS}1\n`
    const fail = JsonSequence.make(Schema.Unknown, { limit: 4 })
    const skip = JsonSequence.make(Schema.Unknown, { limit: 4, onTooLong: "skip" })
    assert.strictEqual(fail.limit, 4)
    gives(fail, stream, [123, 1234, "!FrameError FrameTooLong 5 > 4 @12"])
    gives(skip, stream, [123, 1234, "!MessageError FrameTooLong 5 > 4 @12", 1])
    gives(skip, `${RS}[[[[[[${RS}1\n2\n${RS}"aaaaaa`, [
      "!MessageError FrameTooLong 6 > 4 @1",
      1,
      "!MessageError Malformed @10",
      "!MessageError FrameTooLong 7 > 4 @13"
    ])
    gives(skip, "12345678\n1\n", ["!MessageError FrameTooLong 8 > 4 @0", "!MessageError Malformed @9"])
  })
})

describe("JsonSequence writes", () => {
  it("RS, the text and LF", () => {
    assert.strictEqual(show(encoded(values, [{ a: "\n\x1e" }, 12])), `${RS}{"a":"\\n\\u001e"}\n${RS}12\n`)
    gives(values, encoded(values, [{ a: "\n\x1e" }, 12]), [{ a: "\n\x1e" }, 12])
  })

  it("refuses bytes that its own reader would not read as the same text", () => {
    const refusals = {
      "": "Malformed",
      " 1": "Malformed",
      "\"a": "Malformed",
      "[1": "Malformed",
      "\n1": "ContainsDelimiter 0",
      "1\n2": "ContainsDelimiter 1",
      "[\x1e]": "ContainsDelimiter 1"
    }
    for (const [text, reason] of Object.entries(refusals)) {
      assert.strictEqual(refusal(texts, bytes(text)), `MessageError ${reason}`)
    }
    gives(texts, encoded(texts, [bytes("[\n1]"), bytes("1 ")]), ["[\n1]", "1 "])
  })

  it("one above the limit is refused before its end, also behind another", () => {
    const framing = JsonSequence.framing({ limit: 4 })
    for (const before of ["", "\x1e1\n"]) {
      const error = Decoder.run(framing.decoder.start(), readerOf(bytes(`${before}\x1e12345`)), [])
      assert.strictEqual(error?.reason._tag, "FrameTooLong")
    }
  })

  it("up to the limit, and options that mean something", () => {
    const framing = JsonSequence.framing({ limit: 4 })
    assert.isUndefined(refusal(framing, bytes("1234")))
    assert.strictEqual(refusal(framing, bytes("12345")), "MessageError FrameTooLong 5 > 4")
    assert.throws(() => JsonSequence.framing({ limit: -1 }), FramingError.InvalidOption)
    assert.throws(() => JsonSequence.framing({ onTooLong: "truncate" as "skip" }), FramingError.InvalidOption)
  })

  it.prop(
    "any bytes give the same, however they are cut, and its texts are read as they are written",
    {
      onTooLong: Arbitrary.schema(Schema.Literals(["fail", "skip"])),
      limit: Arbitrary.schema(Schema.Literals([0, 2, 100])),
      stream: Arbitrary.array(Arbitrary.schema(Schema.Literals([RS, RS, "\n", "\n", "1", "{", "}", "\"", "\\", " "])), {
        maxLength: 20
      })
    },
    ({ stream, ...options }) => {
      const framing = JsonSequence.framing(options)
      const given = events(framing, [bytes(stream.join(""))])
      gives(framing, stream.join(""), given)
      const frames = given.filter((of): of is string => typeof of === "string" && !of.startsWith("!"))
      gives(framing, encoded(framing, frames.map(bytes)), frames)
    },
    { arbitrary: { runs: 1000, seed: 1 } }
  )
})
