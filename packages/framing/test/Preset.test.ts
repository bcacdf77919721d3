import { assert, describe, it } from "@effect/vitest"
import { Codec, FramingError, Preset } from "@framewire/framing"
import { bytes, encoded, events, gives, hex, inChunks, refusal, show, toHex, work } from "./support.ts"

/** The stream gives these frames, and they are written as the same stream. */
const both = (framing: Codec.Framing, stream: Uint8Array, frames: ReadonlyArray<string>) => {
  gives(framing, stream, frames)
  assert.strictEqual(toHex(encoded(framing, frames.map(bytes))), toHex(stream))
}
const text = (digits: string) => show(hex(digits))

describe("Preset: a length and nothing else", () => {
  it("dns: a query for the addresses of example.com, as dig sends it", () => {
    const query = "a1 b2 01 20 00 01 00 00 00 00 00 00 07 65 78 61 6d 70 6c 65 03 63 6f 6d 00 00 01 00 01"
    both(Preset.dns(), hex(`00 1d ${query} 00 1d ${query}`), [text(query), text(query)])
    assert.strictEqual(Preset.dns().limit, 65_535)
  })

  it("iso8583: a network management request", () => {
    const message = "0800822000000000000004000000000000000722120000000001301"
    both(Preset.iso8583(), bytes(`\0\x37${message}`), [message])
  })

  it("kafka: ApiVersions, version 0", () => {
    const request = "00 12 00 00 00 00 00 01 00 04 74 65 73 74"
    both(Preset.kafka(), hex(`00 00 00 0e ${request}`), [text(request)])
    gives(Preset.kafka(), hex("ff ff ff ff"), [`!FrameError FrameTooLong ${2 ** 32 - 1} > 1048576 @0`])
  })

  it("thrift: a call of ping in the binary protocol", () => {
    const call = "80 01 00 01 00 00 00 04 70 69 6e 67 00 00 00 00 00"
    both(Preset.thrift(), hex(`00 00 00 11 ${call}`), [text(call)])
  })

  it("bitTorrent: keep-alive, unchoke, have and request", () => {
    const request = "06 00 00 00 00 00 00 00 00 00 00 40 00"
    both(Preset.bitTorrent(), hex(`00000000 00000001 01 00000005 04 0000002a 0000000d ${request}`), [
      "",
      "\x01",
      text("04 00 00 00 2a"),
      text(request)
    ])
  })

  it("sshAgent: a request for the identities, and an answer without one", () => {
    both(Preset.sshAgent(), hex("00 00 00 01 0b 00 00 00 05 0c 00 00 00 00"), ["\x0b", text("0c 00 00 00 00")])
    gives(Preset.sshAgent(), hex("00 04 00 01"), ["!FrameError FrameTooLong 262145 > 262144 @0"])
    assert.isUndefined(refusal(Preset.sshAgent(), new Uint8Array(262_144)))
  })

  it("nativeMessaging: little-endian", () => {
    both(Preset.nativeMessaging(), bytes(`\x0f\0\0\0{"text":"ping"}`), [`{"text":"ping"}`])
    gives(Preset.nativeMessaging(), hex("01 00 10 00"), ["!FrameError FrameTooLong 1048577 > 1048576 @0"])
  })

  it("erlang: one, two and four bytes", () => {
    both(Preset.erlang(1), hex("02 68 69 00"), ["hi", ""])
    both(Preset.erlang(2), hex("00 02 68 69 00 00"), ["hi", ""])
    both(Preset.erlang(4), hex("00 00 00 02 68 69 00 00 00 00"), ["hi", ""])
    assert.throws(() => Preset.erlang(9 as 4), FramingError.InvalidOption)
  })

  it("postgresStartup: for TLS, and with a user", () => {
    const startup = "00 03 00 00 75 73 65 72 00 62 6f 62 00 00"
    both(Preset.postgresStartup(), hex(`00 00 00 08 04 d2 16 2f 00 00 00 12 ${startup}`), [
      text("04 d2 16 2f"),
      text(startup)
    ])
    gives(Preset.postgresStartup(), hex("00 00 00 03"), ["!FrameError InvalidLength @0"])
    gives(Preset.postgresStartup(), bytes("GET / HTTP/1.1"), ["!FrameError FrameTooLong 1195725852 > 10000 @0"])
  })
})

