import { assert, describe, it } from "@effect/vitest"
import { ByteWriter, Codec, Decoder, FramingError, Lines } from "@framewire/framing"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import {
  bytes,
  cuttings,
  encoded,
  events,
  failureOf,
  gives,
  inChunks,
  readerOf,
  refusal,
  show,
  work
} from "./support.ts"

const lines = Lines.make()
const crlf = Lines.make({ ending: "crlf" })
const strictCrlf = Lines.make({ ending: "crlf", strict: true })
const strictLf = Lines.make({ ending: "lf", strict: true })

describe("Lines reads", () => {
  for (const [name, framing] of [["lf", lines], ["crlf", crlf]] as const) {
    it(`LF and CRLF, whatever it writes (${name})`, () => {
      gives(framing, "", [])
      gives(framing, "a\nb\r\nc\n", ["a", "b", "c"])
      gives(framing, "\n\r\n\n", ["", "", ""])
      gives(framing, "hello\r\n\naCRb\n", ["hello", "", "aCRb"])
    })

    it(`a lone CR as data (${name})`, () => {
      gives(framing, "a\rb\n", ["a\rb"])
      gives(framing, "\r\r\n", ["\r"])
      gives(framing, "a\r\r\r\n\ra\n", ["a\r\r", "\ra"])
    })

    it(`a last line without an end, and a CR at the end of the stream as a part of it (${name})`, () => {
      gives(framing, "a\nb", ["a", "b"])
      gives(framing, "a\r", ["a"])
      gives(framing, "\r", [""])
      gives(framing, "a\n\r", ["a", ""])
      gives(framing, "a\r\r", ["a\r"])
      gives(framing, "a\n", ["a"])
    })
  }

  it("strict crlf: CRLF alone ends a line, and a bare LF ends the stream", () => {
    gives(strictCrlf, "a\r\nb\r\n\r\n", ["a", "b", ""])
    gives(strictCrlf, "a\rb\r\n", ["a\rb"])
    gives(strictCrlf, "a\r\nb\nc\r\n", ["a", "!FrameError BareLineFeed @3"])
    gives(strictCrlf, "\n", ["!FrameError BareLineFeed @0"])
    gives(strictCrlf, "a\r\n\n", ["a", "!FrameError BareLineFeed @3"])
    gives(strictCrlf, "a\rb\n", ["!FrameError BareLineFeed @0"])
    gives(strictCrlf, "tail", ["tail"])
    gives(strictCrlf, "tail\r", ["tail"])
  })

  it("strict lf: LF alone ends a line, and a CR is data", () => {
    gives(strictLf, "a\nb\r\n\r\n\n", ["a", "b\r", "\r", ""])
    gives(strictLf, "tail\r", ["tail\r"])
    gives(strictLf, "\r", ["\r"])
  })

  it("the limit, one below, at and one above, for every way a line can end", () => {
    const long = ["ok", "!FrameError FrameTooLong 5 > 4 @3"]
    for (
      const [ending, strict, ends] of [
        ["lf", false, ["\n", "\r\n", "", "\r"]],
        ["crlf", false, ["\n", "\r\n", "", "\r"]],
        ["crlf", true, ["\r\n", "", "\r"]],
        ["lf", true, ["\n", ""]]
      ] as const
    ) {
      const framing = Lines.make({ ending, strict, limit: 4 })
      const ok = strict && ending === "crlf" ? "o\r\n" : "ok\n"
      for (const end of ends) {
        gives(framing, `${ok}abc${end}`, [ok.trimEnd(), "abc"])
        gives(framing, `${ok}abcd${end}`, [ok.trimEnd(), "abcd"])
        gives(framing, `${ok}abcde${end}`, [ok.trimEnd(), long[1]])
        gives(framing, `${ok}abcdefgh${end}`, [ok.trimEnd(), long[1]])
      }
      // A second CR is payload, because only one can belong to the ending.
      gives(framing, `${ok}abc\r\r\n`, [ok.trimEnd(), strict && ending === "lf" ? long[1] : "abc\r"])
      gives(framing, `${ok}abcd\r\r\n`, [ok.trimEnd(), long[1]])
      gives(framing, `${ok}abcd\rx`, [ok.trimEnd(), long[1]])
    }
  })

  it("a CR that may yet belong to the ending is not counted, one that cannot is", () => {
    const framing = Lines.make({ limit: 4 })
    const step = framing.decoder.start()
    const reader = readerOf(bytes("abcd\r"))
    const into: Array<Uint8Array> = []
    assert.isUndefined(Decoder.run(step, reader, into))
    reader.push(bytes("\nab"))
    assert.isUndefined(Decoder.run(step, reader, into))
    assert.deepStrictEqual(into.map(show), ["abcd"])

    const strict = Lines.make({ limit: 4, strict: true })
    const error = Decoder.run(strict.decoder.start(), readerOf(bytes("abcd\r")), [])
    assert.strictEqual(failureOf(error!), "FrameError FrameTooLong 5 > 4 @0")
  })

  it("a limit of 0: empty lines and nothing else", () => {
    const framing = Lines.make({ limit: 0 })
    gives(framing, "\n\r\n\n\r", ["", "", "", ""])
    gives(framing, "\na\n", ["", "!FrameError FrameTooLong 1 > 0 @1"])
  })

  it("a long line in strict crlf is too long, also when a bare LF follows, however it is cut", () => {
    const framing = Lines.make({ ending: "crlf", strict: true, limit: 4 })
    gives(framing, "abcde\n", ["!FrameError FrameTooLong 5 > 4 @0"])
    gives(framing, "abcd\rx\n", ["!FrameError FrameTooLong 5 > 4 @0"])
    gives(framing, "abcd\n", ["!FrameError BareLineFeed @0"])
  })

  it("an error shows the first bytes of its line, the same ones however it is cut, and none of the next", () => {
    for (
      const [framing, stream, head] of [
        [Lines.make({ limit: 4 }), "ok\nabcdefgh\nnext\n", "abcde"],
        [Lines.make({ limit: 20 }), "ok\nabcdefghijklmnopqrstuvwxyz", "abcdefghijklmnop"],
        [strictCrlf, "a\r\nbc\ndef", "bc\n"],
        [strictCrlf, "abcdefghijklmnopqrstuvwxyz\ndef", "abcdefghijklmnop"]
      ] as const
    ) {
      for (const chunks of cuttings(bytes(stream))) {
        const [failure] = Codec.decodeAll(framing, chunks).failures
        assert.instanceOf(failure?.error, FramingError.FrameError)
        assert.strictEqual(show(failure.error.head), head)
      }
    }
  })

  it("bytes of any value, and none is a character to it", () => {
    const every = Uint8Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => byte !== 10)
    gives(lines, show(every) + "\n", [show(every)])
  })

  it("what the file's box says", () => {
    gives(lines, "hello\r\n\na\rb\nhi", ["hello", "", "a\rb", "hi"])
  })
})

