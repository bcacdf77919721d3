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

// A link-local address is one in its zone alone, as in fe80::1%eth0.
const ipv6Of = (text: string): Result.Result<string, NetAddress.NetAddressError> =>
  text.includes("%")
    ? NetAddress.scopedIpv6LiteralFromString(text)
    : Result.map(NetAddress.ipv6FromString(text), NetAddress.formatIp)

/**
 * Reads an address from text.
 *
 * ```text
 * IN  127.0.0.1:8888    OUT { host: "127.0.0.1", port: 8888 }
 * IN  [::1]:8888        OUT { host: "::1", port: 8888 }
 * IN  [fe80::1%eth0]:80 OUT { host: "fe80::1%eth0", port: 80 }
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
    const ip = ipv6Of(host.slice(1, -1))
    return host.endsWith("]") && Result.isSuccess(ip)
      ? Result.succeed({ host: ip.success, port })
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
 * IP addresses that begin with the same bits. An IPv4 address is the same one where an IPv6 socket shows it as
 * `::ffff:192.0.2.1`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Network {
  /** As CIDR writes it: `192.0.2.0/24`. */
  readonly cidr: string
  /** Whether this IP address is one of them; a name never is. */
  readonly contains: (host: string) => boolean
}

// A link-local address comes with the zone in which it is one, as in fe80::1%eth0.
const ipOf = (host: string) =>
  Result.map(NetAddress.ipFromString(host.replace(/%.*$/s, "")), (ip) => NetAddress.toCanonical(ip))

/**
 * Reads a network from text: `192.0.2.0/24`, `2001:db8::/32`; an IP address alone is a network of one.
 *
 * **Errors**: `AddressError`, also where bits are set behind the prefix.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parseNetwork = (input: string): Result.Result<Network, AddressError> =>
  Result.mapBoth(
    input.includes("/")
      ? IpNetwork.fromString(input)
      : Result.flatMap(ipOf(input), (ip) => IpNetwork.make(ip, NetAddress.width(ip))),
    {
      onFailure: () => new AddressError({ input, expected: "IP/PREFIX, as in 192.0.2.0/24, or an IP address" }),
      onSuccess: (network) => ({
        cidr: IpNetwork.format(network),
        contains: (host) =>
          Result.match(ipOf(host), { onFailure: () => false, onSuccess: (ip) => IpNetwork.contains(network, ip) })
      })
    }
  )

// RFC 6177: what one site is given is at least a /64, of which it can take any address.
const sitePrefix = 64

/**
 * Whose address it is, as far as an address tells: that of IPv4 is its own, of IPv6 a /64 is one site's. A name, or
 * whatever else is no IP address, is its own too.
 *
 * ```text
 * IN  192.0.2.1          OUT 192.0.2.1
 * IN  ::ffff:192.0.2.1   OUT 192.0.2.1
 * IN  2001:db8::1:2      OUT 2001:db8::/64
 * ```
 *
 * **Source**: RFC 6177.
 *
 * @category converting
 * @since 0.1.0
 */
export const siteOf = (host: string): string =>
  // An IPv4 address has one form, and so has a name.
  host.includes(":")
    ? Result.match(ipOf(host), {
      onFailure: () => host,
      onSuccess: (ip) =>
        NetAddress.isIpv4Address(ip)
          ? NetAddress.formatIp(ip)
          : IpNetwork.format(IpNetwork.fromAddressUnsafe(ip, sitePrefix))
    })
    : host