describe("Preset: a header that stays in the frame", () => {
  it("grpc: HelloRequest, and a message without bytes", () => {
    both(Preset.grpc(), hex("00 00 00 00 07 0a 05 77 6f 72 6c 64 01 00 00 00 00"), [
      text("00 00 00 00 07 0a 05 77 6f 72 6c 64"),
      text("01 00 00 00 00")
    ])
    gives(Preset.grpc(), hex("00 00 40 00 01"), ["!FrameError FrameTooLong 4194305 > 4194304 @0"])
    assert.strictEqual(refusal(Preset.grpc(), hex("00 00 00 00 02 61")), "MessageError InvalidLength")
  })

  it("modbus: the read of registers in the specification, and its answer", () => {
    const [read, answer] = ["15 01 00 00 00 06 ff 03 00 04 00 01", "15 01 00 00 00 05 ff 03 02 00 05"]
    both(Preset.modbus(), hex(read + answer), [text(read), text(answer)])
    gives(Preset.modbus(), hex("00 01 00 00 00 ff"), ["!FrameError FrameTooLong 255 > 254 @0"])
  })

  it("smpp: bind_transmitter as in section 3.2 of the specification", () => {
    const bind = "00 00 00 2f 00 00 00 02 00 00 00 00 00 00 00 01 53 4d 50 50 33 54 45 53 54 00" +
      "73 65 63 72 65 74 30 38 00 53 55 42 4d 49 54 31 00 50 01 01 00"
    const enquire = "00 00 00 10 00 00 00 15 00 00 00 00 00 00 00 02"
    both(Preset.smpp(), hex(bind + enquire), [text(bind), text(enquire)])
    gives(Preset.smpp(), hex(`00 00 00 0f ${"00".repeat(12)}`), ["!FrameError InvalidLength @0"])
    assert.strictEqual(refusal(Preset.smpp(), hex("00 00 00 04")), "MessageError InvalidLength")
  })

  it("postgres: a query, ready for query, and terminate", () => {
    const query = "51 00 00 00 0d 53 45 4c 45 43 54 20 31 00"
    both(Preset.postgres(), hex(`${query} 5a 00 00 00 05 49 58 00 00 00 04`), [
      text(query),
      text("5a 00 00 00 05 49"),
      text("58 00 00 00 04")
    ])
    gives(Preset.postgres(), hex("58 00 00 00 03"), ["!FrameError InvalidLength @0"])
    // CVE-2024-27304: a length that is not that of the bytes would make messages of what follows.
    assert.strictEqual(refusal(Preset.postgres(), hex("58 00 00 00 04 58 00 00 00 04")), "MessageError InvalidLength")
  })
})

describe("Preset: a delimiter", () => {
  it("gelf", () => {
    const message = `{"version":"1.1","host":"example.org","short_message":"A short message","level":1}`
    both(Preset.gelf(), bytes(`${message}\0${message}\0`), [message, message])
    assert.strictEqual(refusal(Preset.gelf(), bytes("a\0")), "MessageError ContainsDelimiter 1")
  })

  const message = "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - 'su root' failed for lonvick"

  it("syslog, behind a length", () => both(Preset.syslog(), bytes(`93 ${message}93 ${message}`), [message, message]))

  it("syslogLines", () => {
    both(Preset.syslogLines(), bytes(`${message}\n${message}\n`), [message, message])
    gives(Preset.syslogLines(), `${message}\r\n`, [message])
  })
})

describe("Preset.lsp", () => {
  it("the base protocol's example", () => {
    const message = `{"jsonrpc":"2.0","id":1,"method":"textDocument/completion","params":{}}`
    both(Preset.lsp(), bytes(`Content-Length: ${message.length}\r\n\r\n${message}`), [message])
  })
})

