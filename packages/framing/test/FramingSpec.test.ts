import { assert, describe, it } from "@effect/vitest"
import { Checked, Cobs, type Codec, FramingSpec, Preset } from "@framewire/framing"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { entries } from "../src/internal/specCatalogue.ts"
import {
  bytes as anyBytes,
  counted,
  flag,
  hex as hexKind,
  type Kind,
  spec as inner,
  text,
  version
} from "../src/internal/specValue.ts"
import { bytes, encoded, gives, hex, refusal, toHex } from "./support.ts"

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

/** What each name needs. */
const least: Readonly<Record<string, string>> = {
  length: "width=2",
  fixed: "2",
  delimited: "0d0a",
  checked: "crc32,of=u16be",
  erlang: "2",
  fix: "FIX.4.4"
}
const minimal = (name: string) => name in least ? `${name}:${least[name]}` : name

describe("FramingSpec.parse", () => {
  it("knows every name, by what tells the frames apart", () => {
    assert.deepStrictEqual(Object.keys(FramingSpec.groups), [
      "by their end",
      "by a length",
      "of one size",
      "of others, with a checksum",
      "of a protocol"
    ])
    assert.deepStrictEqual(Object.values(FramingSpec.groups).flat(), FramingSpec.names)
    assert.strictEqual(new Set(FramingSpec.names).size, FramingSpec.names.length)
    assert.strictEqual(FramingSpec.names.length, 45)
    for (const name of FramingSpec.names) assert.strictEqual(FramingSpec.format(parse(minimal(name))), minimal(name))
  })

  const written = [
    ["lines", "68690a"],
    ["lines:strict", "68690a"],
    ["lines:crlf", "68690d0a"],
    ["lines:crlf,strict", "68690d0a"],
    ["delimited:00", "686900"],
    ["delimited:0D0a+0a", "68690d0a"],
    ["delimited:text=<END>", "68693c454e443e"],
    ["delimited:text=\",\\\"\"", "68692c22"],
    ["delimited:text=\"\\u20ac\"", "6869e282ac"],
    ["delimited:keep,6869+69", "6869"],
    ["slip", "c06869c0"],
    ["cobs", "03686900"],
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
    ["length:limit=2,width=4,endian=le", "020000006869"],
    ["length:width=8,counts=frame", "000000000000000a6869"],
    ["length:width=2,counts=-3", "00056869"],
    ["length:width=2,counts=1,endian=le", "01006869"],
    ["varint", "026869"],
    ["netstring", "323a68692c"],
    ["octets", "32206869"],
    ["content-length", toHex(bytes("Content-Length: 2\r\n\r\nhi"))],
    ["tpkt", "030000066869"],
    ["sunrpc", "800000026869"],
    ["fixed:2", "6869"],
    ["fixed:size=2,allowTruncated", "6869"],
    ["erlang:1", "026869"],
    ["erlang:2", "00026869"],
    ["erlang:4", "000000026869"],
    ["checked:crc32,of=u8", "066869d8932aac"],
    ["checked:crc32,endian=le,of=u8", "066869ac2a93d8"],
    ["checked:crc32,endian=be,at=start,of=lines:crlf", "d8932aac68690d0a"]
  ] as const
  for (const [spec, expected] of written) {
    it(`${spec} writes what it says`, () => {
      const { framing } = parse(spec)
      assert.strictEqual(toHex(encoded(framing, [bytes("hi")])), expected)
      gives(framing, hex(expected), ["hi"])
    })
  }

  it("ber and concatenated-json take their options", () => {
    gives(parse("ber").framing, "\x04\x81\x01a", ["\x04\x81\x01a"])
    gives(parse("ber:minimal").framing, "\x04\x81\x01a", ["!FrameError InvalidLength @0"])
    gives(parse("concatenated-json:limit=3").framing, "[1]{}[12]", ["[1]", "{}", "!FrameError FrameTooLong 4 > 3 @5"])
    gives(parse("concatenated-json:elements").framing, "[1,2]", ["1", "2"])
  })

  const same: ReadonlyArray<readonly [spec: string, framing: Codec.Framing, payload: string]> = [
    ["amqp", Preset.amqp(), "\x01\0\x01\0\0\0\x01a\xce"],
    ["bittorrent", Preset.bitTorrent(), "hi"],
    ["dns", Preset.dns(), "hi"],
    ["fix:FIXT.1.1", Preset.fix({ begin: "FIXT.1.1" }), "35=0\x01"],
    ["gelf", Preset.gelf(), "{}"],
    ["grpc", Preset.grpc(), "\0\0\0\0\x02hi"],
    ["iso8583", Preset.iso8583(), "hi"],
    ["kafka", Preset.kafka(), "hi"],
    ["ldap", Preset.ldap(), "0\x02hi"],
    ["lsp", Preset.lsp(), "hi"],
    ["mllp", Preset.mllp(), "hi"],
    ["modbus", Preset.modbus(), "\0\x01\0\0\0\x02hi"],
    ["mqtt", Preset.mqtt(), "\x30\x02hi"],
    ["native-messaging", Preset.nativeMessaging(), "hi"],
    ["postgres", Preset.postgres(), "Q\0\0\0\x06hi"],
    ["postgres-startup", Preset.postgresStartup(), "hi"],
    ["smpp", Preset.smpp(), "\0\0\0\x12" + "\0".repeat(12) + "hi"],
    ["ssh-agent", Preset.sshAgent(), "hi"],
    ["syslog", Preset.syslog(), "hi"],
    ["syslog-lines", Preset.syslogLines(), "hi"],
    ["thrift", Preset.thrift(), "hi"]
  ]
  for (const [spec, preset, payload] of same) {
    it(`${spec} is the preset`, () => {
      const { framing } = parse(spec)
      assert.strictEqual(framing.limit, preset.limit)
      const stream = encoded(preset, [bytes(payload)])
      assert.deepStrictEqual(encoded(framing, [bytes(payload)]), stream)
      gives(framing, stream, [payload])
    })
  }

  it("every preset is there that has bytes as messages", () => {
    const tested = [...same.map(([spec]) => spec.replace(/:.*/, "")), "erlang"]
    assert.deepStrictEqual(tested.toSorted(), FramingSpec.groups["of a protocol"]?.toSorted())
    const plain = (name: string) => name.replaceAll("-", "").toLowerCase()
    assert.deepStrictEqual(
      Object.keys(Preset).map(plain).filter((name) => name !== "mysql").toSorted(),
      tested.map(plain).toSorted()
    )
  })

  it("options reach the reader", () => {
    gives(parse("lines:strict").framing, "a\r\nb\n", ["a\r", "b"])
    gives(parse("lines:crlf").framing, "a\nb\r\n", ["a", "b"])
    gives(parse("lines:crlf,strict").framing, "a\n", ["!FrameError BareLineFeed @0"])
    gives(parse("lines:limit=1,onTooLong=truncate").framing, "ab\nc\n", [
      "a",
      "!MessageError FrameTooLong 2 > 1 @0",
      "c"
    ])
    gives(parse("lines:limit=1,onTooLong=fail").framing, "ab\nc\n", ["!FrameError FrameTooLong 2 > 1 @0"])
    gives(parse("delimited:2c,keep,allowTruncated").framing, "a,b", ["a,", "b"])
    gives(parse("delimited:2c,limit=1,onTooLong=skip").framing, "ab,c,", ["!MessageError FrameTooLong 2 > 1 @0", "c"])
    gives(parse("length:width=1,offset=1,counts=frame,strip=0").framing, "x\x03ay\x02", ["x\x03a", "y\x02"])
    gives(parse("length:width=1,offset=1,strip=1").framing, "x\x01a", ["\x01a"])
    gives(parse("length:width=1,limit=1,onTooLong=skip").framing, "\x02ab\x01c", [
      "!MessageError FrameTooLong 2 > 1 @0",
      "c"
    ])
    gives(parse("varint:minimal").framing, "\x81\0a", ["!FrameError InvalidLength @0"])
    gives(parse("varint").framing, "\x81\0a", ["a"])
    gives(parse("fixed:2,allowTruncated").framing, "abc", ["ab", "c"])
    gives(parse("slip:limit=1,onTooLong=skip").framing, "ab\xc0c\xc0", ["!MessageError FrameTooLong 2 > 1 @0", "c"])
    gives(parse("cobs:limit=1,onTooLong=skip").framing, "\x03ab\0\x02c\0", [
      "!MessageError FrameTooLong 2 > 1 @0",
      "c"
    ])
    gives(parse("json-seq").framing, "\x1e[1]\n", ["[1]"])
    gives(parse("json-seq:limit=1,onTooLong=skip").framing, "\x1e[]\n\x1e1\n", [
      "!MessageError FrameTooLong 2 > 1 @1",
      "1"
    ])
    gives(parse("checked:crc32,of=u8").framing, "\x05aaaaa", ["!MessageError ChecksumMismatch @0"])
  })

  it("has every checksum", () => {
    for (
      const [name, checksum] of [
        ["crc32", Checked.crc32],
        ["crc32c", Checked.crc32c],
        ["crc16ccitt", Checked.crc16Ccitt],
        ["adler32", Checked.adler32]
      ] as const
    ) {
      const { framing } = parse(`checked:${name},of=cobs:limit=50`)
      const expected = Checked.make(Cobs.make({ limit: 50 }), { checksum })
      assert.strictEqual(framing.limit, expected.limit)
      assert.deepStrictEqual(encoded(framing, [bytes("123456789")]), encoded(expected, [bytes("123456789")]))
    }
  })

  it("takes a limit for each of them that has one, and has the codec's own otherwise", () => {
    for (const name of FramingSpec.names.filter((name) => name !== "fixed" && name !== "checked")) {
      assert.strictEqual(parse(`${minimal(name)}${name in least ? "," : ":"}limit=30`).framing.limit, 30, name)
    }
    assert.strictEqual(refusal(parse("lines:limit=3").framing, bytes("abcd")), "MessageError FrameTooLong 4 > 3")
    assert.strictEqual(parse("lines").framing.limit, 1_048_576)
    assert.strictEqual(parse("lines:limit=0").framing.limit, 0)
    assert.strictEqual(parse("lines:limit=9007199254740991").framing.limit, Number.MAX_SAFE_INTEGER)
    assert.strictEqual(parse("u8").framing.limit, 255)
    assert.strictEqual(parse("checked:crc32,of=u8").framing.limit, 251)
  })

  it("keeps the options in the order in which they were given", () => {
    assert.deepStrictEqual(Object.entries(parse("lines:strict,limit=5,crlf").options), [
      ["strict", ""],
      ["limit", "5"],
      ["crlf", ""]
    ])
    assert.deepStrictEqual(Object.entries(parse("delimited:keep,0a,limit=5").options), [
      ["keep", ""],
      ["delimiter", "0a"],
      ["limit", "5"]
    ])
    assert.deepStrictEqual(parse("checked:adler32,of=delimited:delimiter=0a,keep").options, {
      checksum: "adler32",
      of: "delimited:0a,keep"
    })
  })
})

