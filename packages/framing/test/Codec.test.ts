import { assert, describe, it } from "@effect/vitest"
import { ByteWriter, Codec, FramingError, LengthPrefixed, Lines } from "@framewire/framing"
import * as Result from "effect/Result"
import { bytes, encoded, events, failureOf, gives, hex, join, refusal, show } from "./support.ts"

const text = Codec.text(Lines.make())

describe("Codec.text", () => {
  const all = ["", "a", "\u00e9", "\u20ac", "\u{1f600}", "\ufeffa", "\0", "a\rb", "long \u00e9".repeat(2000)]

  it("reads back what it writes, with characters of several bytes cut anywhere", () => {
    for (const framing of [Lines.make(), LengthPrefixed.u16be()]) {
      const codec = Codec.text(framing)
      gives(codec, encoded(codec, all.slice(0, -1)), all.slice(0, -1))
      assert.deepStrictEqual(events(codec, [encoded(codec, all)]), all)
    }
  })

  it("a frame that is not UTF-8 costs one message, and no byte of it becomes another character", () => {
    for (const bad of ["c3 28", "ff", "c3", "ed a0 80", "c0 80", "f4 90 80 80"]) {
      gives(text, join([bytes("a\n"), hex(bad), bytes("\nb\n")]), ["a", "!MessageError InvalidUtf8 @2", "b"])
    }
  })

  it("two bad ones in a row, and one at the end of the stream", () => {
    gives(text, hex("ff 0a fe 0a 61 0a fd"), [
      "!MessageError InvalidUtf8 @0",
      "!MessageError InvalidUtf8 @2",
      "a",
      "!MessageError InvalidUtf8 @6"
    ])
  })

  it("refuses a text that has no UTF-8, and what its framing refuses", () => {
    assert.strictEqual(refusal(text, "a\ud800"), "MessageError InvalidUtf8")
    assert.strictEqual(refusal(text, "\udc00\ud800"), "MessageError InvalidUtf8")
    assert.strictEqual(refusal(text, "\u20ac\n"), "MessageError ContainsDelimiter 3")
    assert.isUndefined(refusal(text, "\u{1f600}"))
  })

  it("the limit counts bytes, not characters", () => {
    const codec = Codec.text(Lines.make({ limit: 4 }))
    assert.strictEqual(codec.limit, 4)
    assert.isUndefined(refusal(codec, "\u00e9\u00e9"))
    assert.strictEqual(refusal(codec, "\u20ac\u00e9"), "MessageError FrameTooLong 5 > 4")
    gives(codec, join([hex("c3a9 c3a9 0a"), hex("e282ac c3a9 0a")]), [
      "\u00e9\u00e9",
      "!FrameError FrameTooLong 5 > 4 @5"
    ])
  })
})

describe("Codec.transform", () => {
  const numbers = Codec.transform(text, (line) => {
    if (/^\d+$/.test(line)) return Number(line)
    throw new FramingError.MessageError({
      direction: "decode",
      reason: new FramingError.SchemaMismatch({ detail: "no number" })
    })
  }, (value: number) => {
    if (Number.isInteger(value)) return String(value)
    const reason = new FramingError.SchemaMismatch({ detail: "no number" })
    throw new FramingError.MessageError({ direction: "encode", reason })
  })

  it("is another meaning for the same frames, with the same limit", () => {
    gives(numbers, encoded(numbers, [1, 20]), [1, 20])
    assert.strictEqual(numbers.limit, text.limit)
  })

  it("converts each message once, and a whole chunk of them by the fast form", () => {
    let calls = 0
    const codec = Codec.transform(text, (line) => {
      calls++
      return line.length
    }, (length: number) => "x".repeat(length))
    const into: Array<number> = []
    assert.strictEqual(codec.decoder.start().many?.(bytes("a\nbb\n\nccc"), 0, 9, into, 9), 6)
    assert.deepStrictEqual([into, calls], [[1, 2, 0], 3])
  })

  it("gives either function the message and nothing else, of many too", () => {
    const hex = Codec.transform(
      text,
      (line, radix = 16) => Number.parseInt(line, radix),
      (value: number, radix = 16) => value.toString(radix)
    )
    gives(hex, encoded(hex, [10, 11, 12]), [10, 11, 12])
    assert.strictEqual(show(encoded(hex, [10, 11, 12])), "a\nb\nc\n")
  })

  it("either function may refuse a message", () => {
    gives(numbers, "1\nx\n3\n", [1, "!MessageError SchemaMismatch @2", 3])
    assert.strictEqual(refusal(numbers, 0.5), "MessageError SchemaMismatch")
  })
})

describe("Codec.duplex", () => {
  it("reads as the one and writes as the other", () => {
    const codec = Codec.duplex(text, LengthPrefixed.u8({ limit: 3 }))
    gives(codec, "a\nb\n", ["a", "b"])
    assert.strictEqual(show(encoded(codec, [bytes("hi")])), "\x02hi")
    assert.strictEqual(codec.limit, 3)
  })
})

