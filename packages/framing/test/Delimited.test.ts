import { assert, describe, it } from "@effect/vitest"
import { ByteReader, Decoder, Delimited, FramingError } from "@framewire/framing"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { bytes, encoded, events, gives, hex, inChunks, readerOf, refusal, show } from "./support.ts"

const { make } = Delimited
const crlfOrLf = make({ delimiter: ["\r\n", "\n"] })

describe("Delimited reads", () => {
  it("one byte, several bytes, text and bytes", () => {
    gives(make({ delimiter: "\0" }), "", [])
    gives(make({ delimiter: "\0" }), "a\0\0bc\0", ["a", "", "bc"])
    gives(make({ delimiter: "||" }), "a|b||||c||", ["a|b", "", "c"])
    gives(make({ delimiter: hex("00ff") }), "a\0\0\xffb\xff\0\xff", ["a\0", "b\xff"])
    gives(make({ delimiter: "é" }), "a\xc3b\xc3\xa9", ["a\xc3b"])
  })

  it("any of several", () => {
    gives(make({ delimiter: [";", "\r\n"] }), "a;b\r\n;c\rd;", ["a", "b", "", "c\rd"])
    gives(make({ delimiter: [",", ";", "\n", "\r"] }), "chunk 1,chunk 2;chunk 3\n\r", [
      "chunk 1",
      "chunk 2",
      "chunk 3",
      ""
    ]) // tokio-any-01
    gives(crlfOrLf, "TestLine\r\ng\r\nh\n\r\n", ["TestLine", "g", "h", ""]) // netty-delim-03
  })

  it("a delimiter that begins within what looked like one", () => {
    gives(make({ delimiter: "aab" }), "aaabxaab", ["a", "x"])
    gives(make({ delimiter: "abac" }), "ababacabac", ["ab", ""])
    gives(make({ delimiter: ["abcd", "bce"] }), "abceabcabcd", ["a", "abc"])
    gives(make({ delimiter: "\r\n" }), "\r\nfoo\r\n\r\r\n\rfoo\r\n", ["", "foo", "\r", "\rfoo"]) // as pekko-07
  })

  it("the longest of those that end at the same byte", () => {
    gives(crlfOrLf, "a\r\nb\r\r\n", ["a", "b\r"])
    gives(make({ delimiter: ["\n", "\r\n", "x\r\n"] }), "ax\r\nb\r\nc\n", ["a", "b", "c"])
  })

  it("and keeps it where that is asked for", () => {
    const framing = make({ delimiter: ["\r\n", "\n"], keep: true, limit: 8 })
    gives(framing, "TestLine\r\ng\n\r\n", ["TestLine\r\n", "g\n", "\r\n"]) // as netty-delim-05
    gives(framing, "TestLines\n", ["!FrameError FrameTooLong 9 > 8 @0"])
  })

  it("the limit, one below, at and one above", () => {
    for (
      const [delimiter, ends] of [["\0", ["\0"]], ["\r\n", ["\r\n"]], [["\r\n", "\n", "--"], [
        "\r\n",
        "\n",
        "--"
      ]]] as const
    ) {
      const framing = make({ delimiter, limit: 4 })
      for (const end of ends) {
        gives(framing, `abc${end}abcd${end}`, ["abc", "abcd"])
        gives(framing, `ok${end}abcde${end}lost${end}`, ["ok", `!FrameError FrameTooLong 5 > 4 @${2 + end.length}`])
      }
    }
    gives(make({ delimiter: "\n", limit: 0 }), "\n\na", ["", "", "!FrameError FrameTooLong 1 > 0 @2"])
  })

  it("bytes that may yet be a delimiter are not counted, those that cannot are", () => {
    const framing = make({ delimiter: "\r\n--", limit: 2 })
    gives(framing, "ab\r\n--a\r\n--", ["ab", "a"]) // as netty-delim-11, which loses a frame
    const step = framing.decoder.start()
    const reader = readerOf(bytes("ab\r\n-"))
    assert.isUndefined(Decoder.run(step, reader, []))
    reader.push(bytes("x"))
    assert.include(Decoder.run(step, reader, [])?.message, "a frame of 3 bytes, 2 are allowed")
    gives(framing, "ab\r\n-x", ["!FrameError FrameTooLong 3 > 2 @0"])
  })

  it("a stream that ends without a delimiter is Truncated, and so is half a delimiter", () => {
    gives(crlfOrLf, "a\nI have no end", ["a", "!FrameError Truncated 13 of ? @2"])
    gives(crlfOrLf, "a\r", ["!FrameError Truncated 2 of ? @0"])
  })

  it("allowTruncated: what is left is the last frame, half a delimiter included", () => {
    const framing = make({ delimiter: "\r\n", allowTruncated: true, limit: 4 })
    gives(framing, "a\r\nbc", ["a", "bc"])
    gives(framing, "a\r\n", ["a"])
    gives(framing, "", [])
    gives(framing, "abc\r", ["abc\r"])
    gives(framing, "\r", ["\r"])
    gives(framing, "abcd\r", ["!FrameError FrameTooLong 5 > 4 @0"])
    gives(make({ delimiter: "\r\n", allowTruncated: true, keep: true }), "a\r\nbc\r", ["a\r\n", "bc\r"])
  })

  it("shows the first bytes of the frame", () => {
    const error = Decoder.run(
      make({ delimiter: "\0", limit: 4 }).decoder.start(),
      readerOf(bytes("abcdefgh\0next")),
      []
    )
    assert.instanceOf(error, FramingError.FrameError)
    assert.strictEqual(show(error.head), "abcde")
  })
})

