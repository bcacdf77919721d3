import { assert, describe, it } from "@effect/vitest"
import { Codec, Decoder, FramingError, Resp } from "@framewire/framing"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { bytes, encoded, events, gives, hex, inChunks, random, readerOf, refusal, show, work } from "./support.ts"

const resp = Resp.make()

/** What a stream should give, in the words of the protocol: `\n` is CRLF. */
const wire = (text: string): string => text.replaceAll("\n", "\r\n")
const reads = (text: string, expected: ReadonlyArray<unknown>, codec = resp) => gives(codec, wire(text), expected)
const both = (text: string, value: Resp.Value, codec = resp) => {
  reads(text + text, [value, value], codec)
  assert.strictEqual(show(encoded(codec, [value])), wire(text))
}

const simple = (value: string): Resp.Value => ({ type: "simple", value })
const integer = (value: number | bigint): Resp.Value => ({ type: "integer", value })
const blob = (value: string): Resp.Value => ({ type: "bytes", value: bytes(value) })
const array = (...value: ReadonlyArray<Resp.Value>): Resp.Value => ({ type: "array", value })
const map = (...value: ReadonlyArray<readonly [Resp.Value, Resp.Value]>): Resp.Value => ({ type: "map", value })

const malformed = (offset = 0) => `!FrameError Malformed @${offset}`
const badLength = (offset = 0) => `!FrameError InvalidLength @${offset}`
const badMessage = (offset = 0) => `!MessageError Malformed @${offset}`

describe("Resp, version 2, both ways", () => {
  it("the examples of the specification", () => {
    both("+OK\n", simple("OK"))
    both("-ERR unknown command 'asdf'\n", { type: "error", value: "ERR unknown command 'asdf'" })
    both(":0\n", integer(0))
    both(":1000\n", integer(1000))
    both("$5\nhello\n", blob("hello"))
    both("$0\n\n", blob(""))
    both("$-1\n", { type: "nullBytes" })
    both("*0\n", array())
    both("*2\n$5\nhello\n$5\nworld\n", array(blob("hello"), blob("world")))
    both("*3\n:1\n:2\n:3\n", array(integer(1), integer(2), integer(3)))
    both("*-1\n", { type: "nullArray" })
    both(
      "*2\n*3\n:1\n:2\n:3\n*2\n+Hello\n-World\n",
      array(
        array(integer(1), integer(2), integer(3)),
        array(simple("Hello"), { type: "error", value: "World" })
      )
    )
    both("*3\n$5\nhello\n$-1\n$5\nworld\n", array(blob("hello"), { type: "nullBytes" }, blob("world")))
  })

  it("what the file's box says", () => {
    reads("*2\n$5\nhello\n:42\n+OK\n", [array(blob("hello"), integer(42)), simple("OK")])
  })

  it("bytes that look like the protocol, and texts of any character", () => {
    const value = blob("\r\n$5\r\n*1\r\n")
    gives(resp, "$10\r\n\r\n$5\r\n*1\r\n\r\n", [value])
    both("+\n", simple(""))
    gives(resp, encoded(resp, [simple("wörld €")]), [simple("wörld €")])
  })

  it("integers of 64 bits", () => {
    both(":9007199254740991\n", integer(2 ** 53 - 1))
    both(":-9007199254740991\n", integer(1 - 2 ** 53))
    both(":9007199254740992\n", integer(2n ** 53n))
    both(":9223372036854775807\n", integer(2n ** 63n - 1n))
    both(":-9223372036854775808\n", integer(-(2n ** 63n)))
    reads(":+5\n:-0\n:007\n", [integer(5), integer(0), integer(7)])
    for (const text of ["", "-", "1.5", "1e3", "0x10", " 1", "9223372036854775808", "-9223372036854775809"]) {
      reads(`:${text}\n+OK\n`, [badMessage(), simple("OK")])
    }
    for (const value of [0.5, Number.NaN, 2 ** 53, 2n ** 63n, -(2n ** 63n) - 1n]) {
      assert.strictEqual(refusal(resp, integer(value)), "MessageError Malformed")
    }
  })
})