describe("Codec.encodeAll", () => {
  it("gives all messages in order, in as few chunks as can be", () => {
    const chunks = Result.getOrThrow(Codec.encodeAll(text, ["a", "b", "c"]))
    assert.deepStrictEqual(chunks.map(show), ["a\nb\nc\n"])
    assert.deepStrictEqual(Result.getOrThrow(Codec.encodeAll(text, [])), [])
  })

  it("gives none where one is refused, and the next batch is its own", () => {
    const large = "x".repeat(5000)
    for (const messages of [["a", "b\nc"], [large, "a", "\n"], ["\n"]]) {
      const result = Codec.encodeAll(text, messages)
      assert.isTrue(Result.isFailure(result))
      assert.strictEqual(show(encoded(text, ["next"])), "next\n")
    }
  })

  it("takes any iterable, and one that throws leaves nothing behind", () => {
    function* some() {
      yield "a"
      yield "b"
    }
    assert.strictEqual(show(encoded(text, some())), "a\nb\n")
    function* broken() {
      yield "lost"
      throw new Error("broken")
    }
    assert.throws(() => Codec.encodeAll(text, broken()), "broken")
    assert.strictEqual(show(encoded(text, ["c"])), "c\n")
  })

  it("can be called within encode", () => {
    const nested: Codec.Codec<never, ReadonlyArray<string>> = {
      limit: 100,
      decoder: { start: () => (reader) => reader.need() },
      encode: (message, writer) => {
        writer.bytes(bytes("<"))
        for (const part of message.map((part) => encoded(text, [part])).toReversed()) writer.bytes(part)
        writer.bytes(bytes(">"))
      }
    }
    assert.strictEqual(show(encoded(nested, [["a", "b"], ["c"]])), "<b\na\n><c\n>")
    assert.strictEqual(refusal(nested, ["a"]), undefined)
    assert.strictEqual(show(encoded(text, ["d"])), "d\n")
  })

  it("batches do not share bytes", () => {
    const batches = Array.from({ length: 200 }, (_, index) => Result.getOrThrow(Codec.encodeAll(text, [`${index}`])))
    batches.forEach((batch, index) => assert.strictEqual(show(join(batch)), `${index}\n`))
  })
})

describe("Codec.write", () => {
  it("appends one message, or leaves the writer as it was", () => {
    const writer = ByteWriter.make()
    assert.isUndefined(Codec.write(text, "a", writer))
    const half: Codec.Codec<never, string> = {
      ...Codec.duplex(Codec.transform(text, () => assert.fail(), String), text),
      encode: (message, writer) => {
        writer.bytes(bytes("half of it"))
        writer.bytes(new Uint8Array(5000))
        if (message === "defect") throw new Error("defect")
        text.encode(message, writer)
      }
    }
    assert.strictEqual(failureOf(Codec.write(half, "\n", writer)!), "MessageError ContainsDelimiter 0")
    assert.strictEqual(writer.length, 2)
    assert.throws(() => Codec.write(half, "defect", writer), "defect")
    assert.strictEqual(writer.length, 2)
    assert.isUndefined(Codec.write(text, "b", writer))
    assert.strictEqual(show(join(writer.finish())), "a\nb\n")
  })
})

describe("Codec.decodeAll", () => {
  it("gives every message, and every failure with the number of messages before it", () => {
    const { failures, messages } = Codec.decodeAll(text, [bytes("a\n\xff\nb\n\xfe\n\xfd\nc")])
    assert.deepStrictEqual(messages, ["a", "b", "c"])
    assert.deepStrictEqual(failures.map(({ after, error }) => [after, failureOf(error)]), [
      [1, "MessageError InvalidUtf8 @2"],
      [2, "MessageError InvalidUtf8 @6"],
      [2, "MessageError InvalidUtf8 @8"]
    ])
  })

  it("stops at the first frame error", () => {
    const codec = Codec.text(LengthPrefixed.u8({ limit: 2 }))
    const { failures, messages } = Codec.decodeAll(codec, [
      bytes("\x01a\x01\xff"),
      bytes("\x03abc\x01b"),
      bytes("\x01c")
    ])
    assert.deepStrictEqual(messages, ["a"])
    assert.deepStrictEqual(failures.map(({ error }) => failureOf(error)), [
      "MessageError InvalidUtf8 @2",
      "FrameError FrameTooLong 3 > 2 @4"
    ])
  })
})

describe("Codec.limitOf", () => {
  it("is what was asked for, or the default within what can be", () => {
    assert.strictEqual(Codec.limitOf(undefined), Codec.defaultLimit)
    assert.strictEqual(Codec.limitOf(undefined, 10), 10)
    assert.strictEqual(Codec.limitOf(7, 10), 7)
    assert.strictEqual(Codec.limitOf(10, 10), 10)
    assert.strictEqual(Codec.limitOf(0), 0)
    assert.strictEqual(Codec.limitOf(Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER)
    for (const limit of [11, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => Codec.limitOf(limit, 10), FramingError.InvalidOption, "a whole number of bytes from 0 to 10")
    }
  })
})