describe("Delimited that goes on after what is too long", () => {
  const skip = make({ delimiter: ["\r\n", ";"], limit: 4, onTooLong: "skip" })
  const truncate = make({ delimiter: ["\r\n", ";"], limit: 4, onTooLong: "truncate" })

  it("skip: costs one message, with its size", () => {
    gives(skip, "ok;abcde;abcd;abcdefghijkl\r\n;z;", [
      "ok",
      "!MessageError FrameTooLong 5 > 4 @3",
      "abcd",
      "!MessageError FrameTooLong 12 > 4 @14",
      "",
      "z"
    ])
    gives(skip, "abcd\rx\r\r\ny;", ["!MessageError FrameTooLong 7 > 4 @0", "y"])
  })

  it("truncate: gives the first bytes, and then costs one message", () => {
    gives(truncate, "ok;abcde;abcd;abcdefghijkl\r\n;z;", [
      "ok",
      "abcd",
      "!MessageError FrameTooLong 5 > 4 @3",
      "abcd",
      "abcd",
      "!MessageError FrameTooLong 12 > 4 @14",
      "",
      "z"
    ])
    gives(truncate, "abcd\rx\r\r\ny;", ["abcd", "!MessageError FrameTooLong 7 > 4 @0", "y"])
  })

  it("what others skip: netty-delim-01, tokio-any-03", () => {
    const netty = make({ delimiter: "\0", limit: 1, onTooLong: "skip" })
    gives(netty, hex("01020041000102004100"), [
      "!MessageError FrameTooLong 2 > 1 @0",
      "A",
      "!MessageError FrameTooLong 2 > 1 @5",
      "A"
    ])
    const tokio = make({ delimiter: [",", ";", "\n", "\r"], limit: 7, onTooLong: "skip" })
    gives(tokio, "chunk too long\nchunk 2,", ["!MessageError FrameTooLong 14 > 7 @0", "chunk 2"])
  })

  it("the end of the stream while it skips is Truncated, with all that had come", () => {
    gives(skip, "ok;abcdefgh", ["ok", "!FrameError Truncated 8 of ? @3"])
    gives(skip, "abcdefgh\r", ["!FrameError Truncated 9 of ? @0"])
    gives(truncate, "abcdefgh", ["abcd", "!FrameError Truncated 8 of ? @0"])
    gives(truncate, "abcde", ["abcd", "!FrameError Truncated 5 of ? @0"])
  })

  it("allowTruncated: it ends the frame that is too long, as it ends any other", () => {
    const tail = { delimiter: "\r\n", limit: 4, allowTruncated: true }
    for (const [stream, size] of [["abcdefgh", 8], ["abcdefgh\r", 9], ["abcd\r", 5], ["abcde", 5]] as const) {
      gives(make({ ...tail, onTooLong: "skip" }), stream, [`!MessageError FrameTooLong ${size} > 4 @0`])
      gives(make({ ...tail, onTooLong: "truncate" }), stream, ["abcd", `!MessageError FrameTooLong ${size} > 4 @0`])
    }
  })

  it("keeps no more of it than a delimiter may need", () => {
    for (const framing of [skip, truncate]) {
      const reader = readerOf()
      const step = framing.decoder.start()
      for (const chunk of inChunks(new Uint8Array(100_000).fill(13), 1000)) {
        reader.push(chunk)
        assert.isUndefined(Decoder.run(step, reader, []))
        assert.strictEqual(reader.length, 1)
      }
    }
  })
})