describe("Preset.mllp", () => {
  const mllp = Preset.mllp()
  const message = "MSH|^~\\&|ADT1|MCM|LABADT|MCM|198808181126|SECURITY|ADT^A01|MSG00001|P|2.3\r" +
    "EVN|A01|198808181123\rPID|||PATID1234^5^M11||JONES^WILLIAM^A^III\r"

  it("messages, and one without bytes", () => {
    both(mllp, bytes(`\x0b${message}\x1c\r\x0b\x1c\r\x0bb\x1c\r`), [message, "", "b"])
  })

  it("an FS that no CR follows is data", () => {
    both(mllp, bytes("\x0ba\x1cb\x1c\x1c\r\x0b\x1c\x1c\x1c\r"), ["a\x1cb\x1c", "\x1c\x1c"])
    for (const payload of ["\x1c\r", "a\x1c\x1c\rb"]) {
      assert.strictEqual(refusal(mllp, bytes(payload)), `MessageError ContainsDelimiter ${payload.indexOf("\x1c\r")}`)
    }
  })

  it("nothing else before the VT", () => {
    gives(mllp, "\x0ba\x1c\r\r\n\x0bb\x1c\r", ["a", "!FrameError Malformed @4"])
    gives(mllp, "MSH|", ["!FrameError Malformed @0"])
  })

  it("the limit, one below, at and one above", () => {
    const framing = Preset.mllp({ limit: 3 })
    gives(framing, "\x0bab\x1c\r\x0babc\x1c\r", ["ab", "abc"])
    gives(framing, "\x0bo\x1c\r\x0babcd\x1c\r", ["o", "!FrameError FrameTooLong 4 > 3 @4"])
    gives(framing, "\x0babcd", ["!FrameError FrameTooLong 4 > 3 @0"])
    gives(framing, "\x0babc\x1cx", ["!FrameError FrameTooLong 4 > 3 @0"])
    gives(framing, "\x0babc\x1c\x1c\r", ["!FrameError FrameTooLong 4 > 3 @0"])
    assert.strictEqual(refusal(framing, bytes("abcd")), "MessageError FrameTooLong 4 > 3")
  })

  it("a stream that ends within a block is Truncated", () => {
    const block = "\x0ba\x1c\r"
    for (let have = 1; have < block.length; have++) {
      gives(mllp, block + block.slice(0, have), ["a", `!FrameError Truncated ${have} of ? @4`])
    }
  })

  it("each byte once, however it is cut, also where it is all FS", () => {
    const stream = bytes(`\x0b${"\x1c".repeat(20_000)}\x1c\r`)
    for (const size of [1, 100, stream.length]) {
      const done = work(() => assert.lengthOf(events(mllp, inChunks(stream, size)), 1))
      assert.isAtMost(done.searched, 3 * stream.length)
      assert.isAtMost(done.read, 3 * stream.length)
    }
  })
})

