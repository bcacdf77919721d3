// The laws find what is wrong with a codec, and say nothing against one that is right.
import { assert, describe, it } from "@effect/vitest"
import { ByteReader, type Codec, Decoder, FramingError, FramingSpec } from "@framewire/framing"
import { CodecLaws } from "@framewire/framing/testing"
import * as Result from "effect/Result"
import { CountingReader } from "../src/testing/internal/CountingReader.ts"

describe("a codec that breaks a law is found", () => {
  const limit = 500
  const lf = 0x0a
  const tooLong = (reader: ByteReader.ByteReader, size: number) =>
    new FramingError.FrameError({
      reason: new FramingError.FrameTooLong({ size, limit }),
      offset: reader.offset,
      head: reader.peek(16)
    })
  const refused = (size: number) =>
    new FramingError.MessageError({ direction: "encode", reason: new FramingError.FrameTooLong({ size, limit }) })

  const step: Decoder.Step<Uint8Array> = (reader) => {
    if (reader.length < 4) return reader.need(4)
    const size = reader.uint(0, 4, false)
    if (size > limit) throw tooLong(reader, size)
    if (reader.length < 4 + size) return reader.need(4 + size)
    reader.skip(4)
    return reader.take(size)
  }
  /** Four length bytes, and what is wrong with it. */
  const sizedWith = (
    wrong: Partial<Codec.Framing> & { readonly step?: () => Decoder.Step<Uint8Array> }
  ): Codec.Framing => ({
    limit,
    decoder: Decoder.make(wrong.step ?? (() => step)),
    encode: (payload, writer) => {
      if (payload.length > limit) throw refused(payload.length)
      writer.uint(payload.length, 4, false)
      writer.bytes(payload)
    },
    ...wrong
  })

  const lineStep = (): Decoder.Step<Uint8Array> => {
    let searched = 0
    return (reader) => {
      const end = reader.indexOf(lf, Math.max(0, searched - reader.offset))
      if ((end < 0 ? reader.length : end) > limit) throw tooLong(reader, limit + 1)
      if (end < 0) {
        searched = reader.offset + reader.length
        return reader.need()
      }
      const line = reader.take(end)
      reader.skip(1)
      return line
    }
  }
  /** Lines that end in LF, and what is wrong with them. */
  const linesWith = (
    wrong: Partial<Codec.Framing> & { readonly step?: () => Decoder.Step<Uint8Array> }
  ): Codec.Framing => ({
    limit,
    decoder: Decoder.make(wrong.step ?? lineStep),
    encode: (payload, writer) => {
      if (payload.length > limit) throw refused(payload.length)
      const index = payload.indexOf(lf)
      const reason = new FramingError.ContainsDelimiter({ index })
      if (index >= 0) throw new FramingError.MessageError({ direction: "encode", reason })
      writer.bytes(payload)
      writer.byte(lf)
    },
    ...wrong
  })

  const broken: ReadonlyArray<readonly [bug: string, law: RegExp, codec: Codec.Framing]> = [
    [
      "a CR that waits for its LF counts against the limit (Netty's LineBasedFrameDecoder)",
      /however they were cut: .* 502 chunks: event 0 is FrameError/,
      linesWith({
        step: () => (reader) => {
          const end = reader.indexOf(lf)
          if (end < 0 && reader.length > limit) throw tooLong(reader, limit + 1)
          if (end < 0) return reader.need()
          const size = end > 0 && reader.at(end - 1) === 0x0d ? end - 1 : end
          if (size > limit) throw tooLong(reader, limit + 1)
          const line = reader.take(size)
          reader.skip(end - size + 1)
          return line
        }
      })
    ],
    [
      "a limit that holds for what has not ended only (split2)",
      /however they were cut/,
      linesWith({
        step: () => (reader) => {
          const end = reader.indexOf(lf)
          if (end < 0 && reader.length > limit) throw tooLong(reader, limit + 1)
          if (end < 0) return reader.need()
          const line = reader.take(end)
          reader.skip(1)
          return line
        }
      })
    ],
    [
      "what comes before the end of the stream is dropped (Netty, Erlang, length-prefixed-stream)",
      /at every byte: 1 of the 4 bytes of a frame, and the end: silence/,
      sizedWith({
        step: () => (reader) => {
          const message = step(reader)
          if (message instanceof Uint8Array || !reader.ended) return message
          reader.discard(reader.length)
          return reader.need()
        }
      })
    ],
    [
      "a stream that ends behind the header has ended well (tokio-util)",
      /at every byte: 4 of the 5 bytes of a frame are discarded/,
      sizedWith({
        step: () => {
          let size: number | undefined
          return (reader) => {
            if (size === undefined && reader.length < 4) return reader.need(4)
            if (size === undefined) {
              size = reader.uint(0, 4, false)
              if (size > limit) throw tooLong(reader, size)
              reader.discard(size > 0 ? 4 : 3)
            }
            if (reader.length < Math.max(1, size)) return reader.need(size)
            const message = size === 0 ? new Uint8Array(0) : reader.take(size)
            if (size === 0) reader.skip(1)
            size = undefined
            return message
          }
        }
      })
    ],
    [
      "an impossible length is a RangeError (length-prefixed-stream)",
      /typed error: a defect: RangeError/,
      sizedWith({
        step: () => (reader) => {
          if (reader.length < 4) return reader.need(4)
          const size = reader.uint(0, 4, false)
          if (size >= 2 ** 31) throw new RangeError("size")
          return step(reader)
        }
      })
    ],
    [
      "a length that does not fit is cut (Erlang's {packet, 1})",
      /^a message is read back as it was/,
      {
        limit: 255,
        decoder: FramingSpec.parse("u8").pipe(Result.getOrThrow).framing.decoder,
        encode: (payload, writer) => {
          writer.byte(payload.length === 3 ? 2 : payload.length)
          writer.bytes(payload)
        }
      }
    ],
    [
      "a delimiter within a message is written (every line encoder that was looked at)",
      /^a message is read back as it was.*came instead of message 0, <0a>/,
      linesWith({
        encode: (payload, writer) => {
          if (payload.length > limit) throw refused(payload.length)
          writer.bytes(payload)
          writer.byte(lf)
        }
      })
    ],
    [
      "a frame comes out with the next one's first byte",
      /^one message in is exactly one frame out.*before the second has come: nothing came/,
      sizedWith({
        step: () => (reader) => {
          if (reader.ended || reader.length < 4) return step(reader)
          const whole = 4 + reader.uint(0, 4, false)
          return reader.length === whole ? reader.need(whole + 1) : step(reader)
        }
      })
    ],
    [
      "a limit that is compared before the header is taken off (tokio-util, Netty)",
      /^the limit is inclusive: 49\d bytes/,
      sizedWith({
        step: () => (reader) => {
          if (reader.length < 4) return reader.need(4)
          const size = reader.uint(0, 4, false)
          if (size + 4 > limit) throw tooLong(reader, size)
          return step(reader)
        }
      })
    ],
    [
      "an encoder that does not know the limit (tokio-util's LinesCodec)",
      /^the limit is inclusive: 501 bytes are written/,
      sizedWith({
        encode: (payload, writer) => {
          writer.uint(payload.length, 4, false)
          writer.bytes(payload)
        }
      })
    ],
    [
      "frames without payload are lost (frame-stream, byline)",
      /^frames without payload are frames/,
      sizedWith({
        step: () => (reader) => {
          while (reader.length >= 4 && reader.uint(0, 4, false) === 0) reader.discard(4)
          return step(reader)
        }
      })
    ],
    [
      "the search begins at 0 with every chunk (Twisted's LineOnlyReceiver, Effect's RPC NDJSON)",
      /^twice the bytes are twice the work: an unfinished frame byte by byte/,
      linesWith({
        step: () => {
          const search = lineStep
          return (reader) => search()(reader)
        }
      })
    ],
    [
      "every frame searches the rest for a delimiter that is not there (Netty's DelimiterBasedFrameDecoder)",
      /^twice the bytes are twice the work: .* in one chunk/,
      linesWith({
        step: () => {
          const search = lineStep()
          return (reader) => {
            reader.indexOf(0x07)
            return search(reader)
          }
        }
      })
    ],
    [
      "a frame without an end is kept for ever (Effect's splitLines, byline)",
      /^an unfinished frame holds the limit/,
      linesWith({
        step: () => {
          let searched = 0
          return (reader) => {
            const end = reader.indexOf(lf, Math.max(0, searched - reader.offset))
            if (end > limit) throw tooLong(reader, limit + 1)
            if (end < 0) {
              searched = reader.offset + reader.length
              return reader.need()
            }
            const line = reader.take(end)
            reader.skip(1)
            return line
          }
        }
      })
    ],
    [
      "what a header declares is allocated (length-prefixed-stream, tokio-util)",
      /^nothing is allocated for bytes that have not come/,
      sizedWith({
        step: () => {
          let room = new Uint8Array(0)
          return (reader) => {
            const size = reader.length < 4 ? 0 : reader.uint(0, 4, false)
            if (room.length < size) room = new Uint8Array(Math.min(size, 1_000_000))
            return step(reader)
          }
        }
      })
    ],
    [
      "the same by a Buffer",
      /^nothing is allocated for bytes that have not come/,
      sizedWith({
        step: () => (reader) => {
          if (reader.length >= 4) Buffer.allocUnsafe(Math.min(reader.uint(0, 4, false), 1_000_000))
          return step(reader)
        }
      })
    ]
  ]

  /** What the laws say against it. */
  const violations = (codec: Codec.Framing): ReadonlyArray<string> =>
    CodecLaws.framing(codec, { noise: 3000 }).flatMap(({ run }) => {
      try {
        run()
        return []
      } catch (error) {
        assert.instanceOf(error, CodecLaws.LawViolation)
        return [error.message]
      }
    })

  for (const [bug, law, codec] of broken) {
    it(`found: ${bug}`, () => {
      const found = violations(codec)
      assert.isTrue(found.some((violation) => law.test(violation)), found.join("\n") || "nothing was found")
    })
  }

  it("and nothing is said against those that are not broken", () => {
    assert.deepStrictEqual([...violations(sizedWith({})), ...violations(linesWith({}))], [])
  })

  it("a codec that writes nothing, so that no law can be seen", () => {
    const mute = sizedWith({
      encode: (payload) => {
        throw refused(payload.length)
      }
    })
    assert.match(violations(mute).join("\n"), /every message is refused/)
  })

  it("the visits of every way to look at bytes are counted", () => {
    const blind = new Set(["constructor", "offset", "push", "lend", "keep", "end", "need", "skip", "discard"])
    const looks = Object.getOwnPropertyNames(ByteReader.ByteReader.prototype).filter((name) => !blind.has(name))
    const counted = Object.getOwnPropertyNames(CountingReader.prototype).filter((name) => name !== "constructor")
    assert.deepStrictEqual(counted.toSorted(), looks.toSorted())
    const reader = new CountingReader()
    reader.push(Uint8Array.from({ length: 100 }, (_, index) => index))
    reader.indexOf(9)
    reader.indexOf(9, 5)
    reader.indexOf(200, 40)
    assert.strictEqual(reader.visits, 10 + 5 + 60)
    reader.uint(0, 4, false)
    reader.at(0)
    reader.peek(7)
    reader.take(8)
    assert.strictEqual(reader.visits, 75 + 4 + 1 + 7 + 8)
  })
})