describe("Delimited looks at each byte once", () => {
  /** Bytes handed to a search, while `run` runs. */
  const visited = (run: () => void): number => {
    const readers = ByteReader.ByteReader.prototype
    const original = Object.getOwnPropertyDescriptor(readers, "search")!
    let count = 0
    readers.search = function(from, find) {
      return (original.value as typeof readers.search).call(this, from, (piece, at) => {
        const found = find(piece, at)
        count += (found < 0 ? piece.length : found + 1) - at
        return found
      })
    }
    try {
      run()
    } finally {
      Object.defineProperty(readers, "search", original)
    }
    return count
  }

  it("byte by byte, in large chunks, with delimiters that never come, and with halves of one", () => {
    const size = 50_000
    for (const delimiter of ["\r\n", "\r\r\r\r\n", ["\r\n", "\n", "never"], ["\n", "aaaab"]]) {
      for (const text of ["a".repeat(size), "\r".repeat(size), "ab\n".repeat(size / 3)]) {
        for (const chunk of [1, 7, 4096, size]) {
          const framing = make({ delimiter })
          const reader = readerOf()
          const step = framing.decoder.start()
          const chunks = inChunks(bytes(text), chunk)
          const count = visited(() => {
            for (const chunk of chunks) {
              reader.push(chunk)
              assert.isUndefined(Decoder.run(step, reader, []))
            }
          })
          assert.strictEqual(count, text.length)
        }
      }
    }
  })
})

describe("Delimited writes", () => {
  it("the payload and the first delimiter", () => {
    assert.strictEqual(show(encoded(crlfOrLf, [bytes("a"), bytes(""), bytes("b\rc")])), "a\r\n\r\nb\rc\r\n")
  })

  it("refuses a payload in which a delimiter would be found, or across whose end", () => {
    assert.strictEqual(refusal(crlfOrLf, bytes("a\nb")), "MessageError ContainsDelimiter 1")
    assert.strictEqual(refusal(crlfOrLf, bytes("ab\r\n")), "MessageError ContainsDelimiter 2")
    assert.isUndefined(refusal(crlfOrLf, bytes("a\r")))
    const lfFirst = make({ delimiter: ["\n", "\r\n"] })
    assert.strictEqual(refusal(lfFirst, bytes("a\r")), "MessageError ContainsDelimiter 1")
    const overlapping = make({ delimiter: "aba" })
    assert.strictEqual(refusal(overlapping, bytes("xab")), "MessageError ContainsDelimiter 1")
    assert.isUndefined(refusal(overlapping, bytes("xa")))
  })

  it("up to the limit", () => {
    const framing = make({ delimiter: "\0", limit: 4 })
    assert.isUndefined(refusal(framing, bytes("abcd")))
    assert.strictEqual(refusal(framing, bytes("abcde")), "MessageError FrameTooLong 5 > 4")
  })

  it("a frame that keeps its delimiter as it is, with any of them, and only at its end", () => {
    const framing = make({ delimiter: ["\r\n", ";"], keep: true, limit: 4 })
    const frames = ["abcd\r\n", ";", "a;"]
    assert.strictEqual(show(encoded(framing, frames.map(bytes))), frames.join(""))
    gives(framing, frames.join(""), frames)
    assert.strictEqual(refusal(framing, bytes("ab")), "MessageError Malformed")
    assert.strictEqual(refusal(framing, bytes("")), "MessageError Malformed")
    assert.strictEqual(refusal(framing, bytes("a;b;")), "MessageError ContainsDelimiter 1")
    assert.strictEqual(refusal(framing, bytes("abcde;")), "MessageError FrameTooLong 5 > 4")
  })

  const letters = Arbitrary.array(Arbitrary.schema(Schema.Literals(["a", "b", "\r", "\n"])), { maxLength: 18 })
  it.prop(
    "what it writes is read back as the same, and any bytes give the same however they are cut",
    {
      delimiter: Arbitrary.schema(
        Schema.Literals(["\n", "\r\n", "aab", "aba", "\n|\r\n", "\r\n|\n", "ab|ba", "bb|abb|\n"])
      ),
      keep: Arbitrary.schema(Schema.Boolean),
      allowTruncated: Arbitrary.schema(Schema.Boolean),
      onTooLong: Arbitrary.schema(Schema.Literals(["fail", "skip", "truncate"])),
      limit: Arbitrary.schema(Schema.Literals([1, 2, 5, 100])),
      stream: letters,
      message: letters
    },
    ({ delimiter, message, stream, ...options }) => {
      const framing = make({ ...options, delimiter: delimiter.split("|") })
      gives(framing, stream.join(""), events(framing, [bytes(stream.join(""))]))
      const text = message.join("")
      const refused = refusal(framing, bytes(text))
      if (refused === undefined) gives(framing, encoded(framing, [bytes(text), bytes(text)]), [text, text])
      else {
        const wire = options.keep ? text : text + delimiter.split("|")[0]
        assert.notDeepEqual(
          events(make({ ...options, delimiter: delimiter.split("|"), allowTruncated: false }), [bytes(wire)]),
          [text]
        )
      }
    },
    { arbitrary: { runs: 2000, seed: 1 } }
  )

  it.prop(
    "finds what a search at every byte would",
    {
      delimiter: Arbitrary.schema(
        Schema.Literals(["a", "ab", "aab", "aba", "abab", "a|b", "ab|ba", "bb|abb", "aab|bab|\n"])
      ),
      stream: letters
    },
    ({ delimiter, stream }) => {
      const all = delimiter.split("|")
      const text = stream.join("")
      const expected: Array<string> = []
      let begin = 0
      for (let end = 1; end <= text.length; end++) {
        const frame = text.slice(begin, end)
        const ending = all.filter((of) => frame.endsWith(of)).map(({ length }) => length)
        if (ending.length === 0) continue
        expected.push(frame.slice(0, frame.length - Math.max(...ending)))
        begin = end
      }
      if (begin < text.length) expected.push(text.slice(begin))
      gives(make({ delimiter: all, allowTruncated: true }), text, expected)
    },
    { arbitrary: { runs: 2000, seed: 2 } }
  )
})

