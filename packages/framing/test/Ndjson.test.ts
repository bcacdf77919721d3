import { assert, describe, it } from "@effect/vitest"
import { Codec, FramingError, Ndjson } from "@framewire/framing"
import * as Schema from "effect/Schema"
import { bytes, encoded, gives, hex, inChunks, refusal, show } from "./support.ts"

const values = Ndjson.make(Schema.Unknown)
const ignoring = Ndjson.make(Schema.Unknown, { blankLines: "ignore" })
const points = Ndjson.make(Schema.Struct({ x: Schema.Number }))

describe("Ndjson reads", () => {
  it("values, one a line, however they are cut", () => {
    gives(values, "", [])
    gives(values, "{\"a\":1}\n[\n2\r\nnull\n\"\xc3\xa9\"", [
      { a: 1 },
      "!MessageError InvalidJson @8",
      2,
      null,
      "é"
    ])
  })

  it("a value that is bad costs one message, and says where it began", () => {
    gives(points, "{\"x\":1}\n{\"y\":1}\n\xff\n{\"x\":2}\n", [
      { x: 1 },
      "!MessageError SchemaMismatch @8",
      "!MessageError InvalidUtf8 @16",
      { x: 2 }
    ])
    gives(values, hex("efbbbf310a320a"), ["!MessageError InvalidJson @0", 2])
  })

  it("refuses blank lines, or ignores them and white space alone", () => {
    gives(values, "1\n\n \t\r\n2\n", [1, "!MessageError InvalidJson @2", "!MessageError InvalidJson @3", 2])
    gives(ignoring, "1\n\n \t\r\n2\n\n", [1, 2])
    gives(ignoring, "\n", [])
    gives(ignoring, " \r", [])
    gives(ignoring, "\n\nx\n1", ["!MessageError InvalidJson @2", 1])
  })

  it("blank lines take no memory, and are no bytes that a message lost", () => {
    const chunks = inChunks(bytes("\n".repeat(10_000) + "1\n"), 100)
    assert.deepStrictEqual(Codec.decodeAll(ignoring, chunks), { messages: [1], failures: [] })
  })

  it("the limit, one below, at and one above", () => {
    const options = { limit: 4 }
    gives(Ndjson.make(Schema.Unknown, options), "123\n1234\r\n12345\n1\n", [
      123,
      1234,
      "!FrameError FrameTooLong 5 > 4 @10"
    ])
    gives(Ndjson.make(Schema.Unknown, { ...options, onTooLong: "skip" }), "1234\n12345\n1\n", [
      1234,
      "!MessageError FrameTooLong 5 > 4 @5",
      1
    ])
    gives(Ndjson.make(Schema.Unknown, { ...options, onTooLong: "skip", blankLines: "ignore" }), "\n     \n\n1\n", [
      "!MessageError FrameTooLong 5 > 4 @1",
      1
    ])
  })
})

describe("Ndjson writes", () => {
  it("one line a value, whatever is in it", () => {
    assert.strictEqual(show(encoded(values, [{ a: "b\nc\r" }, [1, 2], null])), "{\"a\":\"b\\nc\\r\"}\n[1,2]\nnull\n")
    gives(values, encoded(values, [{ a: "b\nc\r" }, [1, 2]]), [{ a: "b\nc\r" }, [1, 2]])
  })

  it("what its reader takes, and nothing else", () => {
    assert.strictEqual(refusal(points, { x: "1" } as unknown as { x: number }), "MessageError SchemaMismatch")
    assert.strictEqual(refusal(Ndjson.make(Schema.Unknown, { limit: 4 }), 12345), "MessageError FrameTooLong 5 > 4")
    assert.isUndefined(refusal(Ndjson.make(Schema.Unknown, { limit: 4 }), 1234))
  })

  it("refuses options that mean nothing", () => {
    const make = (options: unknown) => () => Ndjson.make(Schema.Unknown, options as Ndjson.NdjsonOptions)
    assert.throws(
      make({ blankLines: "skip" }),
      FramingError.InvalidOption,
      "blankLines is skip, allowed is refuse or ignore"
    )
    assert.throws(make({ onTooLong: "truncate" }), FramingError.InvalidOption, "allowed is fail or skip")
    assert.throws(make({ limit: -1 }), FramingError.InvalidOption, "limit")
  })
})