const numbers = ["0", "1", "2", "4", "7", "100", "300", "65536", "9007199254740991"]

/** Values of a kind, those among them that are no good for what they are for. */
const values = (kind: Kind): Schema.Codec<string> => {
  if (kind === text) {
    return Schema.Union([Schema.String, Schema.Literals(["END", "a,b", "\"", "\\", "=", ":", "\n", "€ \u2028"])])
  }
  const all = kind === flag
    ? [""]
    : kind === anyBytes
    ? numbers
    : kind === counted
    ? ["payload", "frame", "-4", "-1", "3", "-9007199254740991"]
    : kind === hexKind
    ? ["0a", "0d0a+0a", "00+0A", "0a+0a0a", "ff".repeat(1025)]
    : kind === version
    ? ["FIX.4.2", "FIXT.1.1"]
    : kind === inner
    ? FramingSpec.names.filter((name) => name !== "checked").map(minimal)
    : kind.shown.split("|")
  return Schema.Literals(all)
}

describe("FramingSpec.format", () => {
  for (const [name, entry] of entries) {
    const keys = Object.entries(entry.options)
    const option = Schema.Union(keys.map(([key, kind]) => Schema.Tuple([Schema.Literal(key), values(kind)])))
    let read = 0

    it.prop(
      `${name}: writes what parse reads, whatever the options`,
      { given: Arbitrary.array(Arbitrary.schema(option), { maxLength: 6 }) },
      ({ given }) => {
        const options = Object.fromEntries(given)
        const input = FramingSpec.format({ name, options })
        assert.notMatch(input, /[\n\r]/)
        const result = FramingSpec.parse(input)
        if (Result.isFailure(result)) {
          assert.isAtMost(result.failure.position, input.length)
          return
        }
        read++
        const { success } = result
        assert.strictEqual(success.name, name)
        assert.deepStrictEqual(success.options, options)
        assert.strictEqual(FramingSpec.format(success), input)
        assert.strictEqual(success.framing.limit, parse(FramingSpec.format(success)).framing.limit)
        // Any prefix of it is a spec, or is refused with a place in it.
        for (let end = 0; end < Math.min(input.length, 100); end++) {
          const prefix = FramingSpec.parse(input.slice(0, end))
          if (Result.isFailure(prefix)) assert.isAtMost(prefix.failure.position, end)
        }
      },
      { arbitrary: { runs: 200, seed: 1 } }
    )

    it(`${name}: some of them were read`, () => assert.isAtLeast(read, 20))
  }

  it("a text is read back whatever is in it, and stays on the line", () => {
    for (
      const text of [
        "\"",
        "\"a",
        "a\"b",
        "\"a\"",
        "\\",
        ",",
        "a,keep",
        "=",
        ":",
        " ",
        "\n",
        "\0",
        "\u2028",
        "\u20ac\u{1f600}"
      ]
    ) {
      const input = FramingSpec.format({ name: "delimited", options: { text, keep: "" } })
      assert.match(input, /^delimited:text=.+,keep$/)
      assert.deepStrictEqual(parse(input).options, { text, keep: "" })
    }
  })

  it("is as it was written, where it was written in the shortest way", () => {
    for (
      const spec of [
        ...FramingSpec.names.map(minimal),
        "lines:crlf,strict",
        "lines:strict,limit=5,crlf",
        "u16le:limit=100",
        "length:endian=be,limit=7,width=1",
        "delimited:keep,0d0a+0A",
        "delimited:text=a=b:c",
        "delimited:text=\"a,b\",keep",
        "checked:crc16ccitt,at=start,of=delimited:text=\",\",limit=9"
      ]
    ) {
      assert.strictEqual(FramingSpec.format(parse(spec)), spec)
    }
    assert.strictEqual(FramingSpec.format(parse("delimited:text=\"END\"")), "delimited:text=END")
    assert.strictEqual(FramingSpec.format(parse("fixed:allowTruncated,size=5")), "fixed:allowTruncated,5")
    assert.strictEqual(FramingSpec.format({ name: "lines", options: { crlf: "", limit: "5" } }), "lines:crlf,limit=5")
    assert.strictEqual(
      FramingSpec.format({ name: "checked", options: { of: "u8:limit=9", checksum: "crc32" } }),
      "checked:crc32,of=u8:limit=9"
    )
  })
})

