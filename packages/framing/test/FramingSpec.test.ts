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
