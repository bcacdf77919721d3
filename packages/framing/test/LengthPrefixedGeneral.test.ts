import { assert, describe, it } from "@effect/vitest"
import { Decoder, FramingError, LengthPrefixed } from "@framewire/framing"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { bytes, encoded, events, gives, hex, inChunks, readerOf, refusal, show, toHex, work } from "./support.ts"

type Options = LengthPrefixed.LengthPrefixedOptions
const { fromHeader, make } = LengthPrefixed

const frames = (...digits: ReadonlyArray<string>) => digits.map((of) => show(hex(of)))

// The examples that Netty and tokio-util document and test, each in our options; see research/framing.md 2.0.
const vectors: ReadonlyArray<
  readonly [id: string, options: Options, stream: string, given: ReadonlyArray<string>]
> = [
  ["netty-lf-05", { width: 2, strip: false }, "000c48454c4c4f2c20574f524c44", ["000c48454c4c4f2c20574f524c44"]],
  [
    "netty-lf-07",
    { width: 2, counts: "frame", strip: false },
    "000e48454c4c4f2c20574f524c44",
    ["000e48454c4c4f2c20574f524c44"]
  ],
  [
    "netty-lf-09",
    { width: 3, counts: 2, strip: false },
    "00000ccafe48454c4c4f2c20574f524c44",
    ["00000ccafe48454c4c4f2c20574f524c44"]
  ],
  [
    "netty-lf-11",
    { width: 2, offset: 1, counts: "frame", strip: 3 },
    "ca0010fe48454c4c4f2c20574f524c44",
    ["fe48454c4c4f2c20574f524c44"]
  ],
  ["netty-lf-19", { width: 2, endian: "le" }, "0300616263", ["616263"]],
  [
    "tokio-ld-13",
    { width: 2, offset: 2, strip: false },
    "78780009616263646566676869 79790003313233 7a7a000b68656c6c6f20776f726c64",
    ["78780009616263646566676869", "79790003313233", "7a7a000b68656c6c6f20776f726c64"]
  ],
  [
    "tokio-ld-15",
    { width: 2, counts: "frame" },
    "000b6162636465666768690005313233000d68656c6c6f20776f726c64",
    ["616263646566676869", "313233", "68656c6c6f20776f726c64"]
  ],
  [
    "tokio-ld-17",
    { width: 3, counts: 2, strip: false },
    "00000bcafe48656c6c6f20776f726c64",
    ["00000bcafe48656c6c6f20776f726c64"]
  ],
  [
    "tokio-ld-19",
    { width: 2, offset: 1, counts: "frame", strip: 3 },
    "ca000ffe48656c6c6f20776f726c64",
    ["fe48656c6c6f20776f726c64"]
  ],
  ["tokio-ld-23", { width: 2, counts: 0, strip: 0, limit: 5 }, "00056162636465", ["00056162636465"]],
  ["pekko-10", { width: 1, strip: false }, "03616263", ["03616263"]],
  ["a strip of more than the length field", { width: 2, counts: 1, strip: 3 }, "000299616200 00 88", ["6162", ""]]
]

