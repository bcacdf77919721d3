import { assert, describe, it } from "@effect/vitest"
import { FramingSpec } from "@framewire/framing"
import * as Result from "effect/Result"
import { bytes, encoded, gives, refusal, toHex } from "./support.ts"

const parse = (input: string): FramingSpec.FramingSpec => Result.getOrThrow(FramingSpec.parse(input))

/** What is refused, and where: the last line points at it. */
const refused = (input: string): string => {
  const result = FramingSpec.parse(input)
  if (Result.isSuccess(result)) return "nothing"
  const { failure } = result
  assert.instanceOf(failure, FramingSpec.FramingSpecError)
  assert.strictEqual(failure.input, input)
  const lines = [`expected ${failure.expected}`, `  ${input}`, `  ${" ".repeat(failure.position)}^`]
  assert.strictEqual(failure.message, lines.join("\n"))
  return `${failure.position}: ${failure.expected}`
}

describe("FramingSpec.parse", () => {
  it("knows every name", () => {
    assert.deepStrictEqual(FramingSpec.names, [
      "lines",
      "u8",
      "u16be",
      "u16le",
      "u24be",
      "u24le",
      "u32be",
      "u32le",
      "length"
    ])
    for (const name of FramingSpec.names.filter((name) => name !== "length")) {
      const spec = parse(name)
      assert.strictEqual(spec.name, name)
      assert.deepStrictEqual(spec.options, {})
      gives(spec.framing, encoded(spec.framing, [bytes("hi")]), ["hi"])
    }
  })

  it("builds the framing that it says", () => {
    for (
      const [spec, written] of [
        ["lines", "68690a"],
        ["lines:strict", "68690a"],
        ["lines:crlf", "68690d0a"],
        ["lines:crlf,strict", "68690d0a"],
        ["u8", "026869"],
        ["u16be", "00026869"],
        ["u16le", "02006869"],
        ["u24be", "0000026869"],
        ["u24le", "0200006869"],
        ["u32be", "000000026869"],
        ["u32le", "020000006869"],
        ["length:width=1", "026869"],
        ["length:width=2,endian=le", "02006869"],
        ["length:endian=be,width=3", "0000026869"],
        ["length:limit=2,width=4,endian=le", "020000006869"]
      ] as const
    ) {
      assert.strictEqual(toHex(encoded(parse(spec).framing, [bytes("hi")])), written, spec)
    }
  })

  it("strictness reaches the reader", () => {
    gives(parse("lines:strict").framing, "a\r\nb\n", ["a\r", "b"])
    gives(parse("lines:crlf").framing, "a\nb\r\n", ["a", "b"])
    gives(parse("lines:crlf,strict").framing, "a\n", ["!FrameError BareLineFeed @0"])
  })

  it("takes a limit for each of them, and has the default otherwise", () => {
    for (const name of FramingSpec.names) {
      const spec = name === "length" ? "length:width=2,limit=3" : `${name}:limit=3`
      const { framing } = parse(spec)
      assert.strictEqual(framing.limit, 3)
      assert.isUndefined(refusal(framing, bytes("abc")))
      assert.strictEqual(refusal(framing, bytes("abcd")), "MessageError FrameTooLong 4 > 3")
    }
    assert.strictEqual(parse("lines").framing.limit, 1_048_576)
    assert.strictEqual(parse("lines:limit=0").framing.limit, 0)
    assert.strictEqual(parse("lines:limit=9007199254740991").framing.limit, Number.MAX_SAFE_INTEGER)
    assert.strictEqual(parse("u8").framing.limit, 255)
  })

  it("keeps the options in the order in which they were given", () => {
    assert.deepStrictEqual(Object.entries(parse("lines:strict,limit=5,crlf").options), [
      ["strict", ""],
      ["limit", "5"],
      ["crlf", ""]
    ])
  })
})

describe("FramingSpec.format", () => {
  it("writes what parse reads", () => {
    for (
      const spec of [
        ...FramingSpec.names.filter((name) => name !== "length"),
        "lines:crlf",
        "lines:crlf,strict",
        "lines:strict,limit=5,crlf",
        "u16le:limit=100",
        "length:width=4,endian=le",
        "length:endian=be,limit=7,width=1"
      ]
    ) {
      assert.strictEqual(FramingSpec.format(parse(spec)), spec)
    }
    assert.strictEqual(FramingSpec.format({ name: "lines", options: { crlf: "", limit: "5" } }), "lines:crlf,limit=5")
  })
})

describe("FramingSpec.parse says what can stand where", () => {
  const names = "one of lines, u8, u16be, u16le, u24be, u24le, u32be, u32le, length"
  const ofLines = "one of crlf, strict, limit=BYTES"
  const ofLength = "one of width=1|2|3|4, endian=be|le, limit=BYTES"
  for (
    const [input, expected] of [
      ["", `0: ${names}`],
      [":", `0: ${names}`],
      ["line", `0: ${names}`],
      ["LINES", `0: ${names}`],
      [" lines", `0: ${names}`],
      ["toString", `0: ${names}`],
      ["__proto__", `0: ${names}`],
      ["lines:", `6: ${ofLines}`],
      ["lines:cr", `6: ${ofLines}`],
      ["lines:crlf,", `11: ${ofLines}`],
      ["lines:crlf,,strict", `11: ${ofLines}`],
      ["lines:crlf, strict", `11: ${ofLines}`],
      ["lines:constructor", `6: ${ofLines}`],
      ["lines:crlf=1", "6: crlf"],
      ["lines:crlf=", "6: crlf"],
      ["lines:strict=false", "6: strict"],
      ["lines:crlf,crlf", "11: crlf only once"],
      ["lines:limit=1,limit=1", "14: limit only once"],
      ["lines:limit", "6: limit=BYTES"],
      ["lines:limit=", "6: limit=BYTES"],
      ["lines:limit=-1", "6: limit=BYTES"],
      ["lines:limit=1.5", "6: limit=BYTES"],
      ["lines:limit=1e3", "6: limit=BYTES"],
      ["lines:limit=12345678901234567", "6: limit=BYTES"],
      ["lines:strict,limit=9007199254740992", "13: for limit a whole number of bytes from 0 to 9007199254740991"],
      ["u8:width=1", "3: one of limit=BYTES"],
      ["u8:limit=256", "3: for limit a whole number of bytes from 0 to 255"],
      ["u32be:limit=4294967296", "6: for limit a whole number of bytes from 0 to 4294967295"],
      ["length", `6: ${ofLength}`],
      ["length:", `7: ${ofLength}`],
      ["length:endian=le", `16: ${ofLength}`],
      ["length:width", "7: width=1|2|3|4"],
      ["length:width=5", "7: width=1|2|3|4"],
      ["length:width=2,endian=me", "15: endian=be|le"],
      ["length:width=2,limit=65536", "15: for limit a whole number of bytes from 0 to 65535"],
      ["length:width=2:endian=le", "7: width=1|2|3|4"]
    ] as const
  ) {
    it(`"${input}"`, () => assert.strictEqual(refused(input), expected))
  }
})
