import { assert, describe, it } from "@effect/vitest"
import { Address } from "@framewire/core"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const read = (text: string) => Result.getOrThrow(Address.parse(text))

describe("Address", () => {
  const same: ReadonlyArray<[string, Address.Address]> = [
    ["127.0.0.1:8888", { host: "127.0.0.1", port: 8888 }],
    ["0.0.0.0:0", { host: "0.0.0.0", port: 0 }],
    ["[::1]:65535", { host: "::1", port: 65_535 }],
    ["[::]:80", { host: "::", port: 80 }],
    ["[2001:db8::1]:443", { host: "2001:db8::1", port: 443 }],
    ["localhost:1", { host: "localhost", port: 1 }],
    ["a-b.example.org:80", { host: "a-b.example.org", port: 80 }],
    ["example.org.:80", { host: "example.org.", port: 80 }],
    ["_sip.example.org:80", { host: "_sip.example.org", port: 80 }],
    ["7.example:80", { host: "7.example", port: 80 }],
    ["unix:/run/a.sock", { path: "/run/a.sock" }],
    ["unix:relative", { path: "relative" }],
    ["unix:/with:colon:80", { path: "/with:colon:80" }]
  ]
  for (const [text, address] of same) {
    it(`reads and writes ${text}`, () => {
      assert.deepStrictEqual(read(text), address)
      assert.strictEqual(Address.format(address), text)
    })
  }

  const canonical: ReadonlyArray<[string, string]> = [
    ["[0:0:0:0:0:0:0:1]:80", "[::1]:80"],
    ["[2001:DB8::0:1]:80", "[2001:db8::1]:80"],
    ["localhost:0080", "localhost:80"]
  ]
  for (const [text, written] of canonical) {
    it(`writes ${text} as ${written}`, () => {
      assert.strictEqual(Address.format(read(text)), written)
    })
  }

  const form = "HOST:PORT, [IPV6]:PORT or unix:PATH"
  const port = "a port from 0 to 65535 after the host"
  const brackets = "brackets around an IPv6 address, as in [::1]:80"
  const ipv6 = "an IPv6 address between the brackets"
  const refused: ReadonlyArray<[string, string]> = [
    ["", form],
    ["localhost", form],
    [":80", form],
    ["a b:80", form],
    ["-a:80", form],
    [`${"a".repeat(64)}:80`, form],
    [`${"a.".repeat(127)}a:80`, form],
    ["café.example:80", form],
    ["localhost:", port],
    ["localhost:65536", port],
    ["localhost:-1", port],
    ["localhost:1e3", port],
    ["localhost: 80", port],
    ["localhost:000080", port],
    ["::1:80", brackets],
    ["fe80::1%eth0:80", brackets],
    ["[::1:80", ipv6],
    ["[]:80", ipv6],
    ["[fe80::1%]:80", ipv6],
    ["[fe80::1%a%b]:80", ipv6],
    ["[%eth0]:80", ipv6],
    ["[127.0.0.1%lo]:80", ipv6],
    ["[127.0.0.1]:80", ipv6],
    ["[::1]", port],
    ["unix:", "a path after unix:"],
    // A resolver reads these as IPv4 addresses that nobody meant.
    ["1.2.3:80", form],
    ["256.0.0.1:80", form],
    ["1.2.3.4.5:80", form],
    ["2130706433:80", form],
    ["127.0.0.1.:80", form],
    ["0x7f.1:80", form],
    ["0x7f000001:80", form],
    ["127.0x1:80", form],
    ["example.7:80", form]
  ]
  for (const [text, expected] of refused) {
    it(`refuses "${text.slice(0, 30)}"`, () => {
      const error = Result.getOrThrow(Result.flip(Address.parse(text)))
      assert.strictEqual(error._tag, "AddressError")
      assert.strictEqual(error.message, `"${text}" is not an address: expected ${expected}`)
    })
  }

  const upTo = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))
  it.prop("reads what it has written", {
    octets: Schema.Array(upTo(255)).check(Schema.isBetweenLength(4, 4)),
    groups: Schema.Array(upTo(65_535)).check(Schema.isBetweenLength(8, 8)),
    port: upTo(65_535),
    path: Schema.NonEmptyString
  }, ({ groups, octets, path, port }) => {
    const ipv6 = `[${groups.map((group) => group.toString(16)).join(":")}]:${port}`
    for (const text of [`${octets.join(".")}:${port}`, ipv6, `unix:${path}`]) {
      const address = read(text)
      assert.deepStrictEqual(read(Address.format(address)), address)
    }
  })

  it("reads what it has written of an address with a zone, which the host is then known by", () => {
    for (const [text, host] of [["[fe80::1%eth0]:80", "fe80::1%eth0"], ["[FE80:0::1%3]:80", "fe80::1%3"]] as const) {
      const address = read(text)
      assert.deepStrictEqual(address, { host, port: 80 })
      assert.deepStrictEqual(read(Address.format(address)), address)
    }
  })

  it("knows a Unix path and a port", () => {
    assert.isTrue(Address.isUnix({ path: "a" }))
    assert.isFalse(Address.isUnix({ host: "a", port: 1 }))
    assert.deepStrictEqual([0, 80, 65_535].map(Address.isPort), [true, true, true])
    assert.deepStrictEqual([-1, 65_536, 1.5, Number.NaN].map(Address.isPort), [false, false, false, false])
  })
})

const network = (text: string) => Result.getOrThrow(Address.parseNetwork(text))

describe("parseNetwork", () => {
  const members: ReadonlyArray<[cidr: string, within: ReadonlyArray<string>, without: ReadonlyArray<string>]> = [
    ["192.0.2.0/24", ["192.0.2.0", "192.0.2.255", "::ffff:192.0.2.7"], [
      "192.0.1.255",
      "192.0.3.0",
      "::1",
      "a.example"
    ]],
    ["192.0.2.128/25", ["192.0.2.128"], ["192.0.2.127"]],
    ["192.0.2.1/32", ["192.0.2.1"], ["192.0.2.0", "192.0.2.2"]],
    ["0.0.0.0/0", ["127.0.0.1", "255.255.255.255"], ["::", ""]],
    ["2001:db8::/32", ["2001:db8::", "2001:db8:ffff::1"], ["2001:db9::", "192.0.2.1"]],
    ["fe80::/10", ["fe80::1%eth0", "febf::1"], ["fec0::"]]
  ]
  for (const [cidr, within, without] of members) {
    it(`${cidr} has its own addresses and no other`, () => {
      const { contains } = network(cidr)
      assert.deepStrictEqual(within.filter((host) => !contains(host)), [])
      assert.deepStrictEqual(without.filter(contains), [])
    })
  }

  it("takes an address for a network of one", () => {
    assert.deepStrictEqual(["192.0.2.1", "2001:db8::1"].map((text) => network(text).cidr), [
      "192.0.2.1/32",
      "2001:db8::1/128"
    ])
  })

  it.each(["", "192.0.2.1/24", "192.0.2.0/33", "192.0.2/24", "2001:db8::/129", "a.example/24", "a.example"])(
    "refuses \"%s\"",
    (text) => {
      assert.isTrue(Result.isFailure(Address.parseNetwork(text)))
    }
  )
})

describe("siteOf", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"],
    ["2001:db8:0:1:ffff::", "2001:db8:0:1::/64"],
    ["fe80::1%eth0", "fe80::/64"],
    ["a.example", "a.example"]
  ])("%s is of %s", (host, site) => {
    assert.strictEqual(Address.siteOf(host), site)
  })
})
