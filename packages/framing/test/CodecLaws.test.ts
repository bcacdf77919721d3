import { assert, describe, it } from "@effect/vitest"
import {
  Codec,
  ContentLength,
  Delimited,
  FixedLength,
  FramingSpec,
  JsonSequence,
  LengthPrefixed,
  Lines,
  Ndjson,
  Netstring,
  OctetCounted,
  Varint
} from "@framewire/framing"
import { CodecLaws } from "@framewire/framing/testing"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { pack, unpack } from "msgpackr"
import { bytes, noise, show } from "./support.ts"

const framingOf = (spec: string): Codec.Framing => Result.getOrThrow(FramingSpec.parse(spec)).framing

const specs = [
  "lines",
  "u8",
  "u16be",
  "u32be",
  "lines:limit=100",
  "lines:crlf,limit=1000",
  "lines:crlf,strict,limit=300",
  "lines:strict,limit=7",
  "lines:limit=0",
  "lines:crlf,strict,limit=3",
  "u32be:limit=4294967295",
  "u8:limit=0",
  "u16le:limit=100",
  "u24be:limit=1000",
  "u32be:limit=70000"
]

/** A line holds a CR that may be of its ending, and that is all; a length its own bytes. */
const optionsOf = (spec: string): CodecLaws.Options<Uint8Array, Uint8Array> =>
  spec.startsWith("lines") ? { noise, tail: "frame", header: 1 } : { noise, header: 4 }

const sized = LengthPrefixed.make
/** A frame that has its header: two bytes of size behind one that is anything. */
const withHeader = (payload: Uint8Array) => {
  const { length } = payload
  return Uint8Array.of(7, length >> 8, length & 255, ...payload)
}

const framings: Record<string, readonly [Codec.Framing, CodecLaws.Options<Uint8Array, Uint8Array>?]> = {
  "length, 8 bytes": [sized({ width: 8, limit: 100 }), { header: 8 }],
  "length, 5 bytes, little-endian, of the frame": [sized({ width: 5, endian: "le", counts: "frame", limit: 100 })],
  "length of the payload and 3": [sized({ width: 2, counts: -3, limit: 100 })],
  "length of the payload without its last 2": [sized({ width: 1, counts: 2, limit: 100 })],
  "length, too long ones are skipped": [sized({ width: 2, limit: 100, onTooLong: "skip" }), {
    streams: [bytes("\0\x65" + "x".repeat(101) + "\0\x01y")]
  }],
  "length of the payload and 9, too long ones are skipped": [
    sized({ width: 1, counts: -9, limit: 100, onTooLong: "skip" }),
    { header: 1 }
  ],
  varint: [Varint.make({ limit: 300 }), { header: 10, streams: [new Uint8Array(12).fill(0x80)] }],
  "varint, minimal": [Varint.make({ limit: 300, minimal: true }), { header: 10, streams: [bytes("\x83\0abc")] }],
  "fixed length": [FixedLength.make({ size: 1 }), { header: 0 }],
  "fixed length, the last may be shorter": [FixedLength.make({ size: 2, allowTruncated: true }), { tail: "frame" }],
  netstring: [Netstring.make({ limit: 300 }), { header: 17, streams: [bytes("0:,01:a,"), bytes("9".repeat(20))] }],
  "octet counted": [OctetCounted.make({ limit: 300 }), { header: 16, streams: [bytes("<1>"), bytes("0 ")] }],
  "content length": [ContentLength.make({ limit: 300 }), {
    header: 4096,
    streams: [bytes("content-length: 1\r\nX-y: z\r\n\r\na"), bytes("Content-Length 1\r\n\r\n")]
  }],
  NUL: [Delimited.make({ delimiter: "\0", limit: 300 }), { header: 0 }],
  "a delimiter whose beginning repeats": [Delimited.make({ delimiter: "\n\n\r\n", limit: 300 }), {
    header: 3,
    streams: [bytes("\n\n\n\r\n"), bytes("a\n\n\r\r")]
  }],
  "several delimiters": [Delimited.make({ delimiter: [",", "\r\n", "\n"], limit: 300 }), { header: 1 }],
  "several, the last needs none": [Delimited.make({ delimiter: ["\0", "\r\n"], limit: 30, allowTruncated: true }), {
    tail: "frame"
  }],
  "delimited, too long ones are skipped": [Delimited.make({ delimiter: "\r\n", limit: 30, onTooLong: "skip" }), {
    header: 1
  }],
  "delimited, too long ones are cut": [Delimited.make({ delimiter: "\0", limit: 30, onTooLong: "truncate" }), {
    header: 1
  }],
  "lines, too long ones are skipped": [Lines.make({ limit: 30, onTooLong: "skip" }), { tail: "frame", header: 1 }],
  "lines, too long ones are cut": [Lines.make({ limit: 30, onTooLong: "truncate", ending: "crlf" }), {
    tail: "frame",
    header: 1
  }],
  "strict crlf lines, too long ones are skipped": [
    Lines.make({ limit: 30, ending: "crlf", strict: true, onTooLong: "skip" }),
    { tail: "frame", header: 1 }
  ]
}

describe("laws of a framing", () => {
  for (const spec of specs) {
    for (const { name, run } of CodecLaws.framing(framingOf(spec), optionsOf(spec))) {
      it(`${spec}: ${name}`, run)
    }
  }
  for (const [which, [codec, options]] of Object.entries(framings)) {
    for (const { name, run } of CodecLaws.framing(codec, { noise, ...options })) it(`${which}: ${name}`, run)
  }
})