describe("LengthPrefixed, in general, reads", () => {
  for (const [id, options, stream, given] of vectors) {
    it(`as ${id}`, () => gives(make(options), hex(stream), frames(...given)))
  }

  it("every width, both ends first", () => {
    for (const width of [1, 2, 3, 4, 5, 6, 7, 8] as const) {
      for (const endian of ["be", "le"] as const) {
        const size = hex("05".padStart(2 * width, "0"))
        const header = endian === "le" ? size.toReversed() : size
        const framing = make({ width, endian })
        gives(framing, show(header) + "hello" + show(new Uint8Array(width)), ["hello", ""])
        assert.strictEqual(show(encoded(framing, [bytes("hello")])), show(header) + "hello")
      }
    }
  })

  it("the limit in payload bytes, one below, at and one above, whatever the length counts", () => {
    for (
      const [options, header] of [
        [{ width: 2, counts: "frame" }, (size: number) => [0, size + 2]],
        [{ width: 2, counts: "frame", strip: false }, (size: number) => [0, size + 2]],
        [{ width: 2, offset: 1, counts: "frame", strip: false }, (size: number) => [9, 0, size + 3]],
        [{ width: 2, counts: -4 }, (size: number) => [0, size + 4]],
        [{ width: 1, counts: 1, strip: 2 }, (size: number) => [size, 9]]
      ] as const
    ) {
      const framing = make({ ...options, limit: 4 })
      const wire = (payload: string) => String.fromCharCode(...header(payload.length)) + payload
      const kept = (payload: string) => "strip" in options && options.strip === false ? wire(payload) : payload
      gives(framing, wire("abc") + wire("abcd"), [kept("abc"), kept("abcd")])
      gives(framing, wire("ok") + wire("abcde") + wire("lost"), [
        kept("ok"),
        `!FrameError FrameTooLong 5 > 4 @${wire("ok").length}`
      ])
    }
  })

  it("lengths at 2^31, 2^32 and 2^53 - 1 exactly, and none above", () => {
    const limit = Number.MAX_SAFE_INTEGER - 8
    const framing = make({ width: 8, limit })
    for (const size of [2 ** 31, 2 ** 32, 2 ** 53 - 9]) {
      const stream = hex(size.toString(16).padStart(16, "0"))
      gives(framing, stream, [`!FrameError Truncated 8 of ${size + 8} @0`])
      const small = make({ width: 8, limit: 4 })
      gives(small, stream, [`!FrameError FrameTooLong ${size} > 4 @0`])
    }
    gives(framing, hex("001fffffffffffff"), [`!FrameError FrameTooLong ${2 ** 53 - 1} > ${limit} @0`])
    for (const digits of ["0020000000000000", "0020000000000001", "7fffffffffffffff", "ffffffffffffffff"]) {
      gives(framing, hex(digits), ["!FrameError InvalidLength @0"])
      gives(make({ width: 8, counts: "frame", onTooLong: "skip" }), hex(digits), ["!FrameError InvalidLength @0"])
      gives(make({ width: 8, endian: "le" }), hex(digits).toReversed(), ["!FrameError InvalidLength @0"])
    }
  })

  it("a length below what the header takes is invalid", () => {
    gives(make({ width: 2, counts: "frame" }), hex("0002 0001"), ["", "!FrameError InvalidLength @2"])
    gives(make({ width: 2, counts: "frame", offset: 2 }), hex("aabb0003"), ["!FrameError InvalidLength @0"])
    gives(make({ width: 2, counts: -2 }), hex("0001"), ["!FrameError InvalidLength @0"])
    const error = Decoder.run(make({ width: 2, counts: "frame" }).decoder.start(), readerOf(hex("0001616263")), [])
    assert.strictEqual(error?.reason.message, "the length is invalid: it is 1, which leaves -1 bytes")
  })

  it("a stream that ends within a frame is Truncated at every byte", () => {
    const framing = make({ width: 2, offset: 1, counts: "frame", strip: false })
    const whole = hex("ca0005aabb")
    for (let have = 1; have < whole.length; have++) {
      gives(framing, whole.slice(0, have), [`!FrameError Truncated ${have} of ${have < 3 ? 3 : 5} @0`])
    }
  })
})

