import { assert, describe, it } from "@effect/vitest"
import { ByteReader, Decoder, FramingError, LengthPrefixed, Lines } from "@framewire/framing"
import { bytes, failureOf, readerOf, show, toHex } from "./support.ts"

const lines = Lines.make().decoder
const bad = (offset: number) =>
  new FramingError.MessageError({ direction: "decode", reason: new FramingError.InvalidUtf8(), offset })

/** One byte a message; `!` is a bad one, `#` the end of the framing. */
const letters = Decoder.make(() => (reader) => {
  if (reader.length === 0) return reader.need(1)
  const offset = reader.offset
  const letter = String.fromCharCode(reader.at(0))
  if (letter === "#") {
    const reason = new FramingError.FrameTooLong({ size: 1, limit: 0 })
    throw new FramingError.FrameError({ reason, offset, head: reader.peek(16) })
  }
  reader.skip(1)
  if (letter === "!") throw bad(offset)
  return letter
})

describe("Decoder.run", () => {
  it("appends every message that is there and asks for no more than is", () => {
    const reader = readerOf(bytes("a\nb\nc"))
    const into: Array<Uint8Array> = []
    const step = lines.start()
    assert.isUndefined(Decoder.run(step, reader, into))
    assert.deepStrictEqual(into.map(show), ["a", "b"])
    assert.isUndefined(Decoder.run(step, reader, into))
    reader.push(bytes("d\n"))
    assert.isUndefined(Decoder.run(step, reader, into))
    assert.deepStrictEqual(into.map(show), ["a", "b", "cd"])
    assert.strictEqual(reader.offset, 7)
  })

  it("stops after atMost more messages, and leaves the bytes of the next", () => {
    const reader = readerOf(bytes("abcd"))
    const step = letters.start()
    const into: Array<string> = []
    assert.isUndefined(Decoder.run(step, reader, into, 0))
    assert.deepStrictEqual(into, [])
    assert.isUndefined(Decoder.run(step, reader, into, 1))
    assert.deepStrictEqual(into, ["a"])
    assert.isUndefined(Decoder.run(step, reader, into, 2))
    assert.deepStrictEqual(into, ["a", "b", "c"])
    assert.strictEqual(reader.length, 1)
  })

  it("gives a bad message as a value after those before it, and goes on when it is called again", () => {
    const reader = readerOf(bytes("a!b"))
    const step = letters.start()
    const into: Array<string> = []
    assert.strictEqual(failureOf(Decoder.run(step, reader, into)!), "MessageError InvalidUtf8 @1")
    assert.deepStrictEqual(into, ["a"])
    assert.isUndefined(Decoder.run(step, reader, into))
    assert.deepStrictEqual(into, ["a", "b"])
  })

  it("gives a bad frame as a value, with its place and its first bytes", () => {
    const reader = readerOf(bytes("ab#cdefghijklmnopqrstuvw"))
    const into: Array<string> = []
    const error = Decoder.run(letters.start(), reader, into)
    assert.instanceOf(error, FramingError.FrameError)
    assert.strictEqual(failureOf(error), "FrameError FrameTooLong 1 > 0 @2")
    assert.strictEqual(show(error.head), "#cdefghijklmnopq")
    assert.deepStrictEqual(into, ["a", "b"])
  })

  it("a stream that ends inside a frame is Truncated, one that ends between frames is not", () => {
    const u16 = LengthPrefixed.u16be().decoder
    for (
      const [stream, expected] of [
        ["", undefined],
        ["\0", "FrameError Truncated 1 of 2 @0"],
        ["\0\x03ab", "FrameError Truncated 4 of 5 @0"],
        ["\0\x01a", undefined],
        ["\0\x01a\0\x05", "FrameError Truncated 2 of 7 @3"]
      ] as const
    ) {
      const reader = readerOf(bytes(stream))
      const step = u16.start()
      assert.isUndefined(Decoder.run(step, reader, []))
      const again = readerOf(bytes(stream))
      again.end()
      const error = Decoder.run(u16.start(), again, [])
      assert.strictEqual(error === undefined ? error : failureOf(error), expected)
      reader.end()
      const later = Decoder.run(step, reader, [])
      assert.strictEqual(later === undefined ? later : failureOf(later), expected)
    }
  })

  it("Truncated has no need where the decoder could not know it", () => {
    const untilZero = Decoder.make(() => (reader) => {
      const end = reader.indexOf(0)
      return end < 0 ? reader.need() : reader.take(end + 1)
    })
    const reader = readerOf(bytes("ab"))
    reader.end()
    const error = Decoder.run(untilZero.start(), reader, [])
    assert.strictEqual(failureOf(error!), "FrameError Truncated 2 of ? @0")
    assert.strictEqual(
      error!.message,
      "the stream ended after 2 bytes of a frame, at byte 0 of the stream: 61 62 \"ab\""
    )
  })

  describe("a step that breaks the contract is a defect, it neither stands still nor loses bytes", () => {
    const steps: Record<string, readonly [Decoder.Step<unknown>, RegExp]> = {
      "a frame for no byte": [() => "frame", /returned a frame and took no byte/],
      "a bad message for no byte": [() => {
        throw bad(0)
      }, /refused a message and took no byte/],
      "bytes taken, and no frame": [(reader) => {
        reader.skip(1)
        return reader.need()
      }, /took bytes and asked for more/]
    }
    for (const [name, [step, message]] of Object.entries(steps)) {
      it(`reports ${name}`, () => {
        const into: Array<unknown> = []
        assert.throws(() => Decoder.run(step, readerOf(bytes("ab")), into), message)
        assert.deepStrictEqual(into, [])
      })
    }
  })

  it("throws what is no failure of framing as it is", () => {
    const mistake = new TypeError("mistake")
    const step: Decoder.Step<unknown> = () => {
      throw mistake
    }
    try {
      Decoder.run(step, readerOf(bytes("a")), [])
      assert.fail("nothing was thrown")
    } catch (error) {
      assert.strictEqual(error, mistake)
    }
  })
})