describe("laws of a framing whose frames keep what is around the payload", () => {
  // A size in two bytes which are not side by side, behind which something counts too.
  const fromHeader = CodecLaws.suite({
    codec: LengthPrefixed.fromHeader({
      header: 3,
      sizeOf: (bytes) => bytes[0]! + 256 * bytes[2]!,
      strip: false,
      limit: 300,
      onTooLong: "skip"
    }),
    messages: CodecLaws.payloads.map((payload) => Uint8Array.of(payload.length, 7, 0, ...payload)),
    ofSize: (size) => Uint8Array.of(size & 255, 7, size >> 8, ...new Uint8Array(size)),
    header: 3,
    noise
  })
  const header = CodecLaws.suite({
    codec: sized({ offset: 1, width: 2, strip: false, limit: 300 }),
    messages: CodecLaws.payloads.map(withHeader),
    ofSize: (size) => withHeader(new Uint8Array(size)),
    noise
  })
  const delimiter = CodecLaws.suite({
    codec: Delimited.make({ delimiter: ["\r\n", "\n"], keep: true, limit: 300 }),
    messages: CodecLaws.payloads.flatMap((payload) => [bytes(`${show(payload)}\n`), bytes(`${show(payload)}\r\n`)]),
    ofSize: (size) => bytes(`${"a".repeat(size)}\r\n`),
    header: 2,
    noise
  })
  for (const [which, laws] of Object.entries({ fromHeader, header, delimiter })) {
    for (const { name, run } of laws) it(`${which}: ${name}`, run)
  }
})

describe("laws of JSON framings", () => {
  const values = [{ a: "" }, { a: "x\ny" }, { a: "\x1e" }, { a: "\u2028€" }, { a: "[{\"" }]
  const schema = Schema.Struct({ a: Schema.String })
  const ofSize = (size: number) => ({ a: "a".repeat(Math.max(0, size - 8)) })
  const streams = [bytes("\x1e1\n\x1e{\n}\x1e\x1e[]\n"), bytes("\n \n{}\n"), bytes("\x1e\"\\\"\x1e")]
  const sequences = {
    ndjson: CodecLaws.suite({
      codec: Ndjson.make(schema, { limit: 100 }),
      messages: values,
      ofSize,
      streams,
      noise,
      tail: "frame"
    }),
    "ndjson, blank lines are ignored, too long ones are skipped": CodecLaws.suite({
      codec: Ndjson.make(schema, { limit: 100, blankLines: "ignore", onTooLong: "skip" }),
      messages: values,
      ofSize,
      streams,
      noise,
      tail: "frame"
    }),
    "json sequence": CodecLaws.suite({
      codec: JsonSequence.make(schema, { limit: 100 }),
      messages: values,
      ofSize,
      streams,
      noise,
      tail: "frame"
    }),
    "json sequence of bytes, too long ones are skipped": CodecLaws.suite({
      codec: JsonSequence.framing({ limit: 100, onTooLong: "skip" }),
      messages: ["1", "12 ", "[]", "{\"a\":\n1}", "", "tru", "\"\"", "\x1e"].map(bytes),
      ofSize: (size) => bytes(`[${"1".repeat(Math.max(0, size - 2))}]`),
      streams,
      noise,
      tail: "frame"
    })
  }
  // RFC 7464 has it that an RS alone is no text, so a stream that is cut off behind one ends well.
  const silent = /1 of the \d+ bytes of a frame are discarded: .*the text has no RS in front/
  for (const [which, laws] of Object.entries(sequences)) {
    for (const { name, run } of laws) {
      const isSilent = which.startsWith("json sequence") && name.startsWith("a stream that ends inside")
      it(`${which}: ${name}${isSilent ? ", but behind RS" : ""}`, isSilent ? () => assert.throws(run, silent) : run)
    }
  }
})

for (const spec of ["lines:limit=200", "u16be:limit=200"]) {
  const tail = spec.startsWith("lines") ? "frame" : "refused"
  const words = ["", "a", "a\nb", "a\r", "\r\n", "€", "\ud800", "x".repeat(300)]
  const text = CodecLaws.suite({
    codec: Codec.text(framingOf(spec)),
    messages: words,
    ofSize: (size) => "a".repeat(size),
    tail,
    noise
  })
  const json = CodecLaws.suite({
    codec: Codec.json(Schema.Struct({ a: Schema.String }))(framingOf(spec)),
    messages: words.map((a) => ({ a })),
    ofSize: (size) => ({ a: "a".repeat(Math.max(0, size - 8)) }),
    tail,
    noise
  })
  const binary = CodecLaws.suite({
    codec: Codec.binary(Schema.Struct({ a: Schema.String }))(framingOf(spec)),
    messages: words.map((a) => ({ a })),
    tail,
    noise
  })
  const functions = CodecLaws.suite<unknown, unknown>({
    codec: Codec.functions<unknown>(unpack, pack)(framingOf(spec)),
    // msgpackr writes a lone surrogate as bytes that it reads as three other characters.
    messages: [...words.filter((word) => word !== "\ud800"), 1, [], { a: [null, true, -1.5] }],
    tail,
    noise
  })
  for (const [meaning, laws] of Object.entries({ text, json, binary, functions })) {
    describe("laws of a codec with a meaning", () => {
      for (const { name, run } of laws) it(`${meaning} over ${spec}: ${name}`, run)
    })
  }
}