describe("Preset.fix", () => {
  const fix = Preset.fix({ begin: "FIX.4.2" })
  const soh = (fields: string) => fields.replaceAll("|", "\x01")
  const body = soh(
    "35=8|49=PHLX|56=PERS|52=20071123-05:30:00.000|11=ATOMNOCCC9990900|20=3|150=E|39=E|55=MSFT|167=CS|54=1|38=15|" +
      "40=2|44=15|58=PHLX EQUITY TESTING|59=0|47=C|32=0|31=0|151=15|14=0|6=0|"
  )
  const message = soh("8=FIX.4.2|9=178|") + body + soh("10=128|")

  it("an execution report that is found everywhere, both ways", () => both(fix, bytes(message + message), [body, body]))

  it("another checksum costs the message", () => {
    gives(fix, soh("8=FIX.4.2|9=5|35=0|10=162|8=FIX.4.2|9=5|35=0|10=161|"), [
      "!MessageError ChecksumMismatch @0",
      soh("35=0|")
    ])
  })

  it("another beginning, length and end is a FrameError", () => {
    for (
      const bad of [
        "8=FIX.4.4|9=5|35=0|10=161|",
        "9=5|",
        "GET /",
        "8=FIX.4.2|35=0|",
        "8=FIX.4.2|9=4|35=0|10=161|",
        "8=FIX.4.2|9=4|35=010=161|",
        "8=FIX.4.2|9=6|35=0|10=161||",
        "8=FIX.4.2|9=5|35=00|10=161|",
        "8=FIX.4.2|9=5|35=0|10=16x|",
        "8=FIX.4.2|9=5|35=0|11=161|",
        "8=FIX.4.2|9=5|35=0|10=1611"
      ]
    ) {
      gives(fix, soh(bad), ["!FrameError Malformed @0"])
    }
    for (const bad of ["|", "x|", "-1|", "1x", " 5|", "1234567890123456"]) {
      gives(fix, soh(`8=FIX.4.2|9=${bad}`), ["!FrameError InvalidLength @0"])
    }
  })

  it("the limit, one below, at and one above", () => {
    const framing = Preset.fix({ begin: "FIXT.1.1", limit: 5 })
    both(framing, bytes(soh("8=FIXT.1.1|9=4|5=0|10=189|8=FIXT.1.1|9=5|35=0|10=241|")), [soh("5=0|"), soh("35=0|")])
    gives(framing, soh("8=FIXT.1.1|9=6|"), ["!FrameError FrameTooLong 6 > 5 @0"])
    gives(framing, soh("8=FIXT.1.1|9=000000000000005|35=0|"), ["!FrameError Truncated 34 of 41 @0"])
    assert.strictEqual(refusal(framing, bytes(soh("35=00|"))), "MessageError FrameTooLong 6 > 5")
  })

  it("a stream that ends within a message is Truncated", () => {
    const digits = soh("8=FIX.4.2|9=178|").length
    for (let have = 1; have < message.length; have++) {
      const need = have < digits ? Math.max(have + 1, digits - 3) : message.length
      assert.deepStrictEqual(events(fix, inChunks(bytes(message.slice(0, have)), 7)), [
        `!FrameError Truncated ${have} of ${need} @0`
      ])
    }
  })

  it("refuses fields without an end, and versions that are none", () => {
    assert.strictEqual(refusal(fix, bytes("35=0")), "MessageError Malformed")
    both(fix, bytes(soh("8=FIX.4.2|9=0|10=198|")), [""])
    for (const begin of ["", "FIX", "FIX.4.2\x01", "fix.4.2"]) {
      assert.throws(() => Preset.fix({ begin }), FramingError.InvalidOption)
    }
  })
})

describe("Preset.mqtt", () => {
  const mqtt = Preset.mqtt()
  const connect = text("10 10 00 04 4d 51 54 54 04 02 00 3c 00 04 74 65 73 74")

  it("connect, a ping and a publication", () => {
    const publish = text("30 0a 00 04 69 6e 66 6f 43 65 64 61")
    both(mqtt, bytes(connect + "\xc0\0" + publish), [connect, "\xc0\0", publish])
  })

  it("the lengths of table 2.4, at the ends of each width", () => {
    const widths = { "00": 0, "7f": 127, "8001": 128, "ff7f": 16_383, "808001": 16_384, "ffff7f": 2_097_151 }
    const framing = Preset.mqtt({ limit: 3_000_000 })
    for (const [digits, size] of Object.entries(widths)) {
      const packet = new Uint8Array(1 + digits.length / 2 + size)
      packet.set(hex(`30 ${digits}`))
      assert.deepStrictEqual(events(framing, [packet, packet]), [show(packet), show(packet)])
      assert.isUndefined(refusal(framing, packet))
    }
    gives(framing, hex("30 80 80 80 01"), ["!FrameError Truncated 5 of 2097157 @0"])
    gives(framing, hex("30 ff ff ff 7f"), ["!FrameError FrameTooLong 268435455 > 3000000 @0"])
  })

  it("no length of five bytes, and none that is longer than it needs to be", () => {
    gives(mqtt, hex("30 80 80 80 80"), ["!FrameError InvalidLength @0"])
    gives(mqtt, hex("30 ff ff ff ff 00"), ["!FrameError InvalidLength @0"])
    for (const length of ["80 00", "ff 00", "80 80 00", "80 80 80 00"]) {
      gives(mqtt, hex(`c0 00 30 ${length}`), ["\xc0\0", "!FrameError InvalidLength @2"])
    }
  })

  it("the limit, one below, at and one above, without the fixed header", () => {
    const framing = Preset.mqtt({ limit: 3 })
    both(framing, hex("30 02 61 62 30 03 61 62 63"), [text("30 02 61 62"), text("30 03 61 62 63")])
    gives(framing, hex("30 04 61"), ["!FrameError FrameTooLong 4 > 3 @0"])
    assert.strictEqual(refusal(framing, hex("30 04 61 62 63 64")), "MessageError FrameTooLong 4 > 3")
    assert.throws(() => Preset.mqtt({ limit: 128 ** 4 }), FramingError.InvalidOption)
  })

  it("a stream that ends within a packet is Truncated, and what is not one whole packet is not sent", () => {
    for (let have = 1; have < connect.length; have++) {
      gives(mqtt, connect.slice(0, have), [`!FrameError Truncated ${have} of ${have < 2 ? 2 : 18} @0`])
      assert.strictEqual(refusal(mqtt, bytes(connect.slice(0, have))), "MessageError Malformed")
    }
    assert.strictEqual(refusal(mqtt, bytes("")), "MessageError Malformed")
    assert.strictEqual(refusal(mqtt, bytes(connect + "\xc0\0")), "MessageError Malformed")
    assert.strictEqual(refusal(mqtt, hex("30 80 00")), "MessageError InvalidLength")
  })
})

