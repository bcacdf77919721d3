import { assert, describe, it } from "@effect/vitest"
import { Codec, FramingError, LengthPrefixed, Lines } from "@framewire/framing"
import { bytes, hex } from "./support.ts"

/** How the codec fails on these bytes. */
const failureOn = (codec: Codec.Framing, stream: Uint8Array): FramingError.FrameError => {
  const error = Codec.decodeAll(codec, [stream]).failures.at(-1)?.error
  assert.instanceOf(error, FramingError.FrameError)
  return error
}

const u32 = LengthPrefixed.u32be()
const u32le = LengthPrefixed.u32le()
const u16 = LengthPrefixed.u16be({ limit: 1000 })

describe("FrameError", () => {
  it("says the declared size, the limit, the place, the first bytes twice, and what they look like", () => {
    const error = failureOn(u32, bytes("\0\0\0\x02okGET / HTTP/1.1\r\nHost: a\r\n"))
    assert.strictEqual(
      error.message,
      "a frame of 1195725856 bytes, 1048576 are allowed, at byte 6 of the stream: " +
        "47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a \"GET / HTTP/1.1..\", perhaps an HTTP request"
    )
    assert.strictEqual(error.dump, "47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a \"GET / HTTP/1.1..\"")
  })

  it("says no more where it knows no more", () => {
    const reason = new FramingError.Truncated({ have: 0, need: undefined })
    const error = new FramingError.FrameError({ reason, offset: 3, head: new Uint8Array(0) })
    assert.strictEqual(error.message, "the stream ended after 0 bytes of a frame, at byte 3 of the stream")
  })

  const hints: ReadonlyArray<readonly [hint: RegExp | undefined, codec: Codec.Framing, stream: Uint8Array]> = [
    [/^TLS: the peer encrypts/, u32, hex("16 03 01 02 00 01 00 01 fc 03 03")],
    [/^TLS: the peer encrypts/, u32le, hex("16 03 03 00 7a 02")],
    [/^TLS: the peer encrypts/, u32, hex("15 03 03 00 02 02 28")],
    [undefined, u32, hex("16 04 01 02 00")],
    [/^an SSH banner$/, u32, bytes("SSH-2.0-OpenSSH_9.9\r\n")],
    [/^an HTTP request$/, u32, bytes("POST /x HTTP/1.1\r\n")],
    [/^an HTTP request$/, u16, bytes("OPTIONS * HTTP/1.1\r\n")],
    [/^an HTTP response$/, u32, bytes("HTTP/1.1 400 Bad Request\r\n")],
    [/^an HTTP\/2 connection$/, u32, bytes("PRI * HTTP/2.0\r\n\r\nSM")],
    [/^a PROXY header, version 1/, u32, bytes("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n")],
    [/^a PROXY header, version 2/, u32, hex("0d0a0d0a000d0a515549540a 21 11 00 0c")],
    [/^gzip$/, u32, hex("1f 8b 08 00 00 00 00 00 00 03")],
    [/^text where a length should be: "hell"$/, u32, bytes("hello there")],
    [/^text where a length should be: "\{\\""$/, u16, bytes("{\"a\":1}")],
    [/^little-endian: the length would be 5$/, u32, hex("05 00 00 00 68 65 6c 6c 6f")],
    [/^big-endian: the length would be 5$/, u32le, hex("00 00 00 05 68 65 6c 6c 6f")],
    [/^little-endian: the length would be 258$/, LengthPrefixed.u24be({ limit: 1000 }), hex("02 01 00")],
    [undefined, u32, hex("ff ff ff ff 00")],
    [undefined, u32, hex("00 20 00 20 00")],
    [undefined, Lines.make({ limit: 5 }), bytes("a long line\n")],
    [undefined, u32, hex("00 00 00 05 61")],
    [undefined, LengthPrefixed.u8({ limit: 40 }), bytes("zzz")]
  ]
  for (const [hint, codec, stream] of hints) {
    it(`guesses ${String(hint)} from ${JSON.stringify(String.fromCharCode(...stream.subarray(0, 12)))}`, () => {
      const error = failureOn(codec, stream)
      if (hint === undefined) assert.isUndefined(error.hint)
      else assert.match(error.hint ?? "", hint)
      assert.strictEqual(error.message.includes(", perhaps "), hint !== undefined)
    })
  }
})