describe("Resp, version 3, both ways", () => {
  it("the examples of the specification", () => {
    both("_\n", { type: "null" })
    both("#t\n", { type: "boolean", value: true })
    both("#f\n", { type: "boolean", value: false })
    both(",1.23\n", { type: "double", value: 1.23 })
    both(",inf\n", { type: "double", value: Number.POSITIVE_INFINITY })
    both(",-inf\n", { type: "double", value: Number.NEGATIVE_INFINITY })
    both(",nan\n", { type: "double", value: Number.NaN })
    both(",-0\n", { type: "double", value: -0 })
    both("(3492890328409238509324850943850943825024385\n", {
      type: "bigNumber",
      value: 3492890328409238509324850943850943825024385n
    })
    both("!21\nSYNTAX invalid syntax\n", { type: "bulkError", value: bytes("SYNTAX invalid syntax") })
    both("=15\ntxt:Some string\n", { type: "verbatim", format: "txt", value: bytes("Some string") })
    both("%2\n+first\n:1\n+second\n:2\n", map([simple("first"), integer(1)], [simple("second"), integer(2)]))
    both("~5\n+orange\n+apple\n#t\n:100\n:999\n", {
      type: "set",
      value: [simple("orange"), simple("apple"), { type: "boolean", value: true }, integer(100), integer(999)]
    })
    both(">4\n+pubsub\n+message\n+somechannel\n+this is the message\n", {
      type: "push",
      value: ["pubsub", "message", "somechannel", "this is the message"].map(simple)
    })
  })

  it("attributes, before a value, before one within another, and several", () => {
    const popular = map([blob("a"), { type: "double", value: 0.1923 }])
    const attributes: Resp.Value["attributes"] = [[simple("key-popularity"), popular]]
    both("|1\n+key-popularity\n%1\n$1\na\n,0.1923\n*2\n:2039123\n:9543892\n", {
      ...array(integer(2039123), integer(9543892)),
      attributes
    })
    both(
      "*3\n:1\n:2\n|1\n+ttl\n:3600\n:3\n",
      array(integer(1), integer(2), {
        ...integer(3),
        attributes: [[simple("ttl"), integer(3600)]]
      })
    )
    both("|0\n+OK\n", { ...simple("OK"), attributes: [] })
    both("|1\n|1\n+a\n+b\n+c\n+d\n>0\n", {
      type: "push",
      value: [],
      attributes: [[{ ...simple("c"), attributes: [[simple("a"), simple("b")]] }, simple("d")]]
    })
    reads("|1\n+a\n:1\n|1\n+b\n:2\n+c\n", [{
      ...simple("c"),
      attributes: [[simple("a"), integer(1)], [simple("b"), integer(2)]]
    }])
  })

  it("doubles in every spelling", () => {
    const of = (value: number) => ({ type: "double", value })
    reads(",10\n,+1.5\n,1.\n,1e5\n,1.5E-3\n,+inf\n,-nan\n", [
      of(10),
      of(1.5),
      of(1),
      of(100_000),
      of(0.0015),
      of(Number.POSITIVE_INFINITY),
      of(Number.NaN)
    ])
    for (const value of [1e21, 1e-7, 5e-324, Number.MAX_VALUE, 0.1 + 0.2]) {
      gives(resp, encoded(resp, [{ type: "double", value }]), [of(value)])
    }
    for (const text of ["", ".", "e5", "1e", "0x1", "1 ", "infinity"]) {
      reads(`,${text}\n_\n`, [badMessage(), { type: "null" }])
    }
  })

  it("strings and aggregates whose end comes later", () => {
    reads("$?\n;4\nHell\n;5\no wor\n;1\nd\n;0\n$?\n;0\n", [blob("Hello word"), blob("")])
    reads("*?\n:1\n:2\n:3\n.\n*?\n.\n", [array(integer(1), integer(2), integer(3)), array()])
    reads("%?\n+a\n:1\n+b\n*?\n$?\n;1\nx\n;0\n.\n.\n+OK\n", [
      map([simple("a"), integer(1)], [simple("b"), array(blob("x"))]),
      simple("OK")
    ])
    reads("~?\n:1\n.\n*1\n~?\n.\n", [{ type: "set", value: [integer(1)] }, array({ type: "set", value: [] })])
    reads("|?\n+a\n:1\n.\n+b\n", [{ ...simple("b"), attributes: [[simple("a"), integer(1)]] }])
    reads("%?\n+a\n.\n+OK\n", [badMessage(), simple("OK")])
    reads("*?\n|1\n+a\n+b\n.\n+OK\n", [badMessage(), simple("OK")])
  })

  it("a value that its type cannot have costs that value", () => {
    for (
      const text of ["_x\n", "#\n", "#x\n", "#tt\n", "(1x\n", "(\n", "=3\ntxt\n", "=4\ntxtx\n", "=0\n\n", "=4\n\0xt:\n"]
    ) {
      reads(`${text}+OK\n`, [badMessage(), simple("OK")])
      reads(`*2\n${text}*1\n:1\n+OK\n`, [badMessage(), simple("OK")])
    }
    reads("+a\rb\n+OK\n", [badMessage(), simple("OK")])
    reads("+\xff\n+OK\n", ["!MessageError InvalidUtf8 @0", simple("OK")])
    reads(`(${"9".repeat(10_002)}\n`, [badMessage()], Resp.make({ limit: 20_000 }))
  })
})

