import { assert, describe, it } from "@effect/vitest"
import {
  type Codec,
  Decoder,
  FramingError,
  FramingSpec,
  HexDump,
  LengthPrefixed,
  Lines,
  Slip
} from "@framewire/framing"
import * as Result from "effect/Result"
import { bytes, hex, random, show, toHex } from "./support.ts"

/** The spans in a line each: what, how many bytes, of which frame. */
const spansOf = (stream: Uint8Array | string, codec: Codec.Framing): ReadonlyArray<string> =>
  HexDump.spans(typeof stream === "string" ? bytes(stream) : stream, codec)
    .map(({ bytes, frame, kind, note }) => `${frame} ${kind} ${show(bytes)}${note === undefined ? "" : ` (${note})`}`)

describe("HexDump", () => {
  it("headers, payloads and trailers, and what is not finished", () => {
    assert.deepStrictEqual(spansOf("\0\x05hello\0\0\0\x04hi", LengthPrefixed.u16be()), [
      "0 header \0\x05",
      "0 payload hello",
      "1 header \0\0",
      "2 unfinished \0\x04hi (4 of 6 bytes)"
    ])
    assert.deepStrictEqual(spansOf("hello\r\n\na\rb\nhi", Lines.make()), [
      "0 payload hello",
      "0 trailer \r\n",
      "1 trailer \n",
      "2 payload a\rb",
      "2 trailer \n",
      "3 unfinished hi (2 bytes)"
    ])
    assert.deepStrictEqual(spansOf("", Lines.make()), [])
  })

  it("what ends the connection is the rest, with the error", () => {
    const [, , invalid] = HexDump.spans(bytes("\x01aGET / HTTP/1.1"), LengthPrefixed.u8({ limit: 50 }))
    assert.strictEqual(invalid?.kind, "invalid")
    assert.strictEqual(show(invalid!.bytes), "GET / HTTP/1.1")
    assert.match(invalid!.note ?? "", /^a frame of 71 bytes, 50 are allowed, at byte 2 .* perhaps an HTTP request$/)
  })

  const escaped: Codec.Framing = {
    ...Lines.make(),
    decoder: Decoder.make(() => {
      const step = Lines.make().decoder.start()
      return (reader) => {
        if (reader.length > 0 && reader.at(0) === 0x23) reader.discard(1)
        const offset = reader.offset
        const line = step(reader)
        if (!(line instanceof Uint8Array)) return line
        if (line[0] === 0x21) {
          throw new FramingError.MessageError({ direction: "decode", reason: new FramingError.InvalidUtf8(), offset })
        }
        return line[0] === 0x7e ? bytes(show(line).toUpperCase()) : line.slice()
      }
    })
  }

  it("a payload that is a copy is found, one that is not in the frame as it is makes it one span", () => {
    assert.deepStrictEqual(spansOf("one\n~two\n#three\n!four\nfive\n", escaped), [
      "0 payload one",
      "0 trailer \n",
      "1 frame ~two\n",
      "2 discarded #",
      "2 payload three",
      "2 trailer \n",
      "3 refused !four\n (the message is not UTF-8, in frame 3, at byte 16 of the stream)",
      "4 payload five",
      "4 trailer \n"
    ])
  })

  it("a payload that looks like its header is the later one", () => {
    const copies: Codec.Framing = {
      ...LengthPrefixed.u8(),
      decoder: Decoder.map(LengthPrefixed.u8().decoder, (it) => it.slice())
    }
    assert.deepStrictEqual(spansOf("\x01\x01\x02\x02\x02", copies), [
      "0 header \x01",
      "0 payload \x01",
      "1 header \x02",
      "1 payload \x02\x02"
    ])
  })

  it("a payload that is a copy is found where it stands last, in the time of its bytes", () => {
    const next = random(7)
    for (let turn = 0; turn < 2000; turn++) {
      const size = next(10)
      const frame = Uint8Array.of(size, ...Array.from({ length: size }, () => next(2)))
      const from = next(size + 1)
      const to = from + next(size - from + 1)
      const codec = {
        ...LengthPrefixed.u8(),
        decoder: Decoder.map(LengthPrefixed.u8().decoder, (it) => it.slice(from, to))
      }
      const text = frame.join()
      const part = frame.slice(1 + from, 1 + to).join()
      const found = HexDump.spans(frame, codec).find(({ kind }) => kind === "payload")
      if (part !== "") assert.strictEqual(found?.offset, text.lastIndexOf(part) / 2, `${text}: ${part}`)
    }
    const escapes = Uint8Array.of(...Array.from({ length: 100_000 }, (_, i) => i % 2 === 0 ? 0xDB : 0xDC), 0xC0)
    assert.deepStrictEqual(HexDump.spans(escapes, Slip.make()).map(({ kind }) => kind), ["frame"])
  })

  it("as text, 16 bytes a line, a span begins one", () => {
    const stream = [hex("0014"), bytes("twenty bytes of data"), hex("ffff 80")]
    const lines = HexDump.make(
      Uint8Array.from(stream.flatMap((part) => Array.from(part))),
      LengthPrefixed.u16be({ limit: 99 })
    )
    assert.strictEqual(
      HexDump.format(lines),
      `00000000  00 14                                            ..                frame 0  header
00000002  74 77 65 6e 74 79 20 62 79 74 65 73 20 6f 66 20  twenty bytes of   frame 0  payload
00000012  64 61 74 61                                      data              frame 0  payload
00000016  ff ff 80                                         ...               frame 1  invalid, ` +
        "a frame of 65535 bytes, 99 are allowed, at byte 22 of the stream: ff ff 80 \"...\""
    )
  })

  it("shows every byte once and in order, whatever they are and whatever the codec", () => {
    const next = random(3)
    for (
      const { framing } of FramingSpec.names.flatMap((name) =>
        Result.match(FramingSpec.parse(name), {
          onSuccess: (spec) => [spec],
          // It has options that it needs.
          onFailure: () => []
        })
      )
    ) {
      for (let turn = 0; turn < 50; turn++) {
        const stream = Uint8Array.from({ length: next(80) }, () => next(3) === 0 ? next(256) : next(12))
        const lines = HexDump.make(stream, framing)
        assert.strictEqual(lines.map((line) => toHex(line.bytes)).join(""), toHex(stream))
        let offset = 0
        for (const line of lines) {
          assert.strictEqual(line.offset, offset)
          assert.isTrue(line.bytes.length > 0 && line.bytes.length <= 16)
          offset += line.bytes.length
        }
      }
    }
  })
})
