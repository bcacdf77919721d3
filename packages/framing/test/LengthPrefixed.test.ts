import { assert, describe, it } from "@effect/vitest"
import { Codec, Decoder, FramingError, LengthPrefixed } from "@framewire/framing"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { bytes, encoded, events, failureOf, gives, hex, readerOf, refusal, show, toHex, work } from "./support.ts"

const { u8, u16be, u16le, u24be, u24le, u32be, u32le } = LengthPrefixed
const all = { u8, u16be, u16le, u24be, u24le, u32be, u32le }
const widths = { u8: 1, u16be: 2, u16le: 2, u24be: 3, u24le: 3, u32be: 4, u32le: 4 } as const
const names = Object.keys(all) as Array<keyof typeof all>

/** A header by hand. */
const header = (name: keyof typeof all, size: number): Uint8Array => {
  const digits = hex(size.toString(16).padStart(2 * widths[name], "0"))
  return name.endsWith("le") ? digits.toReversed() : digits
}
const frame = (name: keyof typeof all, payload: string): string => show(header(name, payload.length)) + payload

describe("LengthPrefixed reads", () => {
  for (const name of names) {
    const framing = all[name]()

    it(`${name}: frames, empty ones too, however they are cut`, () => {
      gives(framing, "", [])
      gives(framing, ["hello", "", "", "hi", "\0"].map((payload) => frame(name, payload)).join(""), [
        "hello",
        "",
        "",
        "hi",
        "\0"
      ])
    })

    it(`${name}: a size that takes all of the length field's bytes`, () => {
      const size = name === "u8" ? 0xfe : name.startsWith("u16") ? 0x1234 : 0x012345
      const framing = all[name]({ limit: 2 * size > 255 && name === "u8" ? 255 : 2 * size })
      const stream = show(header(name, size)) + "x".repeat(size) + frame(name, "y")
      assert.deepStrictEqual(events(framing, [bytes(stream)]), ["x".repeat(size), "y"])
    })

    it(`${name}: the limit, one below, at and one above`, () => {
      const framing = all[name]({ limit: 4 })
      assert.strictEqual(framing.limit, 4)
      gives(framing, frame(name, "abc"), ["abc"])
      gives(framing, frame(name, "abcd"), ["abcd"])
      gives(framing, frame(name, "ok") + frame(name, "abcde") + frame(name, "lost"), [
        "ok",
        `!FrameError FrameTooLong 5 > 4 @${widths[name] + 2}`
      ])
    })

    it(`${name}: a stream that ends at any byte of a frame is Truncated`, () => {
      const whole = frame(name, "abc")
      const before = frame(name, "first")
      for (let have = 1; have < whole.length; have++) {
        const need = have < widths[name] ? widths[name] : whole.length
        gives(framing, before + whole.slice(0, have), [
          "first",
          `!FrameError Truncated ${have} of ${need} @${before.length}`
        ])
      }
      gives(framing, before, ["first"])
    })

    it(`${name}: a size above the limit fails on the header alone, and shows what had come`, () => {
      const framing = all[name]({ limit: 4 })
      const largest = 256 ** widths[name] - 1
      const reader = readerOf(header(name, largest), bytes("GET / HTTP/1.1\r\n"))
      const error = Decoder.run(framing.decoder.start(), reader, [])
      assert.instanceOf(error, FramingError.FrameError)
      assert.strictEqual(failureOf(error), `FrameError FrameTooLong ${largest} > 4 @0`)
      assert.strictEqual(show(error.head), (show(header(name, largest)) + "GET / HTTP/1.1\r\n").slice(0, 16))
      gives(framing, header(name, largest), [`!FrameError FrameTooLong ${largest} > 4 @0`])
    })
  }

  it("shows no byte that is not of the frame", () => {
    const reader = readerOf(bytes("\x03abcnext"))
    const error = Decoder.run(u8({ limit: 2 }).decoder.start(), reader, [])
    assert.instanceOf(error, FramingError.FrameError)
    assert.strictEqual(show(error.head), "\x03abc")
    assert.strictEqual(error.message, `a frame of 3 bytes, 2 are allowed, at byte 0 of the stream: ${error.dump}`)
  })

  it("a declared size of 2^32-1 allocates nothing", () => {
    const framing = u32be({ limit: 2 ** 32 - 1 })
    const reader = readerOf(hex("ff ff ff ff"), bytes("some"))
    const step = framing.decoder.start()
    const done = work(() => {
      for (let i = 0; i < 100; i++) assert.isUndefined(Decoder.run(step, reader, []))
    })
    assert.strictEqual(done.allocated, 0)
    assert.strictEqual(reader.needed, 2 ** 32 + 3)
    assert.deepStrictEqual(events(framing, [hex("ff ff ff ff 61")]), [
      `!FrameError Truncated 5 of ${2 ** 32 + 3} @0`
    ])
  })

  it("says how many bytes the frame needs, from its first on", () => {
    const reader = readerOf()
    const step = u16be().decoder.start()
    const needs = Array.from(bytes("\0\x03ab"), (byte) => {
      reader.push(Uint8Array.of(byte))
      assert.isUndefined(Decoder.run(step, reader, []))
      return reader.needed
    })
    assert.deepStrictEqual(needs, [2, 5, 5, 5])
  })
})

