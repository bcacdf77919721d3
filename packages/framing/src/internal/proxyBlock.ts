/** The PROXY header of version 2: a block of bytes. */
import type { Address } from "@framewire/core"
import * as ByteWriter from "../ByteWriter.ts"
import { crc32c } from "../Checked.ts"
import { ChecksumMismatch, Malformed } from "../FramingError.ts"
import type { ProxyHeader } from "../ProxyHeader.ts"
import { checkSize } from "./failure.ts"
import { ipToText } from "./ip.ts"
import { bytesOf, fail } from "./proxyAddress.ts"
import * as ProxyTlv from "./proxyTlv.ts"

/** What the block begins with. */
export const signature = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a)
/** What every block has. */
export const fixed = 16
const maxPath = 108

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** What a path is of the bytes that a socket address has for it. */
const pathOf = (bytes: Uint8Array, fail: ProxyTlv.Fail): string => {
  const abstract = bytes[0] === 0
  const end = abstract ? bytes.findLastIndex((byte) => byte !== 0) + 1 : bytes.indexOf(0)
  try {
    return utf8.decode(bytes.subarray(0, end < 0 ? bytes.length : end))
  } catch {
    throw fail("a path that is not UTF-8")
  }
}

const families = { 0x1: ["ipv4", 4], 0x2: ["ipv6", 16], 0x3: ["unix", maxPath] } as const
const transports = { 0x1: "stream", 0x2: "datagram" } as const
const isKey = <A extends object>(of: A, key: PropertyKey): key is keyof A => Object.hasOwn(of, key)

/** Reads a whole block. */
export const parseBlock = (
  header: Uint8Array,
  broken: (reason: ChecksumMismatch | Malformed) => Error
): ProxyHeader => {
  const fail = (detail: string) => broken(new Malformed({ detail }))
  const command = header[12]! & 0xf
  if (header[12]! >> 4 !== 2) throw fail(`version ${header[12]! >> 4}, there are 1 and 2`)
  if (command > 1) throw fail(`command ${command}, there are 0 and 1`)
  if (command === 0) return { version: 2, command: "local" }
  if (header[13] === 0) return { version: 2, command: "proxy", family: "unspecified" }

  const familyCode = header[13]! >> 4
  const transportCode = header[13]! & 0xf
  if (!isKey(families, familyCode) || !isKey(transports, transportCode)) {
    throw fail(`family and transport 0x${header[13]!.toString(16).padStart(2, "0")}`)
  }
  const [family, width] = families[familyCode]
  const ports = family === "unix" ? 0 : 2
  const end = fixed + 2 * (width + ports)
  if (end > header.length) throw fail(`${header.length - fixed} bytes, ${family} addresses take ${end - fixed}`)

  const { checksum, tlvs } = ProxyTlv.read(header, end, fail)
  if (checksum !== undefined) {
    const declared = new DataView(header.buffer, header.byteOffset).getUint32(checksum)
    const summed = header.slice().fill(0, checksum, checksum + crc32c.width)
    const computed = crc32c.of(summed)
    if (declared !== computed) throw broken(new ChecksumMismatch({ declared, computed }))
  }
  const of = (index: 0 | 1) => header.subarray(fixed + index * width, fixed + (index + 1) * width)
  const shared = { version: 2, command: "proxy", transport: transports[transportCode], tlvs } as const
  if (family === "unix") {
    return { ...shared, family, source: { path: pathOf(of(0), fail) }, destination: { path: pathOf(of(1), fail) } }
  }
  const port = (index: 0 | 1) => header[end - 4 + 2 * index]! << 8 | header[end - 3 + 2 * index]!
  return {
    ...shared,
    family,
    source: { host: ipToText(of(0)), port: port(0) },
    destination: { host: ipToText(of(1)), port: port(1) }
  }
}

const bytesOfPath = ({ path }: Address.UnixAddress): Uint8Array => {
  const bytes = new Uint8Array(maxPath)
  const name = ByteWriter.utf8(path)
  if (name.length > maxPath) throw fail(`a path of ${name.length} bytes, ${maxPath} are allowed`)
  bytes.set(name)
  if (pathOf(bytes, fail) !== path) throw fail("a path that does not come back from 108 bytes of UTF-8 and NUL")
  return bytes
}

/** Writes a whole block. */
export const blockOf = (header: ProxyHeader, limit: number): Uint8Array => {
  const block = [...signature, 0x20, 0, 0, 0]
  let checksum: number | undefined
  if (header.command === "proxy") {
    block[12] = 0x21
    if (header.family !== "unspecified") {
      const transport = header.transport === "stream" ? 1 : 2
      block[13] = (header.family === "ipv4" ? 0x10 : header.family === "ipv6" ? 0x20 : 0x30) | transport
      if (header.family === "unix") {
        block.push(...bytesOfPath(header.source), ...bytesOfPath(header.destination))
      } else {
        const { destination, family, source } = header
        block.push(...bytesOf(family, source), ...bytesOf(family, destination))
        for (const { port } of [source, destination]) block.push(port >> 8, port & 0xff)
      }
      checksum = ProxyTlv.write(header.tlvs, block, fail)
    }
  }
  const size = block.length - fixed
  checkSize(size, limit)
  const bytes = Uint8Array.from(block)
  const view = new DataView(bytes.buffer)
  view.setUint16(14, size)
  if (checksum !== undefined) view.setUint32(checksum, crc32c.of(bytes))
  return bytes
}
