/** The PROXY header of version 1: a line. */
import type { Address } from "@framewire/core"
import * as ByteWriter from "../ByteWriter.ts"
import type { Inet, ProxyHeader, Unspecified } from "../ProxyHeader.ts"
import { ipToText, ipv4ToBytes, ipv6ToBytes } from "./ip.ts"
import { bytesOf, fail } from "./proxyAddress.ts"
import type { Fail } from "./proxyTlv.ts"

/** What a line has at most, with its end. */
export const maxLine = 107
export const linePrefix = ByteWriter.utf8("PROXY ")
const line = /^PROXY (?:UNKNOWN(?: .*)?|TCP([46]) ([^ ]+) ([^ ]+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4}))$/

/** Reads a line without its end. */
export const parseLine = (text: string, fail: Fail): ProxyHeader => {
  const found = line.exec(text)
  if (found === null) throw fail("the line is no PROXY header of version 1")
  const [, version, source = "", destination = "", sourcePort, destinationPort] = found
  if (version === undefined) return { version: 1, command: "proxy", family: "unspecified" }
  const address = (host: string, port: string | undefined): Address.TcpAddress => {
    const bytes = version === "4" ? ipv4ToBytes(host) : ipv6ToBytes(host)
    if (bytes === undefined) throw fail(`no address of IPv${version}`)
    if (Number(port) > 65_535) throw fail(`port ${port}`)
    return { host: ipToText(bytes), port: Number(port) }
  }
  return {
    version: 1,
    command: "proxy",
    family: version === "4" ? "ipv4" : "ipv6",
    transport: "stream",
    source: address(source, sourcePort),
    destination: address(destination, destinationPort),
    tlvs: []
  }
}

/** Writes a line with its end. */
export const lineOf = (header: Unspecified | Inet): string => {
  if (header.family === "unspecified") return "PROXY UNKNOWN\r\n"
  const { destination, family, source, tlvs, transport } = header
  if (transport !== "stream" || tlvs.length > 0) throw fail("datagrams and elements need version 2")
  const hosts = [source, destination].map((address) => ipToText(bytesOf(family, address)))
  return `PROXY TCP${family === "ipv4" ? 4 : 6} ${hosts.join(" ")} ${source.port} ${destination.port}\r\n`
}
