import { assert, describe, it } from "@effect/vitest"
import { Codec, Decoder, FramingError, ProxyHeader } from "@framewire/framing"
import { bytes, cuttings, encoded, gives, hex, readerOf, refusal, show, toHex } from "./support.ts"

const proxy = ProxyHeader.make()
const malformed = ["!FrameError Malformed @0"]
const detailOf = (stream: Uint8Array) => Codec.decodeAll(proxy, [stream]).failures[0]?.error.message

const inet = (
  version: 1 | 2,
  family: "ipv4" | "ipv6",
  hosts: readonly [string, string] = ["192.0.2.1", "198.51.100.1"],
  tlvs: ReadonlyArray<ProxyHeader.Tlv> = []
): ProxyHeader.Inet => ({
  version,
  command: "proxy",
  family,
  transport: "stream",
  source: { host: hosts[0], port: 56_324 },
  destination: { host: hosts[1], port: 443 },
  tlvs
})

describe("ProxyHeader version 1 reads", () => {
  it("the lines of the specification", () => {
    gives(proxy, "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", [inet(1, "ipv4")])
    const all = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
    gives(proxy, "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", [{
      ...inet(1, "ipv4"),
      source: { host: "255.255.255.255", port: 65_535 },
      destination: { host: "255.255.255.255", port: 65_535 }
    }])
    gives(proxy, `PROXY TCP6 ${all} ${all} 65535 65535\r\n`, [{
      ...inet(1, "ipv6"),
      source: { host: all, port: 65_535 },
      destination: { host: all, port: 65_535 }
    }])
    const unknown = { version: 1, command: "proxy", family: "unspecified" }
    gives(proxy, "PROXY UNKNOWN\r\n", [unknown])
    gives(proxy, `PROXY UNKNOWN ${all} ${all} 65535 65535\r\n`, [unknown])
    gives(proxy, "PROXY UNKNOWN \xff whatever\r\n", [unknown])
  })

  it("IPv6 in every spelling, and gives one", () => {
    const spellings = {
      "2001:DB8:0:0:0:0:0:1": "2001:db8::1",
      "2001:0db8::0001": "2001:db8::1",
      "::": "::",
      "::1": "::1",
      "1::": "1::",
      "1:0:0:2:0:0:0:3": "1:0:0:2::3",
      "1:0:0:2:3:0:0:4": "1::2:3:0:0:4",
      "1:2:3:4:5:6:7::": "1:2:3:4:5:6:7:0",
      "0:1:2:3:4:5:6:7": "0:1:2:3:4:5:6:7",
      "::ffff:192.0.2.1": "::ffff:192.0.2.1",
      "::ffff:c000:201": "::ffff:192.0.2.1",
      "64:ff9b::192.0.2.33": "64:ff9b::c000:221"
    }
    for (const [spelling, host] of Object.entries(spellings)) {
      gives(proxy, `PROXY TCP6 ${spelling} ::1 56324 443\r\n`, [inet(1, "ipv6", [host, "::1"])])
    }
    const none = [":::", "1", "1:2", "1::2::3", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "g::", "12345::", ":1", "1:"]
    for (const host of [...none, "fe80::1%eth0", "1.2.3.4", "1.2.3.4::", "::1.2.3", "::1.2.3.4:5", "[::1]"]) {
      gives(proxy, `PROXY TCP6 ${host} ::1 56324 443\r\n`, malformed)
    }
  })

  it("nothing else", () => {
    for (
      const rest of [
        "TCP4 192.0.2.1 198.51.100.1 56324 443 ",
        "TCP4 192.0.2.1 198.51.100.1 56324",
        "TCP4  192.0.2.1 198.51.100.1 56324 443",
        "TCP4 192.0.2.01 198.51.100.1 56324 443",
        "TCP4 192.0.2.256 198.51.100.1 56324 443",
        "TCP4 192.0.2 198.51.100.1 56324 443",
        "TCP4 192.0.2.1. 198.51.100.1 56324 443",
        "TCP4 192.0.2.1 example.org 56324 443",
        "TCP4 ::1 ::1 56324 443",
        "TCP4 192.0.2.1 198.51.100.1 056324 443",
        "TCP4 192.0.2.1 198.51.100.1 56324 00",
        "TCP4 192.0.2.1 198.51.100.1 65536 443",
        "TCP4 192.0.2.1 198.51.100.1 -1 443",
        "TCP4 192.0.2.1 198.51.100.1 +1 443",
        "TCP4\t192.0.2.1 198.51.100.1 56324 443",
        "TCP4 192.0.2.1 198.51.100.1 56324 443\r",
        "TCP5 192.0.2.1 198.51.100.1 56324 443",
        "tcp4 192.0.2.1 198.51.100.1 56324 443",
        "UDP4 192.0.2.1 198.51.100.1 56324 443",
        "UNKNOWNS",
        "UNKNOWN a\rb",
        ""
      ]
    ) {
      gives(proxy, `PROXY ${rest}\r\n`, malformed)
    }
  })

  it("no line that ends in LF alone", () => {
    gives(proxy, "PROXY UNKNOWN\n", malformed)
    gives(proxy, "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\n\r\n", malformed)
  })

  it("107 bytes with the end, and not one more", () => {
    const unknown = { version: 1, command: "proxy", family: "unspecified" }
    gives(proxy, `PROXY UNKNOWN ${"x".repeat(90)}\r\n`, [unknown])
    gives(proxy, `PROXY UNKNOWN ${"x".repeat(91)}\r\n`, [unknown])
    gives(proxy, `PROXY UNKNOWN ${"x".repeat(92)}\r\n`, ["!FrameError FrameTooLong 108 > 107 @0"])
    gives(proxy, `PROXY UNKNOWN ${"x".repeat(200)}`, ["!FrameError FrameTooLong 108 > 107 @0"])
  })

  it("a stream that ends within the line is Truncated", () => {
    const line = "PROXY UNKNOWN\r\n"
    for (let have = 1; have < line.length; have++) {
      gives(proxy, line.slice(0, have), [`!FrameError Truncated ${have} of ? @0`])
    }
  })
})