describe("LengthPrefixed that skips what is too long", () => {
  const framing = make({ width: 1, limit: 4, onTooLong: "skip" })

  it("costs one message, with the declared size, and goes on", () => {
    gives(framing, "\x02ok\x05abcde\x04abcd\0\x06abcdef", [
      "ok",
      "!MessageError FrameTooLong 5 > 4 @3",
      "abcd",
      "",
      "!MessageError FrameTooLong 6 > 4 @15"
    ])
    gives(
      make({ width: 2, counts: "frame", offset: 1, strip: false, limit: 4, onTooLong: "skip" }),
      "x\0\x09abcdefx\0\x03",
      [
        "!MessageError FrameTooLong 6 > 4 @0",
        "x\0\x03"
      ]
    )
  })

  it("is Truncated at the end of the stream, as any frame is", () => {
    gives(framing, "\x02ok\x05abcd", ["ok", "!FrameError Truncated 5 of 6 @3"])
    gives(framing, "\x05", ["!FrameError Truncated 1 of 6 @0"])
    const error = Decoder.run(
      framing.decoder.start(),
      (() => {
        const reader = readerOf(bytes("\x09ab"))
        reader.end()
        return reader
      })(),
      []
    )
    assert.instanceOf(error, FramingError.FrameError)
    assert.strictEqual(show(error.head), "\x09ab")
  })

  it("keeps none of it in memory", () => {
    const framing = make({ width: 4, limit: 10, onTooLong: "skip" })
    const reader = readerOf(hex("00100000"))
    const step = framing.decoder.start()
    assert.isUndefined(Decoder.run(step, reader, []))
    const chunks = inChunks(new Uint8Array(2 ** 20 - 1), 1000)
    const done = work(() => {
      for (const chunk of chunks) {
        reader.push(chunk)
        assert.isUndefined(Decoder.run(step, reader, []))
        assert.strictEqual(reader.length, 0)
      }
    })
    assert.strictEqual(reader.needed, 1)
    assert.strictEqual(done.copied, 0)
  })
})

describe("LengthPrefixed, in general, writes", () => {
  it("what it reads: the value that the payload has", () => {
    assert.strictEqual(toHex(encoded(make({ width: 2, counts: "frame" }), [bytes("ab"), bytes("")])), "000461620002")
    assert.strictEqual(
      toHex(encoded(make({ width: 3, endian: "le", counts: 1 }), [hex("0061"), hex("01")])),
      "010000006100000001"
    )
    assert.strictEqual(toHex(encoded(make({ width: 8 }), [bytes("a")])), "000000000000000161")
  })

  it("refuses a payload that no value has", () => {
    const framing = make({ width: 3, counts: 1 })
    assert.strictEqual(refusal(framing, bytes("")), "MessageError InvalidLength")
    assert.isUndefined(refusal(framing, bytes("a")))
  })

  it("a frame that keeps its header as it is, if the header says its length", () => {
    const framing = make({ width: 2, offset: 1, counts: "frame", strip: false, limit: 2 })
    for (const digits of ["ca0003", "ca00046b", "ca00056b6b"]) {
      assert.strictEqual(toHex(encoded(framing, [hex(digits)])), digits)
    }
    for (const digits of ["", "ca", "ca00", "ca0002", "ca0004", "ca00036b"]) {
      assert.strictEqual(refusal(framing, hex(digits)), "MessageError InvalidLength", digits)
    }
    assert.strictEqual(refusal(framing, hex("ca0006616263")), "MessageError FrameTooLong 3 > 2")
  })

  it("nothing where what was stripped cannot be known", () => {
    for (
      const options of [
        { width: 2, offset: 1 },
        { width: 2, strip: 1 },
        { width: 2, counts: 1, strip: 3 }
      ] as const
    ) {
      assert.strictEqual(refusal(make(options), bytes("abc")), "MessageError Malformed")
    }
    assert.strictEqual(refusal(fromHeader({ header: 1, sizeOf: () => 1 }), bytes("a")), "MessageError Malformed")
  })

  it.prop(
    "what it writes is read back as the same, and any bytes give the same however they are cut",
    {
      width: Arbitrary.schema(Schema.Literals([1, 2, 3, 8])),
      endian: Arbitrary.schema(Schema.Literals(["be", "le"])),
      offset: Arbitrary.schema(Schema.Literals([0, 0, 1, 3])),
      counts: Arbitrary.schema(Schema.Literals(["payload", "frame", -3, 0, 2])),
      strip: Arbitrary.schema(Schema.Boolean),
      onTooLong: Arbitrary.schema(Schema.Literals(["fail", "skip"])),
      limit: Arbitrary.schema(Schema.Literals([0, 3, 8])),
      stream: Arbitrary.array(Arbitrary.schema(Schema.Literals([0, 0, 1, 2, 3, 9, 97])), { maxLength: 24 })
    },
    ({ stream, ...options }) => {
      const framing = make(options)
      const all = Uint8Array.from(stream)
      const given = events(framing, [all])
      gives(framing, all, given)
      for (const frame of given) {
        if (typeof frame !== "string" || frame.startsWith("!")) continue
        const refused = refusal(framing, bytes(frame))
        if (options.strip && options.offset > 0) assert.strictEqual(refused, "MessageError Malformed")
        else gives(framing, encoded(framing, [bytes(frame), bytes(frame)]), [frame, frame])
      }
    },
    { arbitrary: { runs: 500, seed: 1 } }
  )
})

