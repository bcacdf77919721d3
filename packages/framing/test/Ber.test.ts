import { assert, describe, it } from "@effect/vitest"
import { Ber, Preset } from "@framewire/framing"
import { CodecLaws } from "@framewire/framing/testing"
import { events, gives, hex, noise, refusal, show } from "./support.ts"

const value = (contents: Uint8Array) =>
  Uint8Array.of(0x04, 0x82, contents.length >> 8, contents.length & 255, ...contents)
const frames = (...all: ReadonlyArray<string>) => all.map((digits) => show(hex(digits)))

describe("Ber", () => {
  it("reads every form of tag and length, with both in the frame", () => {
    gives(
      Ber.make(),
      hex("020105 0500 048105aabbccddee 30820002 0500"),
      frames("020105", "0500", "048105aabbccddee", "308200020500")
    )
    gives(Ber.make(), hex("bf8100 00 1f1f01aa 7fffffffff7f01bb"), frames("bf810000", "1f1f01aa", "7fffffffff7f01bb"))
    gives(Ber.make(), hex("04880000000000000001aa"), frames("04880000000000000001aa"))
  })

  it("refuses what has no length to go by, or too much of one", () => {
    for (const stream of ["3080", "04ff", "0489", "048800200000000000 00", "0488ffffffffffffffff"]) {
      gives(Ber.make(), hex(stream), ["!FrameError InvalidLength @0"])
    }
    gives(Ber.make(), hex("1f8080808080"), ["!FrameError Malformed @0"])
    gives(Ber.make(), hex("0500 04847fffffff"), [...frames("0500"), "!FrameError FrameTooLong 2147483647 > 1048576 @2"])
  })

  it("refuses with minimal what DER does, at the first value that needs no more", () => {
    const der = Ber.make({ minimal: true })
    for (const stream of ["04810100", "04820080"]) gives(der, hex(stream), ["!FrameError InvalidLength @0"])
    const contents = "00".repeat(128)
    gives(der, hex(`048180${contents}`), frames(`048180${contents}`))
  })

  it("counts the contents against the limit: one below, at, one above", () => {
    const ber = Ber.make({ limit: 3 })
    for (const stream of ["0402aabb", "0403aabbcc", "048103aabbcc"]) {
      gives(ber, hex(stream), frames(stream))
      assert.isUndefined(refusal(ber, hex(stream)))
    }
    gives(ber, hex("0404aabbccdd"), ["!FrameError FrameTooLong 4 > 3 @0"])
    assert.strictEqual(refusal(ber, hex("0404aabbccdd")), "MessageError FrameTooLong 4 > 3")
  })

  it("sends one whole value, and nothing else", () => {
    for (const frame of ["", "04", "0401", "040100aa", "0500 0500", "30800000"]) {
      assert.match(refusal(Ber.make(), hex(frame)) ?? "", /^MessageError (Malformed|InvalidLength)$/, frame)
    }
  })

  it("is how LDAP finds its messages: a bind request, a search entry", () => {
    const bind = "300c020101600702010304008000"
    assert.deepStrictEqual(events(Preset.ldap(), [hex(`${bind}${bind}`)]), frames(bind, bind))
  })
})

describe("laws of BER", () => {
  const laws = CodecLaws.suite({
    codec: Ber.make({ limit: 300 }),
    messages: CodecLaws.payloads.map(value),
    ofSize: (size) => value(new Uint8Array(size).fill(0x61)),
    streams: [hex("3080"), hex("1f8080808080"), hex("bf810000"), hex("0401aa0481")],
    noise
  })
  for (const { name, run } of laws) it(`BER: ${name}`, run)
})