const signature = "0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a"
const v4 = "c0 00 02 01 c6 33 64 01 dc 04 01 bb"
const v6 = "20010db8000000000000000000000001 00000000000000000000000000000001 dc 04 01 bb"

/** A header by hand. */
const block = (start: string, body: string): Uint8Array =>
  hex(`${signature} ${start} ${hex(body).length.toString(16).padStart(4, "0")} ${body}`)

describe("ProxyHeader version 2 reads", () => {
  it("each family and transport", () => {
    gives(proxy, block("21 11", v4), [inet(2, "ipv4")])
    gives(proxy, block("21 12", v4), [{ ...inet(2, "ipv4"), transport: "datagram" }])
    gives(proxy, block("21 21", v6), [inet(2, "ipv6", ["2001:db8::1", "::1"])])
    gives(proxy, block("21 22", v6), [{ ...inet(2, "ipv6", ["2001:db8::1", "::1"]), transport: "datagram" }])
  })

  it("Unix paths, abstract names and no name", () => {
    const path = (text: string) => toHex(bytes(text.padEnd(108, "\0")))
    const unix = (source: string, destination: string) => ({
      version: 2,
      command: "proxy",
      family: "unix",
      transport: "stream",
      source: { path: source },
      destination: { path: destination },
      tlvs: []
    })
    const most = "/" + "x".repeat(107)
    for (
      const [raw, text] of [
        ["/run/a.sock", "/run/a.sock"],
        ["/run/a\0rest", "/run/a"],
        ["\0name\0b", "\0name\0b"],
        ["", ""],
        [most, most]
      ] as const
    ) {
      const stream = block("21 31", path(raw) + path("/b"))
      gives(proxy, stream, [unix(text, "/b")])
    }
    gives(proxy, block("21 32", path("/a") + path("/b")), [{ ...unix("/a", "/b"), transport: "datagram" }])
    gives(proxy, block("21 31", path("/\xff") + path("/b")), malformed)
  })

  it("LOCAL and unspecified, of which nothing is kept", () => {
    const local = { version: 2, command: "local" }
    gives(proxy, block("20 00", ""), [local])
    gives(proxy, block("20 11", v4), [local])
    gives(proxy, block("20 ff", "01 02 03"), [local])
    gives(proxy, block("21 00", "01 02 03"), [{ version: 2, command: "proxy", family: "unspecified" }])
  })

  it("no other version, command, family and transport", () => {
    for (const start of ["11 11", "31 11", "22 11", "2f 11", "21 10", "21 01", "21 13", "21 41", "21 ff"]) {
      gives(proxy, block(start, v4), malformed)
    }
    assert.match(detailOf(block("11 11", v4)) ?? "", /version 1, there are 1 and 2/)
    assert.match(detailOf(block("21 13", v4)) ?? "", /family and transport 0x13/)
  })

  it("no body that is too short for its addresses", () => {
    gives(proxy, block("21 11", v4.slice(3)), malformed)
    gives(proxy, block("21 21", v4), malformed)
    gives(proxy, block("21 31", v6), malformed)
  })

  it("a signature to its last byte", () => {
    for (let at = 0; at < 12; at++) {
      const stream = block("21 11", v4)
      stream[at]! ^= 1
      gives(proxy, stream, malformed)
    }
    gives(proxy, "GET / HTTP/1.1\r\n", malformed)
    gives(proxy, "\r\n\r\n\r", malformed)
  })

  it("the limit, one below, at and one above, on what follows the fixed bytes", () => {
    const framing = ProxyHeader.make({ limit: 13 })
    gives(framing, block("21 11", v4), [inet(2, "ipv4")])
    gives(framing, block("20 00", "00".repeat(13)), [{ version: 2, command: "local" }])
    gives(framing, block("20 00", "00".repeat(14)), ["!FrameError FrameTooLong 14 > 13 @0"])
    gives(framing, hex(signature + "20 00 ff ff"), ["!FrameError FrameTooLong 65535 > 13 @0"])
    assert.strictEqual(proxy.limit, 8192)
    assert.strictEqual(ProxyHeader.make({ limit: 65_535 }).limit, 65_535)
    assert.throws(() => ProxyHeader.make({ limit: 65_536 }), FramingError.InvalidOption)
  })

  it("a stream that ends within the header is Truncated", () => {
    const stream = block("21 11", v4)
    for (let have = 1; have < stream.length; have++) {
      gives(proxy, stream.slice(0, have), [`!FrameError Truncated ${have} of ${have < 16 ? 16 : 28} @0`])
    }
  })
})