describe("LengthPrefixed writes", () => {
  it("the length and the payload, at every width and both ends first", () => {
    const written = Object.fromEntries(
      names.map((name) => [name, toHex(encoded(all[name](), [bytes("hi"), bytes("")]))])
    )
    assert.deepStrictEqual(written, {
      u8: "02686900",
      u16be: "000268690000",
      u16le: "020068690000",
      u24be: "0000026869000000",
      u24le: "0200006869000000",
      u32be: "00000002686900000000",
      u32le: "02000000686900000000"
    })
  })

  it("up to the limit, and refuses what is above with nothing written", () => {
    for (const name of names) {
      const framing = all[name]({ limit: 4 })
      assert.isUndefined(refusal(framing, bytes("abc")))
      assert.isUndefined(refusal(framing, bytes("abcd")))
      assert.strictEqual(refusal(framing, bytes("abcde")), "MessageError FrameTooLong 5 > 4")
    }
  })

  it("a width refuses by itself what it cannot say", () => {
    assert.isUndefined(refusal(u8(), new Uint8Array(255)))
    assert.strictEqual(refusal(u8(), new Uint8Array(256)), "MessageError FrameTooLong 256 > 255")
    assert.isUndefined(refusal(u16be(), new Uint8Array(65_535)))
    assert.strictEqual(refusal(u16be(), new Uint8Array(65_536)), "MessageError FrameTooLong 65536 > 65535")
    assert.strictEqual(refusal(u24be(), new Uint8Array(2 ** 20 + 1)), "MessageError FrameTooLong 1048577 > 1048576")
  })

  it("does not copy a payload of 4 KiB and more", () => {
    const payload = new Uint8Array(10_000)
    const chunks = Result.getOrThrow(Codec.encodeAll(u32be(), [payload]))
    assert.deepStrictEqual(chunks.map((chunk) => chunk.length), [4, 10_000])
    assert.strictEqual(chunks[1], payload)
  })

  it.prop(
    "what it writes is read back as the same messages, and what it does not write would not be read",
    {
      name: Arbitrary.schema(Schema.Literals(names)),
      limit: Arbitrary.schema(Schema.Literals([0, 1, 7, 255])),
      sizes: Arbitrary.array(Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 300 }))))
    },
    ({ limit, name, sizes }) => {
      const framing = all[name]({ limit })
      const messages = sizes.map((size, index) => new Uint8Array(size).fill(index))
      const [fits, fitsNot] = [true, false].map((so) => messages.filter(({ length }) => (length <= limit) === so))
      assert.deepStrictEqual(events(framing, [encoded(framing, fits!)]), fits!.map(show))
      for (const message of fitsNot!) {
        assert.strictEqual(refusal(framing, message), `MessageError FrameTooLong ${message.length} > ${limit}`)
        if (message.length < 256 ** widths[name]) {
          assert.deepStrictEqual(events(framing, [header(name, message.length), message]), [
            `!FrameError FrameTooLong ${message.length} > ${limit} @0`
          ])
        }
      }
    },
    { arbitrary: { runs: 200, seed: 1 } }
  )
})

describe("LengthPrefixed.make", () => {
  it("is what its names say", () => {
    for (const name of names) {
      const endian = name.endsWith("le") ? "le" : "be"
      const framing = LengthPrefixed.make({ width: widths[name], endian })
      assert.strictEqual(toHex(encoded(framing, [bytes("a")])), toHex(encoded(all[name](), [bytes("a")])))
    }
    assert.strictEqual(toHex(encoded(LengthPrefixed.make({ width: 2 }), [bytes("a")])), "000161")
  })

  it("has a finite limit: 1 MiB, or what the width can say", () => {
    assert.deepStrictEqual(names.map((name) => all[name]().limit), [
      255,
      65_535,
      65_535,
      1_048_576,
      1_048_576,
      1_048_576,
      1_048_576
    ])
    assert.strictEqual(u32be({ limit: 2 ** 32 - 1 }).limit, 2 ** 32 - 1)
  })

  it("refuses what cannot work, and says what can", () => {
    const refused = (options: unknown): string => {
      try {
        LengthPrefixed.make(options as LengthPrefixed.LengthPrefixedOptions)
      } catch (error) {
        if (error instanceof FramingError.InvalidOption) return `${error.option}: ${error.message}`
        throw error
      }
      return "nothing"
    }
    for (const width of [0, 9, 1.5, -1, Number.NaN, "2", undefined]) {
      assert.strictEqual(refused({ width }), `width: width is ${width}, allowed is 1 to 8 bytes`)
    }
    for (const endian of ["big", "BE", null, 1]) {
      assert.strictEqual(refused({ width: 2, endian }), `endian: endian is ${endian}, allowed is be or le`)
    }
    for (const limit of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 256, "7"]) {
      const allowed = "a whole number of bytes from 0 to 255"
      assert.strictEqual(refused({ width: 1, limit }), `limit: limit is ${limit}, allowed is ${allowed}`)
    }
    assert.strictEqual(refused({ width: 1, limit: 255 }), "nothing")
    assert.strictEqual(refused({ width: 1, limit: 0 }), "nothing")
    assert.match(refused({ width: 2, limit: 65_536 }), /^limit/)
    assert.match(refused({ width: 4, limit: 2 ** 32 }), /^limit/)
  })
})