describe("Resp refuses", () => {
  it("bytes that tell no end of the value", () => {
    reads("+OK\nGET / HTTP/1.1\n", [simple("OK"), malformed(5)])
    reads("\n", [malformed()])
    reads("$5\nhelloworld\n", [malformed()])
    reads("$5\nhello\rx", [malformed()])
    gives(resp, "$2\r\nok\n\n", [malformed()])
    gives(resp, "+OK\n", ["!FrameError BareLineFeed @0"])
    gives(resp, "$2\nok\r\n", ["!FrameError BareLineFeed @0"])
    reads(".\n", [malformed()])
    reads("*1\n.\n", [malformed()])
    reads("*?\n.x\n", [malformed()])
    reads(";1\na\n", [malformed()])
    reads("$?\n+a\n", [malformed()])
    reads("*1\n>1\n:1\n", [malformed()])
  })

  it("lengths that are none, and those that only some types have", () => {
    for (const type of "$!=*~>%|") {
      for (const length of ["", "x", "-2", "+1", "01", " 1", "1.0", "-0", "9007199254740992", "1".repeat(17)]) {
        reads(`${type}${length}\n`, [badLength()])
      }
      reads(type + "1".repeat(17), [badLength()])
      if (!"$*".includes(type)) reads(`${type}-1\n`, [badLength()])
    }
    reads("!?\n", [badLength()])
    reads("=?\n", [badLength()])
    reads("$?\n;?\n", [badLength()])
    reads("$?\n;-1\n", [badLength()])
  })

  it("bytes above the limit, one below, at and one above, all texts and strings together", () => {
    const codec = Resp.make({ limit: 5 })
    assert.strictEqual(codec.limit, 5)
    const tooLong = (size: number, offset = 0) => `!FrameError FrameTooLong ${size} > 5 @${offset}`
    both("$4\nabcd\n", blob("abcd"), codec)
    both("$5\nabcde\n", blob("abcde"), codec)
    reads("$6\nabcdef\n", [tooLong(6)], codec)
    reads("$9007199254740991\n", [tooLong(2 ** 53 - 1)], codec)
    both("+abcde\n", simple("abcde"), codec)
    reads("+abcdef\n", [tooLong(6)], codec)
    reads("+abcdefgh", [tooLong(6)], codec)
    reads("+abcde\r", ["!FrameError Truncated 7 of ? @0"], codec)
    both("*3\n$2\nab\n+cd\n:1\n", array(blob("ab"), simple("cd"), integer(1)), codec)
    reads("+a\n*3\n$2\nab\n+cd\n:12\n", [simple("a"), tooLong(6, 4)], codec)
    reads("*2\n+abcd\n$2\nab\n", [tooLong(6)], codec)
    reads("$?\n;3\nabc\n;3\nabc\n;0\n", [tooLong(6)], codec)
    for (const value of [blob("abcdef"), simple("abcdef"), array(blob("abc"), simple("ab"), integer(1))]) {
      assert.strictEqual(refusal(codec, value), "MessageError FrameTooLong 6 > 5")
    }
    assert.strictEqual(
      refusal(codec, { type: "verbatim", format: "txt", value: bytes("ab") }),
      "MessageError FrameTooLong 6 > 5"
    )
  })

  it("values above the limit, one below, at and one above", () => {
    const codec = Resp.make({ items: 4 })
    const ones = (count: number) => array(...Array.from({ length: count }, () => integer(1)))
    both("*2\n:1\n:1\n", ones(2), codec)
    both("*3\n:1\n:1\n:1\n", ones(3), codec)
    reads("*4\n", [malformed()], codec)
    reads("*9007199254740991\n", [malformed()], codec)
    reads("%2\n", [malformed()], codec)
    reads("*?\n:1\n:1\n:1\n.\n", [ones(3)], codec)
    reads("*?\n:1\n:1\n:1\n:1\n", [malformed()], codec)
    reads("*1\n*1\n*1\n*1\n", [malformed()], codec)
    reads("|0\n|0\n|0\n+a\n", [{ ...simple("a"), attributes: [] }], codec)
    reads("|0\n|0\n|0\n|0\n+a\n", [malformed()], codec)
    both("|1\n:1\n:1\n+a\n", { ...simple("a"), attributes: [[integer(1), integer(1)]] }, codec)
    reads("+a\n+b\n+c\n+d\n+e\n", ["a", "b", "c", "d", "e"].map(simple), codec)
    assert.strictEqual(refusal(codec, ones(4)), "MessageError Malformed")
    assert.strictEqual(
      refusal(codec, map([integer(1), integer(1)], [integer(1), integer(1)])),
      "MessageError Malformed"
    )
    assert.strictEqual(
      refusal(codec, { ...array(integer(1)), attributes: [[integer(1), integer(1)]] }),
      "MessageError Malformed"
    )
  })

  it("depth above the limit, one below, at and one above", () => {
    const codec = Resp.make({ depth: 3 })
    const nested = (depth: number): Resp.Value => depth === 0 ? integer(1) : array(nested(depth - 1))
    both("*1\n*1\n:1\n", nested(2), codec)
    both("*1\n*1\n*1\n:1\n", nested(3), codec)
    reads("*1\n*1\n*1\n*1\n:1\n", [malformed()], codec)
    reads("*1\n*1\n*1\n*0\n", [malformed()], codec)
    reads("|1\n%1\n~1\n*0\n", [malformed()], codec)
    reads("*1\n*1\n*1\n|0\n:1\n", [malformed()], codec)
    reads("*?\n*?\n*?\n*?\n", [malformed()], codec)
    assert.strictEqual(refusal(codec, nested(4)), "MessageError Malformed")
    assert.strictEqual(refusal(codec, array(array(array(array())))), "MessageError Malformed")
    const deepest = Resp.make({ depth: 1000, items: 2000 })
    gives(deepest, encoded(deepest, [nested(100)]), [nested(100)])
    assert.isUndefined(refusal(deepest, nested(1000)))
    assert.deepStrictEqual(events(deepest, [encoded(deepest, [nested(1000)])]), [nested(1000)])
    assert.deepStrictEqual(events(resp, [bytes("*1\r\n".repeat(100_000))]), [malformed()])
  })

  it("to send what it would not read", () => {
    assert.strictEqual(refusal(resp, simple("a\nb")), "MessageError ContainsDelimiter 1")
    assert.strictEqual(refusal(resp, { type: "error", value: "ü\r" }), "MessageError ContainsDelimiter 2")
    assert.strictEqual(refusal(resp, simple("\ud800")), "MessageError InvalidUtf8")
    assert.strictEqual(refusal(resp, array({ type: "push", value: [] })), "MessageError Malformed")
    assert.strictEqual(refusal(resp, { type: "bigNumber", value: 10n ** 10_000n }), "MessageError Malformed")
    for (const format of ["", "tx", "text", "t\u00fcx", "t\nx"]) {
      const value = bytes("a")
      assert.strictEqual(refusal(resp, { type: "verbatim", format, value }), "MessageError Malformed")
    }
  })

  it("a stream that ends within a value, as Truncated", () => {
    const stream = wire("*2\n$3\nabc\n:1\n")
    const seen = Array.from({ length: stream.length - 1 }, (_, i) => events(resp, [bytes(stream.slice(0, i + 1))]))
    seen.forEach((all, i) => {
      assert.match(String(all), new RegExp(`^!FrameError Truncated ${i + 1} of (\\?|\\d+) @0$`))
      gives(resp, stream.slice(0, i + 1), all)
    })
    assert.deepStrictEqual(seen[3], ["!FrameError Truncated 4 of 7 @0"])
    assert.deepStrictEqual(seen[8], ["!FrameError Truncated 9 of 13 @0"])
  })

  it("options that cannot work", () => {
    for (const options of [{ items: 0 }, { items: 0.5 }, { depth: 0 }, { depth: 1001 }, { limit: -1 }]) {
      assert.throws(() => Resp.make(options), FramingError.InvalidOption)
    }
    assert.strictEqual(resp.limit, 1_048_576)
  })
})