describe("ProxyHeader elements", () => {
  const withTlvs = (tlvs: ReadonlyArray<ProxyHeader.Tlv>) => inet(2, "ipv4", undefined, tlvs)

  it("by name, and by number where they have none", () => {
    const body = `${v4} 01 00 02 68 32  02 00 03 61 2e 62  04 00 00  05 00 02 01 02  30 00 01 6e  e0 00 01 ff  00 00 00`
    const header = withTlvs([
      { type: "alpn", value: bytes("h2") },
      { type: "authority", value: bytes("a.b") },
      { type: "noop", value: bytes("") },
      { type: "uniqueId", value: hex("01 02") },
      { type: "netns", value: bytes("n") },
      { type: 0xe0, value: hex("ff") },
      { type: 0, value: bytes("") }
    ])
    gives(proxy, block("21 11", body), [header])
    assert.strictEqual(toHex(encoded(proxy, [header])), toHex(block("21 11", body)))
  })

  it("ssl with its own", () => {
    const body = `${v4} 20 00 18 07 00 00 00 01  21 00 07 54 4c 53 76 31 2e 33  22 00 01 63  28 00 02 30 00`
    const header = withTlvs([{
      type: "ssl",
      tls: true,
      certInConnection: true,
      certInSession: true,
      verify: 1,
      tlvs: [
        { type: "sslVersion", value: bytes("TLSv1.3") },
        { type: "sslCn", value: bytes("c") },
        { type: "sslClientCert", value: hex("30 00") }
      ]
    }])
    gives(proxy, block("21 11", body), [header])
    assert.strictEqual(toHex(encoded(proxy, [header])), toHex(block("21 11", body)))
    const flags = (client: string) => Codec.decodeAll(proxy, [block("21 11", `${v4} 20 00 05 ${client} ff ff ff ff`)])
    const base = { type: "ssl", verify: 2 ** 32 - 1, tlvs: [] } as const
    assert.deepStrictEqual(flags("01").messages, [
      { ...withTlvs([]), tlvs: [{ ...base, tls: true, certInConnection: false, certInSession: false }] }
    ])
    assert.deepStrictEqual(flags("06").messages, [
      { ...withTlvs([]), tlvs: [{ ...base, tls: false, certInConnection: true, certInSession: true }] }
    ])
  })

  it("crc32c is verified", () => {
    // The checksum is of a program that has nothing to do with this one.
    const good = block("21 11", `${v4} 03 00 04 73 7e e9 19`)
    gives(proxy, good, [withTlvs([{ type: "crc32c" }])])
    assert.strictEqual(toHex(encoded(proxy, [withTlvs([{ type: "crc32c" }])])), toHex(good))
    for (const at of [13, 16, 27, 31, 34]) {
      const bad = good.slice()
      bad[at]! ^= at === 13 ? 3 : 1
      gives(proxy, bad, ["!FrameError ChecksumMismatch @0"])
    }
  })

  it("that contradict themselves are refused both ways", () => {
    for (
      const tlvs of [
        "01",
        "01 00",
        "01 00 01",
        "01 00 02 61",
        "03 00 03 00 00 00",
        "03 00 05 00 00 00 00 00",
        "03 00 04 00 00 00 00 03 00 04 00 00 00 00",
        `05 00 81 ${"00".repeat(129)}`,
        "20 00 04 01 00 00 00",
        "20 00 06 01 00 00 00 00 21",
        "20 00 09 01 00 00 00 00 21 00 02 61",
        "20 00 0d 01 00 00 00 00 20 00 05 01 00 00 00 00",
        "20 00 0c 01 00 00 00 00 03 00 04 00 00 00 00"
      ]
    ) {
      gives(proxy, block("21 11", `${v4} ${tlvs}`), malformed)
    }
    const ssl = { type: "ssl", tls: true, certInConnection: false, certInSession: false, verify: 0, tlvs: [] } as const
    for (
      const tlvs of [
        [{ type: "crc32c" }, { type: "crc32c" }],
        [{ type: "uniqueId", value: new Uint8Array(129) }],
        [{ ...ssl, tlvs: [ssl] }],
        [{ ...ssl, tlvs: [{ type: "crc32c" }] }],
        [{ ...ssl, verify: -1 }],
        [{ ...ssl, verify: 2 ** 32 }],
        [{ type: 256, value: bytes("") }],
        [{ type: -1, value: bytes("") }],
        [{ type: 0x01, value: bytes("") }],
        [{ type: 0x20, value: bytes("12345") }]
      ] satisfies ReadonlyArray<ReadonlyArray<ProxyHeader.Tlv>>
    ) {
      assert.strictEqual(refusal(proxy, withTlvs(tlvs)), "MessageError Malformed", JSON.stringify(tlvs))
    }
    gives(proxy, block("21 11", `${v4} 05 00 80 ${"00".repeat(128)}`), [
      withTlvs([{ type: "uniqueId", value: new Uint8Array(128) }])
    ])
  })

  it("up to the limit", () => {
    const of = (size: number) => withTlvs([{ type: 0xe0, value: new Uint8Array(size) }])
    assert.isUndefined(refusal(proxy, of(8192 - 15)))
    assert.strictEqual(refusal(proxy, of(8193 - 15)), "MessageError FrameTooLong 8193 > 8192")
    const widest = ProxyHeader.make({ limit: 65_535 })
    assert.isUndefined(refusal(widest, of(65_535 - 15)))
    assert.strictEqual(refusal(widest, of(65_535)), "MessageError FrameTooLong 65550 > 65535")
    assert.strictEqual(refusal(widest, of(65_536)), "MessageError Malformed")
  })
})

