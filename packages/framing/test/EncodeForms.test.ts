// The fast forms of an encoder write what it writes one by one, and refuse what it refuses.
import { assert, describe, it } from "@effect/vitest"
import { ByteWriter, Codec, LengthPrefixed, Lines } from "@framewire/framing"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { failureOf, join, random, show } from "./support.ts"

const pieces = [
  "a",
  "",
  "\u00e9\u20ac",
  "x".repeat(40),
  "y".repeat(14),
  "\u20ac".repeat(13),
  "\r",
  "a\rb",
  "b\r",
  "\u{1f600}"
]
const bad = ["a\nb", "\n", "\ud800", "z".repeat(41), "\u20ac".repeat(14)]

/** One call a message. */
const oneByOne = <A>(codec: Codec.Codec<A>, messages: ReadonlyArray<A>): string => {
  const writer = ByteWriter.make()
  for (const message of messages) {
    const error = Codec.write(codec, message, writer)
    if (error !== undefined) return `!${failureOf(error)}`
  }
  return show(join(writer.finish()))
}

const atOnce = <A>(codec: Codec.Codec<unknown, A>, messages: Iterable<A>): string =>
  Result.match(Codec.encodeAll(codec, messages), {
    onSuccess: (chunks) => show(join(chunks)),
    onFailure: (error) => `!${failureOf(error)}`
  })

const framings: Record<string, Codec.Framing> = {
  "lines": Lines.make({ limit: 40 }),
  "lines, CRLF": Lines.make({ limit: 40, ending: "crlf" }),
  "lines, strict": Lines.make({ limit: 40, strict: true }),
  "u32be": LengthPrefixed.u32be({ limit: 40 })
}

describe("the fast forms of encoders", () => {
  for (const [name, framing] of Object.entries(framings)) {
    const codec = Codec.text(framing)

    it(`${name}: a batch is what its messages are, or is refused as they are`, () => {
      const next = random(3)
      const pick = (of: ReadonlyArray<string>) => of[next(of.length)]!
      for (let round = 0; round < 2000; round++) {
        const messages = Array.from({ length: next(6) }, () => pick(pieces))
        if (round % 3 === 0) messages.splice(next(messages.length + 1), 0, pick(bad))
        const expected = oneByOne(codec, messages)
        assert.strictEqual(atOnce(codec, messages), expected)
        assert.strictEqual(atOnce(codec, new Set(messages)), oneByOne(codec, [...new Set(messages)]))
      }
    })
  }

  it("nothing is written for no message, and a refused batch leaves nothing behind", () => {
    const codec = Codec.text(Lines.make({ limit: 40 }))
    assert.strictEqual(atOnce(codec, []), "")
    assert.strictEqual(atOnce(codec, ["a", "b\nc"]), "!MessageError ContainsDelimiter 1")
    assert.strictEqual(atOnce(codec, ["d"]), "d\n")
  })

  it("a batch of short texts is one chunk, and of more than is joined at once the same bytes", () => {
    const codec = Codec.text(Lines.make())
    const line = "x".repeat(64)
    const short = Result.getOrThrow(Codec.encodeAll(codec, Array.from({ length: 128 }, () => line)))
    assert.lengthOf(short, 1)
    assert.strictEqual(atOnce(codec, Array.from({ length: 5000 }, () => line)), `${line}\n`.repeat(5000))
  })

  it("JSON and other meanings have them, and convert each message once", () => {
    const Point = Schema.Struct({ x: Schema.Finite })
    const codec = Codec.json(Point)(Lines.make({ limit: 40 }))
    assert.isDefined(codec.encode.many)
    assert.strictEqual(atOnce(codec, [{ x: 1 }, { x: 2 }]), "{\"x\":1}\n{\"x\":2}\n")
    assert.strictEqual(atOnce(codec, [{ x: 1 }, { x: Number.NaN }]), "!MessageError SchemaMismatch")
    let calls = 0
    const counted = Codec.transform(Codec.text(Lines.make()), String, (n: number) => {
      calls++
      return n === 3 ? "a\nb" : String(n)
    })
    assert.strictEqual(atOnce(counted, [1, 2]), "1\n2\n")
    assert.strictEqual(calls, 2)
    assert.strictEqual(atOnce(counted, [1, 3]), "!MessageError ContainsDelimiter 1")
    assert.strictEqual(calls, 4)
  })

  it("an encoder in the place of another is used, whatever fast form that one had", () => {
    const lines = Codec.text(Lines.make())
    const codec: Codec.Codec<string> = { ...lines, encode: (message, writer) => lines.encode(`<${message}>`, writer) }
    assert.strictEqual(atOnce(codec, ["a", "b"]), "<a>\n<b>\n")
  })
})
