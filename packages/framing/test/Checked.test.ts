import { assert, describe, it } from "@effect/vitest"
import { Checked, Codec, FramingError, LengthPrefixed, Lines } from "@framewire/framing"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import * as zlib from "node:zlib"
import { bytes, encoded, events, gives, hex, random, refusal, show, toHex } from "./support.ts"

const { adler32, crc16Ccitt, crc32, crc32c } = Checked
const u16be = LengthPrefixed.u16be()
const sums = { adler32, crc16Ccitt, crc32, crc32c }
const checked = Checked.make(u16be, { checksum: crc32 })

/** The sum without a table: each bit by itself. */
const bitwise = (of: Uint8Array, polynomial: number): number => {
  let remainder = 0xffffffff
  for (const byte of of) {
    remainder ^= byte
    for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? polynomial : 0)
  }
  return ~remainder >>> 0
}

describe("Checksums", () => {
  it("have the catalogue's check values", () => {
    const check = bytes("123456789")
    assert.strictEqual(crc32.of(check), 0xcbf43926)
    assert.strictEqual(crc32c.of(check), 0xe3069283)
    assert.strictEqual(crc16Ccitt.of(check), 0x29b1)
    assert.strictEqual(adler32.of(check), 0x091e01de)
  })

  it("of nothing", () => {
    assert.deepStrictEqual([crc32, crc32c, crc16Ccitt, adler32].map(({ of }) => of(bytes(""))), [0, 0, 0xffff, 1])
  })

  it("CRC32C: the examples of RFC 3720, appendix B.4", () => {
    assert.strictEqual(crc32c.of(new Uint8Array(32)), 0x8a9136aa)
    assert.strictEqual(crc32c.of(new Uint8Array(32).fill(0xff)), 0x62a8ab43)
    assert.strictEqual(crc32c.of(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e)
    assert.strictEqual(crc32c.of(Uint8Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c)
  })

  it("of long and of arbitrary bytes, as without a table and as in zlib", () => {
    const next = random(1)
    for (const size of [1, 2, 3, 255, 5551, 5552, 5553, 20_000]) {
      const some = Uint8Array.from({ length: size }, () => next(256))
      assert.strictEqual(crc32.of(some), zlib.crc32(some))
      assert.strictEqual(crc32c.of(some), bitwise(some, 0x82f63b78))
      assert.strictEqual(adler32.of(some), zlib.deflateSync(some).readUInt32BE(zlib.deflateSync(some).length - 4))
    }
    // The most that the sums can grow between two divisions.
    const most = new Uint8Array(100_000).fill(255)
    assert.strictEqual(adler32.of(most), zlib.deflateSync(most).subarray(-4).readUInt32BE())
  })
})

describe("Checked reads", () => {
  it("what the file's box says", () => {
    gives(checked, bytes("\0\x0d123456789\xcb\xf4\x39\x26\0\x04\0\0\0\x01\0\x04\0\0\0\0"), [
      "123456789",
      "!MessageError ChecksumMismatch @15",
      ""
    ])
    const [failure] = Codec.decodeAll(checked, [hex("00 05 61 00 00 00 00")]).failures
    assert.strictEqual(
      failure?.error.message,
      "the checksum is 0x0, the bytes have 0xe8b7be43, in frame 0, at byte 0 of the stream"
    )
  })

  it("a frame without room for the checksum costs that frame", () => {
    gives(checked, hex("00 00 00 03 61 62 63 00 05 61 e8 b7 be 43"), [
      "!MessageError InvalidLength @0",
      "!MessageError InvalidLength @2",
      "a"
    ])
  })

  it("what the framing refuses, as the framing does", () => {
    const framing = Checked.make(LengthPrefixed.u8({ limit: 6 }), { checksum: crc32 })
    gives(framing, hex("07 61 62 63 00 00 00 00"), ["!FrameError FrameTooLong 7 > 6 @0"])
    gives(framing, hex("05 61 e8"), ["!FrameError Truncated 3 of 6 @0"])
  })
})

describe("Checked writes", () => {
  it("the checksum at the end or at the start, either end of it first", () => {
    const written = (options: Checked.CheckedOptions) =>
      toHex(encoded(Checked.make(u16be, options), [bytes("123456789")])).replace("313233343536373839", " ")
    assert.strictEqual(written({ checksum: crc32 }), "000d cbf43926")
    assert.strictEqual(written({ checksum: crc32, at: "start" }), "000dcbf43926 ")
    assert.strictEqual(written({ checksum: { ...crc32, endian: "le" } }), "000d 2639f4cb")
    assert.strictEqual(written({ checksum: crc32c }), "000d e3069283")
    assert.strictEqual(written({ checksum: crc16Ccitt }), "000b 29b1")
    assert.strictEqual(written({ checksum: { ...crc16Ccitt, endian: "le" }, at: "start" }), "000bb129 ")
    assert.strictEqual(written({ checksum: adler32 }), "000d 091e01de")
  })

  it("a function of one's own, whose value is cut to the width", () => {
    const of = (all: Uint8Array) => all.reduce((sum, byte) => sum + byte, 0)
    for (const width of [1, 2, 3, 4] as const) {
      for (const at of ["end", "start"] as const) {
        const framing = Checked.make(Lines.make(), { checksum: { width, endian: "le", of: (all) => -of(all) }, at })
        gives(framing, encoded(framing, [bytes("abc")]), ["abc"])
      }
    }
    const framing = Checked.make(u16be, { checksum: { width: 1, endian: "be", of } })
    gives(framing, encoded(framing, [new Uint8Array(9).fill(200)]), ["\xc8".repeat(9)])
  })

  it("up to the limit, which is the framing's less the checksum", () => {
    const framing = Checked.make(LengthPrefixed.u8({ limit: 7 }), { checksum: crc32 })
    assert.strictEqual(framing.limit, 3)
    assert.isUndefined(refusal(framing, bytes("ab")))
    assert.isUndefined(refusal(framing, bytes("abc")))
    assert.strictEqual(refusal(framing, bytes("abcd")), "MessageError FrameTooLong 4 > 3")
  })

  it("nothing that the framing refuses: a checksum may have the delimiter", () => {
    const framing = Checked.make(Lines.make(), { checksum: { width: 1, endian: "be", of: () => 10 } })
    assert.strictEqual(refusal(framing, bytes("a")), "MessageError ContainsDelimiter 1")
  })

  it.prop("what it writes is read back, and a changed bit is found", {
    checksum: Arbitrary.schema(Schema.Literals(["crc32", "crc32c", "crc16Ccitt", "adler32"])),
    at: Arbitrary.schema(Schema.Literals(["end", "start"])),
    payload: Arbitrary.array(Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))), {
      maxLength: 8
    }),
    bit: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 15 })))
  }, ({ at, bit, checksum, payload }) => {
    const framing = Checked.make(LengthPrefixed.u8(), { checksum: sums[checksum], at })
    const stream = encoded(framing, [Uint8Array.from(payload)])
    gives(framing, stream, [show(Uint8Array.from(payload))])
    const changed = 1 + bit % (stream.length - 1)
    stream[changed]! ^= 1 << bit % 8
    assert.deepStrictEqual(events(framing, [stream]), ["!MessageError ChecksumMismatch @0"])
  }, { arbitrary: { runs: 200, seed: 1 } })
})

describe("Checked.make", () => {
  it("refuses what cannot work", () => {
    const refuses = (framing: Codec.Framing, options: unknown) =>
      assert.throws(() => Checked.make(framing, options as Checked.CheckedOptions), FramingError.InvalidOption)
    refuses(u16be, { checksum: { ...crc32, width: 5 } })
    refuses(u16be, { checksum: { ...crc32, width: 0 } })
    refuses(u16be, { checksum: { ...crc32, endian: "native" } })
    refuses(u16be, { checksum: crc32, at: "middle" })
    refuses(LengthPrefixed.u8({ limit: 3 }), { checksum: crc32 })
    assert.strictEqual(Checked.make(LengthPrefixed.u8({ limit: 4 }), { checksum: crc32 }).limit, 0)
  })
})