describe("Resp inline", () => {
  const server = Resp.make({ inline: true })
  const words = (...all: ReadonlyArray<string>) => array(...all.map(blob))

  it("a line of words, which LF or CRLF ends, beside commands in arrays", () => {
    gives(server, "PING\r\nSET a  b\n\r\n\n*1\r\n$4\r\nPING\r\n  GET\ta \r\n", [
      words("PING"),
      words("SET", "a", "b"),
      words("PING"),
      words("GET", "a")
    ])
    reads("PING\n", [malformed()])
  })

  it("quotes as redis-cli has them", () => {
    const line = (text: string) => text + "\n"
    gives(server, line(`SET "a b" 'c d' "" x`), [words("SET", "a b", "c d", "", "x")])
    gives(server, line(String.raw`"\x41\n\r\t\b\a\"\\\q" '\'\n'`), [words("A\n\r\t\b\x07\"\\q", "'\\n")])
    gives(server, line(String.raw`a"b c" "\x4" \x41`), [words("ab c", "x4", "\\x41")])
    for (const bad of [`"a`, `'a`, `"a"b`, `'a'b`, `a "`, String.raw`"a\"`]) {
      gives(server, line(bad) + line("PING"), [badMessage(), words("PING")])
    }
  })

  it("within the same limits", () => {
    const small = Resp.make({ inline: true, limit: 5, items: 3 })
    gives(small, "a b\r\n", [words("a", "b")])
    gives(small, "abcde\r\n", [words("abcde")])
    gives(small, "abcdef\r\n", ["!FrameError FrameTooLong 6 > 5 @0"])
    gives(small, "abcdefgh", ["!FrameError FrameTooLong 6 > 5 @0"])
    gives(small, "a b c\nd\n", [badMessage(), words("d")])
    gives(server, "PING", ["!FrameError Truncated 4 of ? @0"])
  })

  it("in linear work, whatever is quoted", () => {
    for (const line of [String.raw`\"`.repeat(100_000), `"`.repeat(200_000), `"\\`.repeat(100_000)]) {
      assert.deepStrictEqual(events(server, [bytes(line + "\n")]), [badMessage()])
    }
  })

  it("is not what it writes", () => {
    assert.strictEqual(show(encoded(server, [Resp.command("GET", bytes("a"))])), wire("*2\n$3\nGET\n$1\na\n"))
  })
})