describe("ProxyHeader writes", () => {
  it("version 1", () => {
    const text = (header: ProxyHeader.ProxyHeader) => show(encoded(proxy, [header]))
    assert.strictEqual(text(inet(1, "ipv4")), "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n")
    assert.strictEqual(
      text(inet(1, "ipv6", ["2001:0DB8::1", "::1"])),
      "PROXY TCP6 2001:db8::1 ::1 56324 443\r\n"
    )
    assert.strictEqual(text({ version: 1, command: "proxy", family: "unspecified" }), "PROXY UNKNOWN\r\n")
  })

  it("version 2", () => {
    const text = (header: ProxyHeader.ProxyHeader) => toHex(encoded(proxy, [header]))
    assert.strictEqual(text(inet(2, "ipv4")), toHex(block("21 11", v4)))
    assert.strictEqual(text({ ...inet(2, "ipv4"), transport: "datagram" }), toHex(block("21 12", v4)))
    assert.strictEqual(text(inet(2, "ipv6", ["2001:db8::1", "::1"])), toHex(block("21 21", v6)))
    assert.strictEqual(text({ version: 2, command: "local" }), toHex(block("20 00", "")))
    assert.strictEqual(text({ version: 2, command: "proxy", family: "unspecified" }), toHex(block("21 00", "")))
    const unix = { version: 2, command: "proxy", family: "unix", transport: "stream", tlvs: [] } as const
    for (const path of ["", "/a", "\0name", "/\u00fc", "/" + "x".repeat(107)]) {
      const header = { ...unix, source: { path }, destination: { path: "/b" } }
      gives(proxy, encoded(proxy, [header]), [header])
    }
    for (const path of ["/" + "x".repeat(108), "/a\0b", "\0a\0", "/\ud800"]) {
      const header = { ...unix, source: { path }, destination: { path: "/b" } }
      assert.strictEqual(refusal(proxy, header), "MessageError Malformed", path)
    }
  })

  it("nothing that its reader would refuse", () => {
    for (
      const header of [
        inet(1, "ipv4", ["localhost", "127.0.0.1"]),
        inet(2, "ipv4", ["::1", "127.0.0.1"]),
        inet(2, "ipv6", ["::1", "127.0.0.1"]),
        inet(2, "ipv4", ["127.0.0.1", "127.0.0.01"]),
        inet(1, "ipv4", undefined, [{ type: "alpn", value: bytes("h2") }]),
        { ...inet(1, "ipv4"), transport: "datagram" as const },
        ...[-1, 0.5, 65_536, Number.NaN].flatMap((port) => [
          { ...inet(1, "ipv4"), source: { host: "127.0.0.1", port } },
          { ...inet(2, "ipv4"), destination: { host: "127.0.0.1", port } }
        ])
      ]
    ) {
      assert.strictEqual(refusal(proxy, header), "MessageError Malformed", JSON.stringify(header))
    }
  })
})