describe("Preset.amqp", () => {
  const amqp = Preset.amqp()
  const heartbeat = text("08 00 00 00 00 00 00 ce")
  const openOk = text("01 00 00 00 00 00 05 00 0a 00 29 00 ce")

  it("a heartbeat, and a method whose payload has the end byte", () => {
    const tricky = text("01 00 01 00 00 00 02 ce ce ce")
    both(amqp, bytes(heartbeat + openOk + tricky), [heartbeat, openOk, tricky])
  })

  it("another end byte is the end", () => {
    gives(amqp, bytes(heartbeat + heartbeat.slice(0, 7) + "\0"), [heartbeat, "!FrameError Malformed @8"])
    assert.strictEqual(refusal(amqp, bytes(heartbeat.slice(0, 7) + "\0")), "MessageError Malformed")
    const [failure] = Codec.decodeAll(amqp, [hex("01 00 00 00 00 00 00 0a")]).failures
    assert.strictEqual(
      failure?.error.reason.message,
      "the frame is malformed: its last byte is 0x0a, it is always 0xce"
    )
  })

  it("the limit, one below, at and one above, on the payload", () => {
    const framing = Preset.amqp({ limit: 5 })
    both(framing, bytes(heartbeat + openOk), [heartbeat, openOk])
    both(framing, hex("03 00 01 00 00 00 04 61 61 61 61 ce"), [text("03 00 01 00 00 00 04 61 61 61 61 ce")])
    gives(framing, hex("03 00 01 00 00 00 06"), ["!FrameError FrameTooLong 6 > 5 @0"])
    // A second protocol header is no frame.
    gives(amqp, bytes("AMQP\0\0\x09\x01"), ["!FrameError FrameTooLong 1342177289 > 1048576 @0"])
  })

  it("a stream that ends within a frame is Truncated", () => {
    for (let have = 1; have < openOk.length; have++) {
      gives(amqp, openOk.slice(0, have), [`!FrameError Truncated ${have} of ${have < 7 ? 7 : 13} @0`])
      assert.strictEqual(refusal(amqp, bytes(openOk.slice(0, have))), "MessageError Malformed")
    }
  })
})

describe("Preset.mysql", () => {
  it("is MySqlPacket", () => {
    const packets = [{ sequence: 0, payload: hex("0e") }]
    gives(Preset.mysql(), hex("01 00 00 00 0e"), packets)
    assert.strictEqual(refusal(Preset.mysql({ limit: 0 }), packets[0]!), "MessageError FrameTooLong 1 > 0")
  })
})