describe("Resp", () => {
  it("a large array byte by byte: each byte searched once, and read a few times", () => {
    const strings = Array.from({ length: 5000 }, (_, i) => blob(String(i)))
    const value = array(array(...strings), map([simple("a"), array(...strings)]), blob("x".repeat(20_000)))
    const stream = encoded(resp, [value])
    for (const size of [1, 3, 4096, stream.length]) {
      const chunks = inChunks(stream, size)
      const done = work(() => assert.lengthOf(Codec.decodeAll(resp, chunks).messages, 1))
      // Once to find where it ends, once to say what it is.
      assert.isAtMost(done.searched, 2 * stream.length)
      assert.isAtMost(done.read, 6 * stream.length)
      assert.isAtMost(done.copied, 4 * stream.length)
    }
    assert.deepStrictEqual(events(resp, inChunks(stream, 1000)), [value])
  })

  it("a declared size and a declared count allocate nothing", () => {
    const codec = Resp.make({ limit: 2 ** 40, items: 2 ** 40 })
    const step = codec.decoder.start()
    const reader = readerOf(bytes("*1099511627775\r\n$1099511627776\r\nabc"))
    const done = work(() => assert.isUndefined(Decoder.run(step, reader, [])))
    assert.strictEqual(done.allocated, 0)
    assert.strictEqual(reader.needed, 32 + 2 ** 40 + 2)
  })

  it.prop("any bytes give the same, however they are cut", {
    limit: Arbitrary.schema(Schema.Literals([0, 1, 2, 100])),
    inline: Arbitrary.schema(Schema.Boolean),
    stream: Arbitrary.array(
      Arbitrary.schema(
        Schema.Literals([
          "*1\r\n",
          "*2\r\n",
          "$1\r\n",
          "$?\r\n",
          "*?\r\n",
          "%1\r\n",
          "|1\r\n",
          ";1\r\n",
          ";0\r\n",
          ".\r\n",
          "+",
          ":1\r\n",
          "_\r\n",
          "a",
          "a\r\n",
          "\r",
          "\n",
          "\"",
          " "
        ])
      ),
      { maxLength: 8 }
    )
  }, ({ inline, limit, stream }) => {
    const codec = Resp.make({ limit, inline, items: 4, depth: 2 })
    gives(codec, stream.join(""), events(codec, [bytes(stream.join(""))]))
  }, { arbitrary: { runs: 1000, seed: 1 } })

  it("what it writes is read back as the same values", () => {
    const next = random(1)
    const text = () => Array.from({ length: next(5) }, () => "ab ü"[next(4)]).join("")
    const value = (depth: number): Resp.Value => {
      const values = () => Array.from({ length: next(4) }, () => value(depth - 1))
      const pairs = () => values().map((of): readonly [Resp.Value, Resp.Value] => [of, value(depth - 1)])
      const plain = (): Resp.Value => {
        switch (next(depth > 0 ? 14 : 11)) {
          case 0:
            return { type: "simple", value: text() }
          case 1:
            return { type: "error", value: text() }
          case 2:
            return { type: "integer", value: next(2 ** 32) - 2 ** 31 }
          case 3:
            return { type: "bigNumber", value: BigInt(next(2 ** 32)) ** BigInt(next(9)) }
          case 4:
            return { type: "double", value: next(2 ** 32) / 1024 - 2 ** 20 }
          case 5:
            return { type: "boolean", value: next(2) === 1 }
          case 6:
            return { type: next(2) === 0 ? "null" : next(2) === 0 ? "nullBytes" : "nullArray" }
          case 7:
          case 8:
            return { type: "bytes", value: hex("0d0a2a00".slice(0, 2 * next(5))) }
          case 9:
            return { type: "bulkError", value: bytes("ERR") }
          case 10:
            return { type: "verbatim", format: "mkd", value: bytes("# a\n") }
          case 11:
            return { type: "array", value: values() }
          case 12:
            return { type: "set", value: values() }
          default:
            return { type: "map", value: pairs() }
        }
      }
      return depth > 0 && next(6) === 0 ? { ...plain(), attributes: pairs() } : plain()
    }
    for (let i = 0; i < 300; i++) {
      const messages = [value(3), value(2)]
      const stream = encoded(resp, messages)
      for (const size of [1, 7, stream.length]) assert.deepStrictEqual(events(resp, inChunks(stream, size)), messages)
    }
  })
})
