import type { Address } from "@framewire/core"
import { Malformed } from "../FramingError.ts"
import { refused } from "./failure.ts"
import { ipv4ToBytes, ipv6ToBytes } from "./ip.ts"

/** A header that cannot be written. */
export const fail = (detail: string) => refused(new Malformed({ detail }))

/** The bytes of an address to send, and its one spelling where it is one of IP. */
export const bytesOf = (family: "ipv4" | "ipv6", { host, port }: Address.TcpAddress): Uint8Array => {
  const bytes = family === "ipv4" ? ipv4ToBytes(host) : ipv6ToBytes(host)
  if (bytes === undefined) throw fail(`${host} is no address of ${family}`)
  if (!(Number.isInteger(port) && port >= 0 && port <= 65_535)) throw fail(`port ${port}`)
  return bytes
}
