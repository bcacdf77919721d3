import { assert, describe, it } from "@effect/vitest"
import { Codec, FramingError, LengthPrefixed, Lines, WebStream } from "@framewire/framing"
import * as Result from "effect/Result"
import { Duplex, Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { bytes, cuttings, encoded, failureOf, inChunks, join } from "./support.ts"

const text = Codec.text(Lines.make({ limit: 10 }))

/** Everything that a stream gives, and at last how it failed. */
const collected = async <A>(stream: AsyncIterable<A>): Promise<ReadonlyArray<A | string>> => {
  const seen: Array<A | string> = []
  try {
    for await (const message of stream) seen.push(message)
  } catch (error) {
    assert(error instanceof FramingError.FrameError || error instanceof FramingError.MessageError)
    seen.push(`!${failureOf(error)}`)
  }
  return seen
}

describe("WebStream", () => {
  it("decode: messages however the bytes are cut", async () => {
    for (const chunks of cuttings(bytes("a\n\nb\nc"))) {
      const stream = new ReadableStream<Uint8Array>({
        start: (controller) => {
          for (const chunk of chunks) controller.enqueue(chunk)
          controller.close()
        }
      })
      assert.deepStrictEqual(await collected(stream.pipeThrough(WebStream.decode(text))), [
        "a",
        "",
        "b",
        "c"
      ])
    }
  })

  it("decode: a node Readable that is piped, with backpressure", async () => {
    const messages = Array.from({ length: 5000 }, (_, index) => `${index}`)
    const source = Readable.from(inChunks(encoded(text, messages), 1000))
    const decoding = source.pipe(Duplex.fromWeb(WebStream.decode(text), { objectMode: true }))
    assert.deepStrictEqual(await collected(decoding as AsyncIterable<string>), messages)
  })

  it("decode: fails with the codec's own error", async () => {
    const failures: Record<string, string> = {
      "\x01a\x02b": "!FrameError Truncated 2 of 3 @2",
      "\x01a\x09": "!FrameError FrameTooLong 9 > 8 @2"
    }
    for (const [stream, expected] of Object.entries(failures)) {
      const duplex = Duplex.fromWeb(WebStream.decode(Codec.text(LengthPrefixed.u8({ limit: 8 }))), {
        objectMode: true
      })
      duplex.end(bytes(stream))
      assert.strictEqual((await collected(duplex)).at(-1), expected)
    }
  })

  it("encode: a node pipeline from messages to messages", async () => {
    const messages = Array.from({ length: 1000 }, (_, index) => `${index}`)
    const seen: Array<unknown> = []
    await pipeline(
      Readable.from(messages),
      Duplex.fromWeb(WebStream.encode(text), { objectMode: true }),
      Duplex.fromWeb(WebStream.decode(text), { objectMode: true }),
      async (decoded) => {
        for await (const message of decoded) seen.push(message)
      }
    )
    assert.deepStrictEqual(seen, messages)
  })

  it("encode: what it gives is the reader's alone: a stream of bytes takes its memory away", async () => {
    const one = ReadableStream.from(["one"]).pipeThrough(WebStream.encode(text))
    const other = Result.getOrThrow(Codec.encodeAll(text, ["another's"]))
    const stream = new ReadableStream({
      type: "bytes",
      start: async (controller) => {
        for await (const { buffer, byteOffset, length } of one) {
          assert(buffer instanceof ArrayBuffer)
          controller.enqueue(new Uint8Array(buffer, byteOffset, length))
        }
        controller.close()
      }
    })
    assert.deepStrictEqual(await collected(stream.pipeThrough(WebStream.decode(text))), ["one"])
    assert.deepStrictEqual(join(other), bytes("another's\n"))
  })

  it("encode: fails with the MessageError of what is refused", async () => {
    const stream = WebStream.encode(text)
    const writer = stream.writable.getWriter()
    const sent: Array<Uint8Array> = []
    const reading = stream.readable.pipeTo(new WritableStream({ write: (chunk) => void sent.push(chunk) })).catch((
      error: unknown
    ) => error)
    await writer.write("a")
    await writer.write("b\n").catch(() => {})
    const error = await reading
    assert.instanceOf(error, FramingError.MessageError)
    assert.deepStrictEqual(join(sent), bytes("a\n"))
  })
})