describe("LengthPrefixed.fromHeader", () => {
  // A 12-bit length behind 4 bits of kind, as in many link layers.
  const twelveBits = fromHeader({
    header: 2,
    sizeOf: (header) => (header[0]! & 0x0f) * 256 + header[1]!,
    strip: false,
    limit: 300
  })

  it("reads the size from several bytes, and writes what it reads", () => {
    const long = `\xf1\x2c${"x".repeat(300)}`
    gives(twelveBits, "\xa0\x03abc\x10\0", ["\xa0\x03abc", "\x10\0"])
    assert.deepStrictEqual(events(twelveBits, [bytes(long)]), [long])
    gives(twelveBits, "\xf1\x2dxxx", ["!FrameError FrameTooLong 301 > 300 @0"])
    assert.strictEqual(show(encoded(twelveBits, [bytes("\xa0\x03abc"), bytes("\x10\0")])), "\xa0\x03abc\x10\0")
    assert.strictEqual(refusal(twelveBits, bytes("\xa0\x03ab")), "MessageError InvalidLength")
  })

  it("counts the frame where it is said to, and strips", () => {
    const framing = fromHeader({ header: 2, sizeOf: (header) => header[1]!, counts: "frame", strip: true })
    gives(framing, "x\x04abx\x02", ["ab", ""])
    gives(framing, "x\x01", ["!FrameError InvalidLength @0"])
  })

  it("refuses a size that is no number of bytes", () => {
    for (const size of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      gives(fromHeader({ header: 1, sizeOf: () => size }), "a", ["!FrameError InvalidLength @0"])
    }
  })

  it("sees its header and nothing else, however the bytes are cut", () => {
    const seen = new Set<string>()
    const framing = fromHeader({ header: 3, sizeOf: (header) => (seen.add(show(header)), 1) })
    gives(framing, "abcdefgh", ["d", "h"])
    assert.deepStrictEqual(seen, new Set(["abc", "efg"]))
  })
})

describe("LengthPrefixed options", () => {
  it("refuses what cannot work", () => {
    const refused = (build: () => unknown): string => {
      try {
        build()
      } catch (error) {
        if (error instanceof FramingError.InvalidOption) return error.option
        throw error
      }
      return "nothing"
    }
    const cases: ReadonlyArray<readonly [string, unknown]> = [
      ["offset", { offset: -1 }],
      ["offset", { offset: 0.5 }],
      ["counts", { counts: "header" }],
      ["counts", { counts: 0.5 }],
      ["counts", { width: 1, counts: -256 }],
      ["counts", { width: 1, counts: "frame", offset: 255 }],
      ["nothing", { width: 1, counts: -255 }],
      ["nothing", { width: 1, counts: "frame", offset: 254 }],
      ["strip", { strip: 3 }],
      ["strip", { strip: -1 }],
      ["strip", { strip: 4, counts: 1 }],
      ["nothing", { strip: 3, counts: 1 }],
      ["strip", { strip: 3, counts: "frame" }],
      ["limit", { width: 1, limit: 254, counts: -2 }],
      ["nothing", { width: 1, limit: 253, counts: -2 }],
      ["nothing", { width: 1, limit: 257, counts: 2 }],
      ["limit", { width: 1, limit: 258, counts: 2 }],
      ["limit", { width: 8, limit: 2 ** 53 - 8 }],
      ["onTooLong", { onTooLong: "truncate" }]
    ]
    for (const [option, options] of cases) {
      const all = { width: 2, ...(options as object) } as Options
      assert.strictEqual(refused(() => make(all)), option, JSON.stringify(options))
    }
    assert.strictEqual(refused(() => fromHeader({ header: 0, sizeOf: () => 0 })), "header")
    assert.strictEqual(make({ width: 1, counts: "frame" }).limit, 254)
  })
})
