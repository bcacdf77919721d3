import { assert, describe, it } from "@effect/vitest"
import { Codec, FramingError, MySqlPacket } from "@framewire/framing"
import { bytes, encoded, gives, hex, inChunks, join, refusal, toHex } from "./support.ts"

const mysql = MySqlPacket.make()
const packet = (sequence: number, digits: string): MySqlPacket.MySqlPacket => ({ sequence, payload: hex(digits) })
const full = 0xffffff

describe("MySqlPacket reads", () => {
  it("what the file's box says", () => {
    gives(mysql, hex("01 00 00 00 0e 01 00 00 01 00"), [packet(0, "0e"), packet(1, "00")])
  })

  it("the packets of the manual: COM_QUIT, OK and an error", () => {
    const ok = "00 00 00 02 00 00 00"
    const error = "ff 48 04 23 48 59 30 30 30 4e 6f 20 74 61 62 6c 65 73 20 75 73 65 64"
    const stream = hex(`01 00 00 00 01 07 00 00 02 ${ok} 17 00 00 01 ${error}`)
    const packets = [packet(0, "01"), packet(2, ok), packet(1, error)]
    gives(mysql, stream, packets)
    assert.strictEqual(toHex(encoded(mysql, packets)), toHex(stream))
  })

  it("packets without bytes", () => gives(mysql, hex("00 00 00 ff 00 00 00 00"), [packet(255, ""), packet(0, "")]))

  it("the limit, one below, at and one above", () => {
    const codec = MySqlPacket.make({ limit: 3 })
    assert.strictEqual(codec.limit, 3)
    gives(codec, hex("02 00 00 00 61 62 03 00 00 00 61 62 63"), [packet(0, "61 62"), packet(0, "61 62 63")])
    gives(codec, hex("00 00 00 00 04 00 00 00"), [packet(0, ""), "!FrameError FrameTooLong 4 > 3 @4"])
    gives(codec, hex("ff ff ff 00"), ["!FrameError FrameTooLong 16777215 > 3 @0"])
  })

  it("a stream that ends within a packet is Truncated", () => {
    const stream = hex("02 00 00 00 61 62")
    for (let have = 1; have < stream.length; have++) {
      gives(mysql, stream.slice(0, have), [`!FrameError Truncated ${have} of ${have < 4 ? 4 : 6} @0`])
    }
  })
})

describe("MySqlPacket with payloads of several packets", () => {
  const codec = MySqlPacket.make({ limit: 3 * full })
  const payloadOf = (size: number) => {
    const payload = new Uint8Array(size).fill(7)
    payload[full - 1] = 1
    payload[full] = 2
    payload[size - 1] = 3
    return payload
  }
  const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0
  const decoded = (chunks: ReadonlyArray<Uint8Array>) => Codec.decodeAll(codec, chunks)

  it("of one byte below a packet's most, of that, of more, and of twice that", () => {
    for (
      const [size, sequence, headers] of [
        [full - 1, 0, [[0, "feffff00"]]],
        [full, 0, [[0, "ffffff00"], [full + 4, "00000001"]]],
        [full + 1, 255, [[0, "ffffffff"], [full + 4, "01000000"]]],
        [2 * full, 3, [[0, "ffffff03"], [full + 4, "ffffff04"], [2 * full + 8, "00000005"]]]
      ] as const
    ) {
      const payload = payloadOf(size)
      const stream = encoded(codec, [{ sequence, payload }])
      assert.strictEqual(stream.length, size + 4 * headers.length)
      for (const [at, header] of headers) assert.strictEqual(toHex(stream.subarray(at, at + 4)), header)
      const cuts = [[stream], [stream.slice(0, full + 6), stream.slice(full + 6)], inChunks(stream, 65_536)]
      for (const chunks of cuts) {
        const { failures, messages } = decoded([...chunks, hex("01 00 00 00 0e")])
        assert.lengthOf(failures, 0)
        assert.strictEqual(messages[0]?.sequence, sequence)
        assert.isTrue(same(messages[0]?.payload ?? hex(""), payload))
        assert.deepStrictEqual(messages[1], packet(0, "0e"))
      }
    }
  })

  it("numbers that do not follow each other are the end, and so is more than the limit in all", () => {
    const first = join([hex("ff ff ff 05"), new Uint8Array(full)])
    const reason = (codec: Codec.Codec<unknown, never>, header: string) =>
      Codec.decodeAll(codec, [first, hex(header)]).failures[0]?.error.reason
    assert.strictEqual(reason(codec, "01 00 00 05")?.message, "the frame is malformed: packet 5 after 5")
    assert.strictEqual(reason(codec, "01 00 00 07")?._tag, "Malformed")
    assert.deepStrictEqual(
      reason(MySqlPacket.make({ limit: full }), "01 00 00 06"),
      new FramingError.FrameTooLong({ size: full + 1, limit: full })
    )
    assert.deepStrictEqual(
      reason(codec, "01 00 00 06"),
      new FramingError.Truncated({ have: full + 8, need: full + 9 })
    )
  })
})

describe("MySqlPacket writes", () => {
  it("up to the limit, and numbers of one byte", () => {
    const codec = MySqlPacket.make({ limit: 2 })
    assert.isUndefined(refusal(codec, { sequence: 255, payload: bytes("ab") }))
    assert.strictEqual(refusal(codec, { sequence: 0, payload: bytes("abc") }), "MessageError FrameTooLong 3 > 2")
    for (const sequence of [-1, 256, 0.5, Number.NaN]) {
      assert.strictEqual(refusal(codec, { sequence, payload: bytes("a") }), "MessageError Malformed")
    }
  })
})
