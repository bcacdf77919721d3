/**
 * Where a socket is: a host and a port, or the path of a Unix domain socket.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as IpNetwork from "effect/net/IpNetwork"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"

/**
 * A TCP endpoint. `host` is an IP address or a name still to be resolved, `port` is 0 to 65535; 0 asks `listen` for
 * any free port.
 *
 * @category models
 * @since 0.1.0
 */
export interface TcpAddress {
  readonly host: string
  readonly port: number
}

/**
 * A Unix domain socket in the file system.
 *
 * @category models
 * @since 0.1.0
 */
export interface UnixAddress {
  readonly path: string
}

/**
 * The address of either end of a connection, or of a listener.
 *
 * @category models
 * @since 0.1.0
 */
export type Address = TcpAddress | UnixAddress

/**
 * A text is not an address: what came, and what is allowed instead.
 *
 * @category errors
 * @since 0.1.0
 */
export class AddressError extends Data.TaggedError("AddressError")<{
  readonly input: string
  readonly expected: string
}> {
  override get message(): string {
    return `"${this.input}" is not an address: expected ${this.expected}`
  }
}

/**
 * The largest TCP port.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxPort = 65_535

/**
 * The address is the path of a Unix domain socket.
 *
 * @category guards
 * @since 0.1.0
 */
export const isUnix = (self: Address): self is UnixAddress => "path" in self

/**
 * The number can be a port.
 *
 * @category guards
 * @since 0.1.0
 */
export const isPort = (port: number): boolean => Number.isInteger(port) && port >= 0 && port <= maxPort

const expected = "HOST:PORT, [IPV6]:PORT or unix:PATH"
const fail = (input: string, reason = expected) => Result.fail(new AddressError({ input, expected: reason }))

// RFC 1123, section 2.1: letters, digits and hyphens in labels; the underscore is met in the wild.
const hostName = /^(?=.{1,253}$)[a-z\d_](?:[a-z\d_-]{0,61}[a-z\d_])?(?:\.[a-z\d_](?:[a-z\d_-]{0,61}[a-z\d_])?)*\.?$/i

// No name ends in a number: it is meant as IPv4. Resolvers read 1.2.3 as 1.2.0.3 and 0x7f.1 as 127.0.0.1.
const endsInNumber = /(?:^|\.)(?:\d+|0x[\da-f]*)\.?$/i

/**
 * Reads an address from text.
 *
 * ```text
 * IN  127.0.0.1:8888    OUT { host: "127.0.0.1", port: 8888 }
 * IN  [::1]:8888        OUT { host: "::1", port: 8888 }
 * IN  localhost:8888    OUT { host: "localhost", port: 8888 }
 * IN  unix:/run/a.sock  OUT { path: "/run/a.sock" }
 * ```
 *
 * **Errors**: `AddressError`, with the text and what is allowed.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (input: string): Result.Result<Address, AddressError> => {
  if (input.startsWith("unix:")) {
    const path = input.slice("unix:".length)
    return path === "" ? fail(input, "a path after unix:") : Result.succeed({ path })
  }
  const separator = input.lastIndexOf(":")
  if (separator < 1) return fail(input)
  const host = input.slice(0, separator)
  const digits = input.slice(separator + 1)
  const port = Number(digits)
  if (!/^\d{1,5}$/.test(digits) || !isPort(port)) return fail(input, `a port from 0 to ${maxPort} after the host`)
  if (host.startsWith("[")) {
    const ip = NetAddress.ipv6FromString(host.slice(1, -1))
    return host.endsWith("]") && Result.isSuccess(ip)
      ? Result.succeed({ host: NetAddress.formatIp(ip.success), port })
      : fail(input, "an IPv6 address between the brackets")
  }
  if (host.includes(":")) return fail(input, "brackets around an IPv6 address, as in [::1]:80")
  const valid = endsInNumber.test(host) ? Result.isSuccess(NetAddress.ipv4FromString(host)) : hostName.test(host)
  return valid ? Result.succeed({ host, port }) : fail(input)
}

/**
 * Writes an address as the text that `parse` reads.
 *
 * @category encoding
 * @since 0.1.0
 */
export const format = (self: Address): string =>
  isUnix(self) ? `unix:${self.path}` : `${self.host.includes(":") ? `[${self.host}]` : self.host}:${self.port}`

/**
 * The same address as `effect/net` has it, where a host is an IP address and never a name.
 *
 * **Errors**: `AddressError`, where the host is a name.
 *
 * @category converting
 * @since 0.1.0
 */
export const toSocketAddress = (self: Address): Result.Result<NetAddress.SocketAddress, AddressError> =>
  isUnix(self)
    ? Result.succeed(NetAddress.unixPathAddress(self.path))
    : Result.mapError(
      NetAddress.inetAddressFromIpString(self.host, self.port),
      () => new AddressError({ input: format(self), expected: "an IP address" })
    )

/**
 * A range of IP addresses.
 *
 * @category models
 * @since 0.1.0
 */
export type Network = IpNetwork.IpNetwork

/**
 * Reads a network from text, in CIDR notation; an address alone is a network of one.
 *
 * ```text
 * IN  10.0.0.0/8       IN  2001:db8::/32       IN  192.0.2.1
 * ```
 *
 * **Errors**: `AddressError`, also where bits behind the prefix are set, as in 10.0.0.1/8: it may be mistyped.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parseNetwork = (input: string): Result.Result<Network, AddressError> =>
  Result.mapError(
    input.includes("/")
      ? IpNetwork.fromString(input)
      : Result.flatMap(NetAddress.ipFromString(input), (ip) => IpNetwork.make(ip, NetAddress.width(ip))),
    () => new AddressError({ input, expected: "an IP address or a network, as in 10.0.0.0/8" })
  )

/**
 * The address is in the network. IPv4 in IPv6's clothes (`::ffff:10.0.0.1`) is IPv4; names and paths are in no
 * network.
 *
 * @category guards
 * @since 0.1.0
 */
export const isWithin = (self: Address, network: Network): boolean => {
  if (isUnix(self)) return false
  // The zone says on which interface of this host, not where in the network.
  const ip = NetAddress.ipFromString(self.host.replace(/%.*$/, ""))
  return Result.isSuccess(ip) && IpNetwork.contains(network, NetAddress.toCanonical(ip.success))
}