describe("Delimited.make", () => {
  it("refuses what cannot work, and says what can", () => {
    const refused = (options: Delimited.DelimitedOptions): string => {
      try {
        make(options)
      } catch (error) {
        if (error instanceof FramingError.InvalidOption) return `${error.option}: ${error.allowed}`
        throw error
      }
      return "nothing"
    }
    const within = "delimiter: byte strings none of which is in another before its end"
    assert.strictEqual(refused({ delimiter: [",", ",,"] }), within) // netty-delim-09
    assert.strictEqual(refused({ delimiter: [",,", ","] }), within)
    assert.strictEqual(refused({ delimiter: ["\r", "\r\n"] }), within)
    assert.strictEqual(refused({ delimiter: ["abc", "b"] }), within)
    assert.strictEqual(refused({ delimiter: ["a", bytes("a")] }), within)
    assert.strictEqual(refused({ delimiter: ["\n", "\r\n"] }), "nothing")
    assert.strictEqual(refused({ delimiter: [] }), "delimiter: one or several byte strings")
    assert.strictEqual(refused({ delimiter: "" }), "delimiter: byte strings of one byte or more")
    assert.strictEqual(refused({ delimiter: ["a", hex("")] }), "delimiter: byte strings of one byte or more")
    assert.strictEqual(refused({ delimiter: "a".repeat(1025) }), "delimiter: 1024 bytes in all")
    assert.strictEqual(refused({ delimiter: "a".repeat(1024) }), "nothing")
    assert.match(refused({ delimiter: "a", limit: -1 }), /^limit/)
    assert.match(refused({ delimiter: "a", limit: 0, onTooLong: "truncate" }), /^limit: 1 byte/)
    assert.strictEqual(refused({ delimiter: "a", onTooLong: "drop" as "skip" }), "onTooLong: fail, skip or truncate")
  })

  it("does not change when the bytes it was given do", () => {
    const delimiter = bytes(";")
    const framing = make({ delimiter })
    delimiter[0] = 0
    gives(framing, encoded(framing, [bytes("a")]), ["a"])
  })
})