describe("Decoder", () => {
  it("start makes the state of one connection: two of them do not meet", () => {
    const first = readerOf(bytes("abc"))
    const second = readerOf(bytes("x\nyz"))
    const [one, two] = [lines.start(), lines.start()]
    assert.isUndefined(Decoder.run(one, first, []))
    const into: Array<Uint8Array> = []
    assert.isUndefined(Decoder.run(two, second, into))
    assert.deepStrictEqual(into.map(show), ["x"])
  })

  it("map gets the frame and where it began", () => {
    const located = Decoder.map(lines, (frame, offset) => `${show(frame)}@${offset}`)
    const reader = readerOf(bytes("ab\n\ncd"), bytes("e\n"))
    const into: Array<string> = []
    assert.isUndefined(Decoder.run(located.start(), reader, into))
    assert.deepStrictEqual(into, ["ab@0", "@3", "cde@4"])
  })

  it("map counts what a step discards on its way to a frame as before it", () => {
    const afterDots = Decoder.make(() => (reader) => {
      while (reader.length > 0 && reader.at(0) === 0x2e) reader.discard(1)
      return reader.length === 0 ? reader.need(1) : reader.take(1)
    })
    const located = Decoder.map(afterDots, (frame, offset) => `${show(frame)}@${offset}`)
    const into: Array<string> = []
    assert.isUndefined(Decoder.run(located.start(), readerOf(bytes("a..b."), bytes(".c")), into))
    assert.deepStrictEqual(into, ["a@0", "b@3", "c@6"])
  })

  it("map may refuse a message, which takes its frame with it", () => {
    const even = Decoder.map(letters, (letter, offset) => {
      if (letter === "x") throw bad(offset)
      return letter.toUpperCase()
    })
    const reader = readerOf(bytes("axb"))
    const step = even.start()
    const into: Array<string> = []
    assert.strictEqual(failureOf(Decoder.run(step, reader, into)!), "MessageError InvalidUtf8 @1")
    assert.isUndefined(Decoder.run(step, reader, into))
    assert.deepStrictEqual(into, ["A", "B"])
  })

  it("any value can be a message, undefined too", () => {
    const nothing = Decoder.map(letters, () => undefined)
    const into: Array<undefined> = []
    assert.isUndefined(Decoder.run(nothing.start(), readerOf(bytes("ab")), into))
    assert.deepStrictEqual(into, [undefined, undefined])
  })

  it("two codecs take turns at one reader and lose nothing", () => {
    const reader = ByteReader.make()
    const line = lines.start()
    const frame = LengthPrefixed.u8().decoder.start()
    const into: Array<Uint8Array> = []
    reader.push(bytes("abc"))
    assert.isUndefined(Decoder.run(line, reader, into, 1))
    // What the line had searched already is taken by the other.
    assert.strictEqual(show(reader.take(2)), "ab")
    reader.push(bytes("\n\x02hi\x01j\nk\n"))
    assert.isUndefined(Decoder.run(line, reader, into, 1))
    assert.isUndefined(Decoder.run(frame, reader, into, 2))
    assert.isUndefined(Decoder.run(line, reader, into))
    assert.deepStrictEqual(into.map(show), ["c", "hi", "j", "", "k"])
    assert.strictEqual(toHex(reader.peek(1)), "")
  })
})