describe("Lines that goes on after what is too long", () => {
  const skip = Lines.make({ limit: 4, onTooLong: "skip" })
  const truncate = Lines.make({ limit: 4, onTooLong: "truncate" })

  it("skip: costs one message, with its size", () => {
    gives(skip, "ok\nabcde\r\nabcd\r\nabcdefghijkl\n\nz", [
      "ok",
      "!MessageError FrameTooLong 5 > 4 @3",
      "abcd",
      "!MessageError FrameTooLong 12 > 4 @16",
      "",
      "z"
    ])
    gives(skip, "abcd\r\r\nz\n", ["!MessageError FrameTooLong 5 > 4 @0", "z"])
    gives(Lines.make({ limit: 0, onTooLong: "skip" }), "a\n\n", ["!MessageError FrameTooLong 1 > 0 @0", ""])
  })

  it("truncate: gives the first bytes, and then costs one message", () => {
    gives(truncate, "ok\nabcde\r\nabcd\r\nabcdefghijkl\n\nz", [
      "ok",
      "abcd",
      "!MessageError FrameTooLong 5 > 4 @3",
      "abcd",
      "abcd",
      "!MessageError FrameTooLong 12 > 4 @16",
      "",
      "z"
    ])
  })

  it("truncate: cuts no character of UTF-8 in two, and bytes that are none where the limit is", () => {
    const text = Codec.text(truncate)
    const tooLong = (size: number) => `!MessageError FrameTooLong ${size} > 4 @0`
    for (
      const [line, cut, size] of [
        ["abc\u00e9fg", "abc", 7],
        ["ab\u00e9fg", "ab\u00e9", 6],
        ["abc\u20ac", "abc", 6],
        ["ab\u20acc", "ab", 6],
        ["a\u20acb", "a\u20ac", 5],
        ["abc\u{1f600}", "abc", 7],
        ["a\u{1f600}", "a", 5],
        ["\u{1f600}a", "\u{1f600}", 5]
      ] as const
    ) {
      gives(text, ByteWriter.utf8(`${line}\n`), [cut, tooLong(size)])
    }
    for (
      const line of ["abc\xe9fg", "abcd\x80", "ab\x80\x80\x80", "\x80\x80\x80\x80\x80", "ab\xc3\xa9\xa9", "abc\xff\x80"]
    ) {
      gives(truncate, `${line}\n`, [line.slice(0, 4), tooLong(line.length)])
    }
    // There is no room for one.
    gives(Lines.make({ limit: 1, onTooLong: "truncate" }), "\xc3\xa9\n", [
      "\xc3",
      "!MessageError FrameTooLong 2 > 1 @0"
    ])
  })

  it("the end of the stream ends a line that is too long, as it ends any other", () => {
    for (const [stream, size] of [["abcdefgh", 8], ["abcdefgh\r", 8], ["abcde", 5], ["abcd\r\r", 5]] as const) {
      gives(skip, stream, [`!MessageError FrameTooLong ${size} > 4 @0`])
      gives(truncate, stream, ["abcd", `!MessageError FrameTooLong ${size} > 4 @0`])
    }
  })

  it("a bare LF in strict crlf ends the connection, whatever the length of its line", () => {
    const strict = { ending: "crlf", strict: true, limit: 4 } as const
    gives(Lines.make({ ...strict, onTooLong: "skip" }), "abcdef\r\nab\r\nabcdef\nab\r\n", [
      "!MessageError FrameTooLong 6 > 4 @0",
      "ab",
      "!FrameError BareLineFeed @12"
    ])
    gives(Lines.make({ ...strict, onTooLong: "truncate" }), "abcdef\nab\r\n", ["abcd", "!FrameError BareLineFeed @0"])
  })

  it("keeps one byte of it and searches each once", () => {
    for (const framing of [skip, truncate]) {
      const reader = readerOf()
      const step = framing.decoder.start()
      const chunks = inChunks(new Uint8Array(100_000).fill(97), 1000)
      const done = work(() => {
        for (const chunk of chunks) {
          reader.push(chunk)
          assert.isUndefined(Decoder.run(step, reader, []))
          assert.strictEqual(reader.length, 1)
        }
      })
      assert.strictEqual(done.searched, 100_000)
      assert.isAtMost(done.copied, 110_000)
    }
  })

  it("is refused where it means nothing", () => {
    const make = (options: unknown) => () => Lines.make(options as Lines.LinesOptions)
    assert.throws(make({ onTooLong: "drop" }), FramingError.InvalidOption, "allowed is fail, skip or truncate")
    assert.throws(make({ onTooLong: "truncate", limit: 0 }), FramingError.InvalidOption, "limit is 0")
  })
})