describe("FramingSpec.parse says what can stand where", () => {
  const names = `one of ${FramingSpec.names.join(", ")}`
  const inner = `one of ${FramingSpec.names.filter((name) => name !== "checked").join(", ")}`
  const ofLines = "one of crlf, strict, onTooLong=fail|skip|truncate, limit=BYTES"
  const ofDelimited = "one of HEX+HEX+..., text=TEXT, keep, allowTruncated, onTooLong=fail|skip|truncate, limit=BYTES"
  const delimiters = "byte strings none of which is in another before its end"
  const width = "width=1|2|3|4|5|6|7|8"
  for (
    const [input, expected] of [
      ["", `0: ${names}`],
      [":", `0: ${names}`],
      ["line", `0: ${names}`],
      ["LINES", `0: ${names}`],
      [" lines", `0: ${names}`],
      ["lines,crlf", `0: ${names}`],
      ["resp", `0: ${names}`],
      ["toString", `0: ${names}`],
      ["__proto__", `0: ${names}`],
      ["lines:", `6: ${ofLines}`],
      ["lines:cr", `6: ${ofLines}`],
      ["lines:crlf,", `11: ${ofLines}`],
      ["lines:crlf,,strict", `11: ${ofLines}`],
      ["lines:crlf, strict", `11: ${ofLines}`],
      ["lines:constructor", `6: ${ofLines}`],
      ["lines:__proto__", `6: ${ofLines}`],
      ["lines:crlf=1", "6: crlf"],
      ["lines:crlf=", "6: crlf"],
      ["lines:strict=false", "6: strict"],
      ["lines:onTooLong", "6: onTooLong=fail|skip|truncate"],
      ["lines:onTooLong=drop", "6: onTooLong=fail|skip|truncate"],
      ["lines:onTooLong=truncate,limit=0", "25: for limit 1 byte or more to truncate to, or skip"],
      ["lines:crlf,crlf", "11: crlf only once"],
      ["lines:limit=1,limit=1", "14: limit only once"],
      ["lines:limit", "6: limit=BYTES"],
      ["lines:limit=", "6: limit=BYTES"],
      ["lines:limit=-1", "6: limit=BYTES"],
      ["lines:limit=1.5", "6: limit=BYTES"],
      ["lines:limit=1e3", "6: limit=BYTES"],
      ["lines:limit=\"1\"", "6: limit=BYTES"],
      ["lines:limit=12345678901234567", "6: limit=BYTES"],
      ["lines:strict,limit=9007199254740992", "13: for limit a whole number of bytes from 0 to 9007199254740991"],
      ["u8:width=1", "3: one of limit=BYTES"],
      ["u8:limit=256", "3: for limit a whole number of bytes from 0 to 255"],
      ["u32be:limit=4294967296", "6: for limit a whole number of bytes from 0 to 4294967295"],
      ["octets:limit=0", "7: for limit 1 byte or more, as a message has"],
      ["length", `6: ${width}`],
      ["length:endian=le", `16: ${width}`],
      ["length:width", `7: ${width}`],
      ["length:width=9", `7: ${width}`],
      ["length:width=2,endian=me", "15: endian=be|le"],
      ["length:width=2,limit=65536", "15: for limit a whole number of bytes from 0 to 65535"],
      ["length:width=2,counts=header", "15: counts=payload|frame|NUMBER"],
      ["length:width=1,counts=-256", "15: for counts payload, frame, or a number of bytes that leaves some"],
      ["length:offset=65537,width=1", "7: for offset a whole number of bytes from 0 to 65536"],
      ["length:width=1,strip=2", "15: for strip a whole number of bytes from 0 to 1"],
      ["length:width=2:endian=le", `7: ${width}`],
      ["fixed", "5: BYTES"],
      ["fixed:", "6: one of BYTES, allowTruncated"],
      ["fixed:x", "6: one of BYTES, allowTruncated"],
      ["fixed:0", "6: for size a whole number of bytes from 1 to 9007199254740991"],
      ["fixed:1,2", "8: size only once"],
      ["fixed:1,size=2", "8: size only once"],
      ["delimited", "9: HEX+HEX+..., text=TEXT"],
      ["delimited:keep", "14: HEX+HEX+..., text=TEXT"],
      ["delimited:0", `10: ${ofDelimited}`],
      ["delimited:0d0a+", `10: ${ofDelimited}`],
      ["delimited:\\n", `10: ${ofDelimited}`],
      ["delimited:0a+0d0a0d", `10: for delimiter ${delimiters}`],
      ["delimited:0a,text=b", "13: for text what no hex stands beside"],
      ["delimited:text=", "10: text=TEXT"],
      ["delimited:text=\"\"", "10: text=TEXT"],
      ["delimited:text=\"a", "10: text=TEXT"],
      ["delimited:text=\"\\x\"", "10: text=TEXT"],
      ["delimited:text=\"\\ud800\"", "10: text=TEXT"],
      ["delimited:text=\"a\"b,keep", "18: a comma, or the end"],
      [`delimited:keep,text=${"a".repeat(1025)}`, "10: for delimiter 1024 bytes in all"],
      ["erlang", "6: 1|2|4"],
      ["erlang:3", "7: one of 1|2|4, limit=BYTES"],
      ["fix:limit=1", "11: FIX.4.2|FIX.4.4|FIXT.1.1|..."],
      ["fix:FIX.5", "4: one of FIX.4.2|FIX.4.4|FIXT.1.1|..., limit=BYTES"],
      ["checked:crc32", "13: of=SPEC"],
      ["checked:of=u8", "13: crc32|crc32c|crc16ccitt|adler32"],
      ["checked:crc32,of", "14: of=SPEC"],
      ["checked:crc32,of=", `17: ${inner}`],
      ["checked:crc32,of=line", `17: ${inner}`],
      ["checked:crc32,of=checked:crc32,of=u8", `17: ${inner}`],
      ["checked:crc32,of=lines:crlf,cr", `28: ${ofLines}`],
      ["checked:crc32,of=u8:limit=3", "14: for of a limit of 4 bytes or more"]
    ] as const
  ) {
    it(`"${input.slice(0, 60)}"`, () => assert.strictEqual(refused(input), expected))
  }
})