describe("ProxyHeader", () => {
  it("leaves what follows in the reader", () => {
    for (const header of [bytes("PROXY UNKNOWN\r\n"), block("21 11", v4)]) {
      const after = bytes("GET / HTTP/1.1\r\n")
      const stream = Uint8Array.from([...header, ...after])
      for (const chunks of cuttings(stream)) {
        const reader = readerOf(...chunks)
        const into: Array<unknown> = []
        assert.isUndefined(Decoder.run(proxy.decoder.start(), reader, into, 1))
        assert.lengthOf(into, 1)
        assert.strictEqual(show(reader.take(reader.length)), show(after))
      }
    }
  })

  it("detect needs all of the signature for a yes, and one byte for a no", () => {
    const answers = (stream: Uint8Array) =>
      Array.from({ length: stream.length + 1 }, (_, length) => ProxyHeader.detect(stream.subarray(0, length)))
    const more = (times: number) => Array.from({ length: times }, () => "more")
    assert.deepStrictEqual(answers(bytes("PROXY TC")), [...more(6), "v1", "v1", "v1"])
    assert.deepStrictEqual(answers(block("21", "")), [...more(12), "v2", "v2", "v2", "v2"])
    assert.deepStrictEqual(answers(bytes("POST")), [...more(2), "no", "no", "no"])
    assert.deepStrictEqual(answers(bytes("\r\nGET")), [...more(3), "no", "no", "no"])
    assert.deepStrictEqual(answers(bytes("GET")), [...more(1), "no", "no", "no"])
  })
})