describe("Lines writes", () => {
  it("LF, or CRLF where it is asked for", () => {
    const messages = [bytes("a"), bytes(""), bytes("b\rc")]
    assert.strictEqual(show(encoded(lines, messages)), "a\n\nb\rc\n")
    assert.strictEqual(show(encoded(crlf, messages)), "a\r\n\r\nb\rc\r\n")
    assert.strictEqual(show(encoded(strictCrlf, messages)), "a\r\n\r\nb\rc\r\n")
    assert.strictEqual(show(encoded(strictLf, messages)), "a\n\nb\rc\n")
  })

  it("refuses a payload that would be read as two lines", () => {
    for (const framing of [lines, crlf, strictCrlf, strictLf]) {
      assert.strictEqual(refusal(framing, bytes("a\nb")), "MessageError ContainsDelimiter 1")
      assert.strictEqual(refusal(framing, bytes("\n")), "MessageError ContainsDelimiter 0")
      assert.strictEqual(refusal(framing, bytes("a\r\nb")), "MessageError ContainsDelimiter 2")
    }
  })

  it("refuses a last CR where its own reader would take it for a part of the ending, and nowhere else", () => {
    assert.strictEqual(refusal(lines, bytes("a\r")), "MessageError ContainsDelimiter 1")
    assert.strictEqual(refusal(lines, bytes("\r")), "MessageError ContainsDelimiter 0")
    for (const framing of [crlf, strictCrlf, strictLf]) {
      gives(framing, encoded(framing, [bytes("a\r"), bytes("\r"), bytes("b")]), ["a\r", "\r", "b"])
    }
  })

  it("up to the limit, both ways the same", () => {
    for (const ending of ["lf", "crlf"] as const) {
      const framing = Lines.make({ ending, limit: 4 })
      assert.strictEqual(framing.limit, 4)
      gives(framing, encoded(framing, [bytes("abc"), bytes("abcd")]), ["abc", "abcd"])
      assert.strictEqual(refusal(framing, bytes("abcde")), "MessageError FrameTooLong 5 > 4")
    }
    const text = new FramingError.MessageError({
      direction: "encode",
      reason: new FramingError.ContainsDelimiter({ index: 1 })
    })
    assert.strictEqual(text.message, "the delimiter is in the message, at byte 1")
  })

  const alphabet = Schema.Literals(["a", "b", "\r", "\n"])
  it.prop(
    "what it writes is read back as the same messages, and what it refuses would not be",
    {
      ending: Arbitrary.schema(Schema.Literals(["lf", "crlf"])),
      strict: Arbitrary.schema(Schema.Boolean),
      limit: Arbitrary.schema(Schema.Literals([0, 1, 3, 100])),
      messages: Arbitrary.array(Arbitrary.array(Arbitrary.schema(alphabet), { maxLength: 6 }))
    },
    ({ ending, limit, messages, strict }) => {
      const framing = Lines.make({ ending, strict, limit })
      const texts = messages.map((characters) => characters.join(""))
      const written = texts.filter((text) => refusal(framing, bytes(text)) === undefined)
      gives(framing, encoded(framing, written.map(bytes)), written)
      const wire = ending === "crlf" ? "\r\n" : "\n"
      for (const text of texts) {
        if (!written.includes(text)) assert.notDeepEqual(events(framing, [bytes(text + wire)]), [text])
      }
    },
    { arbitrary: { runs: 300, seed: 1 } }
  )

  it.prop(
    "any bytes give the same, however they are cut",
    {
      ending: Arbitrary.schema(Schema.Literals(["lf", "crlf"])),
      strict: Arbitrary.schema(Schema.Boolean),
      onTooLong: Arbitrary.schema(Schema.Literals(["fail", "skip", "truncate"])),
      limit: Arbitrary.schema(Schema.Literals([1, 2, 3, 100])),
      stream: Arbitrary.array(Arbitrary.schema(alphabet), { maxLength: 16 })
    },
    ({ stream, ...options }) => {
      const framing = Lines.make(options)
      gives(framing, stream.join(""), events(framing, [bytes(stream.join(""))]))
    },
    { arbitrary: { runs: 1000, seed: 1 } }
  )
})

describe("Lines.make", () => {
  it("has a finite limit", () => {
    assert.strictEqual(lines.limit, 1_048_576)
    assert.strictEqual(Lines.make({ limit: 7 }).limit, 7)
  })

  it("refuses what cannot work, and says what can", () => {
    for (const ending of ["cr", "", null, 10]) {
      const make = () => Lines.make({ ending } as unknown as Lines.LinesOptions)
      assert.throws(make, FramingError.InvalidOption, `ending is ${ending}, allowed is lf or crlf`)
    }
    for (const limit of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, "7"]) {
      const make = () => Lines.make({ limit } as Lines.LinesOptions)
      assert.throws(
        make,
        FramingError.InvalidOption,
        `limit is ${limit}, allowed is a whole number of bytes from 0 to `
      )
    }
  })
})
