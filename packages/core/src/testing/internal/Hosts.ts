// Which listener is where, and which port is free: the part of a host's kernel that knows addresses.
import * as Result from "effect/Result"
import * as Address from "../../Address.ts"
import * as TransportReason from "../../TransportReason.ts"

const firstEphemeral = 49_152

export interface Hosts<A> {
  readonly problem: (address: Address.Address) => TransportReason.InvalidAddress | undefined
  /** The address to listen on, with a port, or undefined where it is in use. */
  readonly bind: (address: Address.Address) => Address.Address | undefined
  /** A local address to reach this one from: as asked for, or any; or why there is none. */
  readonly source: (
    remote: Address.Address,
    asked: { readonly host: string; readonly port?: number } | undefined
  ) => Address.Address | TransportReason.TransportReason
  /** False where another listens there. */
  readonly set: (address: Address.Address, listener: A) => boolean
  readonly delete: (address: Address.Address) => void
  readonly find: (address: Address.Address) => A | undefined
  readonly all: () => ReadonlyArray<A>
}

const isAny = (host: string) => host === "0.0.0.0" || host === "::"
const ipOf = (host: string) => host === "localhost" ? "127.0.0.1" : host
const familyOf = (host: string) =>
  Result.isFailure(Address.toSocketAddress({ host, port: 0 })) ? undefined : host.includes(":") ? 6 : 4

const collide = (one: Address.Address, two: Address.Address): boolean => {
  if (Address.isUnix(one) || Address.isUnix(two)) {
    return Address.isUnix(one) && Address.isUnix(two) && one.path === two.path
  }
  return one.port === two.port && (one.host === two.host || isAny(one.host) || isAny(two.host))
}

export const make = <A>(): Hosts<A> => {
  const bound: Array<{ readonly address: Address.Address; readonly listener: A }> = []
  let last = firstEphemeral - 1
  const inUse = (address: Address.Address) => bound.some((each) => collide(each.address, address))
  const ephemeral = () => last = last === Address.maxPort ? firstEphemeral : last + 1
  const free = (host: string): Address.TcpAddress | undefined => {
    for (let i = firstEphemeral; i <= Address.maxPort; i++) {
      const address = { host, port: ephemeral() }
      if (!inUse(address)) return address
    }
    return undefined
  }
  return {
    problem: (address) => {
      if (Address.isUnix(address)) {
        return address.path === "" ? new TransportReason.InvalidAddress({ detail: "the path is empty" }) : undefined
      }
      if (!Address.isPort(address.port)) {
        const detail = `port ${address.port}, 0 to ${Address.maxPort} are allowed`
        return new TransportReason.InvalidAddress({ detail })
      }
      return address.host === "" || address.host.includes("\0")
        ? new TransportReason.InvalidAddress({ detail: "the host is empty or has a NUL" })
        : undefined
    },
    bind: (address) => {
      if (Address.isUnix(address)) return inUse(address) ? undefined : address
      const host = ipOf(address.host)
      if (address.port === 0) return free(host)
      return inUse({ host, port: address.port }) ? undefined : { host, port: address.port }
    },
    source: (remote, asked) => {
      if (Address.isUnix(remote)) return remote
      const host = asked?.host ?? (remote.host.includes(":") ? "::1" : "127.0.0.1")
      const port = asked?.port ?? 0
      const family = familyOf(host)
      if (family === undefined || family !== (familyOf(ipOf(remote.host)) ?? family) || !Address.isPort(port)) {
        return new TransportReason.InvalidAddress({
          detail: `no local address to reach ${Address.format(remote)} from`
        })
      }
      if (port === 0) return free(host) ?? new TransportReason.AddressNotAvailable({ code: "EADDRNOTAVAIL" })
      return inUse({ host, port }) ? new TransportReason.AddressInUse({ code: "EADDRINUSE" }) : { host, port }
    },
    set: (address, listener) => {
      const other = bound.find((each) => collide(each.address, address))
      if (other === undefined) bound.push({ address, listener })
      return other === undefined || other.listener === listener
    },
    delete: (address) => {
      const index = bound.findIndex((each) => each.address === address)
      if (index >= 0) bound.splice(index, 1)
    },
    find: (address) => {
      const asked = Address.isUnix(address) ? address : { host: ipOf(address.host), port: address.port }
      return bound.find((each) => collide(each.address, asked))?.listener
    },
    all: () => bound.map(({ listener }) => listener)
  }
}
