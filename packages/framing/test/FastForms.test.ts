// The fast forms of a step give what the step gives, and no byte of a stream makes them look at it again and again.
import { assert, describe, it, vi } from "@effect/vitest"
import { ByteReader, Codec, Decoder, type FramingError, LengthPrefixed, Lines } from "@framewire/framing"
import { atRandom, bytes, encoded, failureOf, inChunks, join, random, show, work } from "./support.ts"

type Event = string

/** The step alone, as any decoder without fast forms. */
const slow = <A>(step: Decoder.Step<A>): Decoder.Step<A> => (reader) => step(reader)

const eventsOf = <A>(step: Decoder.Step<A>, chunks: Iterable<Uint8Array>): ReadonlyArray<Event> => {
  const reader = ByteReader.make()
  const seen: Array<Event> = []
  const runs = (): boolean => {
    for (;;) {
      const into: Array<A> = []
      const error = Decoder.run(step, reader, into)
      seen.push(...into.map((each) => each instanceof Uint8Array ? show(each) : String(each)))
      if (error === undefined) return true
      seen.push(`!${failureOf(error)}`)
      if (error._tag === "FrameError") return false
    }
  }
  for (const chunk of chunks) {
    reader.push(chunk)
    if (!runs()) return seen
  }
  reader.end()
  runs()
  return seen
}

const visited = (step: Decoder.FrameStep, chunks: Iterable<Uint8Array>): ReadonlyArray<Event> => {
  const reader = ByteReader.make()
  const seen: Array<Event> = []
  const run = (): FramingError.FrameError | FramingError.MessageError | undefined =>
    Decoder.visit(step, reader, (bytes, start, end) => seen.push(show(bytes.subarray(start, end))))
  for (const chunk of chunks) {
    reader.push(chunk)
    const error = run()
    if (error !== undefined) return [...seen, `!${failureOf(error)}`]
  }
  reader.end()
  const error = run()
  return error === undefined ? seen : [...seen, `!${failureOf(error)}`]
}

const pieces = ["a", "bb", "", "é", "\r", "x\ry", "€€", "long enough to be a line of its own", "\u0000"]

describe("the fast forms", () => {
  const framings: Record<string, Codec.Framing> = {
    "u8": LengthPrefixed.u8({ limit: 30 }),
    "u16le": LengthPrefixed.u16le({ limit: 30 }),
    "u32be": LengthPrefixed.u32be({ limit: 30 }),
    "lines": Lines.make({ limit: 30 }),
    "lines, strict LF": Lines.make({ limit: 30, strict: true }),
    "lines, strict CRLF": Lines.make({ limit: 30, ending: "crlf", strict: true }),
    "lines, skipping": Lines.make({ limit: 30, onTooLong: "skip" })
  }
  const next = random(7)
  const streams = Array.from({ length: 300 }, () => {
    const text = Array.from({ length: 1 + next(12) }, () => pieces[next(pieces.length)]!)
    return text
  })
  for (const [name, framing] of Object.entries(framings)) {
    it(`${name}: frames, text and visits as by steps alone, whatever the chunks`, () => {
      for (const parts of streams) {
        const lines = name.startsWith("lines")
        const ending = next(3) === 0 ? "\n" : "\r\n"
        const encoder = new TextEncoder()
        const stream = lines
          // Raw, with what the encoder would refuse; now and then with what is not UTF-8.
          ? join(
            parts.flatMap((part) => [encoder.encode(part), next(9) === 0 ? bytes("\xff") : bytes(""), bytes(ending)])
          )
          : join(parts.map((part) => {
            const payload = encoder.encode(part)
            const size = name === "u8"
              ? [payload.length]
              : name === "u16le"
              ? [payload.length, 0]
              : [0, 0, 0, payload.length]
            return join([Uint8Array.from(size), payload])
          }))
        for (const chunks of [[stream], inChunks(stream, 1), atRandom(stream, 9, next), atRandom(stream, 40, next)]) {
          const alone = eventsOf(slow(framing.decoder.start()), chunks)
          assert.deepStrictEqual(eventsOf(framing.decoder.start(), chunks), alone)
          const textAlone = eventsOf(slow(Codec.text(framing).decoder.start()), chunks)
          assert.deepStrictEqual(eventsOf(Codec.text(framing).decoder.start(), chunks), textAlone)
          const firstFailure = alone.findIndex((event) => event.startsWith("!"))
          const expected = firstFailure < 0 ? alone : alone.slice(0, firstFailure + 1)
          assert.deepStrictEqual(visited(framing.decoder.start(), chunks), expected)
        }
      }
    })
  }

  it("one message at a time is one message at a time", () => {
    const reader = ByteReader.make()
    reader.push(encoded(Codec.text(Lines.make()), ["a", "b", "c"]))
    const step = Codec.text(Lines.make()).decoder.start()
    const into: Array<string> = []
    assert.isUndefined(Decoder.run(step, reader, into, 1))
    assert.deepStrictEqual([into, reader.length], [["a"], 4])
    assert.isUndefined(Decoder.run(step, reader, into, 1))
    assert.deepStrictEqual([into, reader.length], [["a", "b"], 2])
  })

  it("visits are of the piece itself: no object a frame", () => {
    const stream = encoded(LengthPrefixed.u32be(), Array.from({ length: 100 }, () => bytes("payload")))
    const reader = ByteReader.make()
    reader.push(stream)
    const seen = new Set<Uint8Array>()
    Decoder.visit(LengthPrefixed.u32be().decoder.start(), reader, (piece) => seen.add(piece))
    assert.deepStrictEqual([...seen], [stream])
  })

  // Twice the lines cost twice the work, whatever stands in them.
  const hostile: Record<string, string> = {
    "not UTF-8 in every line": "\xff\n",
    "not UTF-8 in every other line": "a\n\xff\n",
    "not UTF-8 in every tenth line": "a\n".repeat(9) + "\xff\n",
    "too long in three bytes a character, but not in one": "\xc3\xa9".repeat(12) + "\n"
  }
  for (const [name, unit] of Object.entries(hostile)) {
    it(`work is linear: ${name}`, () => {
      const cost = (times: number) => {
        const codec = Codec.text(Lines.make({ limit: 30 }))
        const decode = vi.spyOn(TextDecoder.prototype, "decode")
        const { searched } = work(() => void eventsOf(codec.decoder.start(), [bytes(unit.repeat(times))]))
        const decoded = decode.mock.calls.reduce((sum, [chunk]) => sum + (chunk?.byteLength ?? 0), 0)
        decode.mockRestore()
        return searched + decoded
      }
      const ratio = cost(4000) / cost(1000)
      assert.isBelow(ratio, 5)
    })
  }
})
