// A port that is bound here and listened on by others: this process keeps it over their ends, and accepts nobody.
import { Address, TransportError, TransportReason } from "@framewire/core"
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import { getSystemErrorName } from "node:util"

export interface Held {
  readonly address: Address.TcpAddress
  /** The descriptor for the workers of a slot. */
  readonly fdOf: (slot: number) => number
  /** Nobody has it but this process and those that it has started. */
  readonly isOurs: boolean
  /** Again: nothing happens. */
  readonly close: () => void
}

interface Bound {
  readonly fd: number
  readonly address: Address.TcpAddress
  readonly close: () => void
}

interface BindOptions extends Address.TcpAddress {
  readonly ipv6Only: boolean
  readonly reusePort: boolean
}

const byBoundSocket = (options: BindOptions): Bound => {
  const bound = new Net.BoundSocket(options)
  const { address: host, port } = bound.address()
  return { fd: bound.fd(), address: { host, port }, close: () => bound.close() }
}

interface Handle {
  readonly fd: number
  readonly getsockname: (to: { address?: string; port?: number }) => number
  readonly close: () => void
}

// Before Node 26.4 what only binds has no public name; by this one node:cluster has it.
const createHandle: (host: string, port: number, family: number, fd: undefined, flags: number) => Handle | number =
  Reflect.get(Net, "_createServerHandle")

// libuv's
const flagOf = { ipv6Only: 1, reusePort: 2 }

const byHandle = ({ host, ipv6Only, port, reusePort }: BindOptions): Bound => {
  const flags = (ipv6Only ? flagOf.ipv6Only : 0) | (reusePort ? flagOf.reusePort : 0)
  const handle = createHandle(host, port, Net.isIP(host), undefined, flags)
  const name: { address?: string; port?: number } = {}
  // That the address is taken is only told by the second call.
  const errno = typeof handle === "number" ? handle : handle.getsockname(name)
  if (typeof handle !== "number" && errno === 0) {
    return {
      fd: handle.fd,
      address: { host: name.address ?? host, port: name.port ?? port },
      close: () => handle.close()
    }
  }
  if (typeof handle !== "number") handle.close()
  const code = getSystemErrorName(errno)
  throw Object.assign(new Error(`bind ${code} ${host}:${port}`), { code })
}

// Typed as always there.
const bind = "BoundSocket" in Net ? byBoundSocket : byHandle

const problemOf = ({ host, port }: Address.TcpAddress): string | undefined => {
  if (Net.isIP(host) === 0) return `${JSON.stringify(host)} is no IP address, and names are not resolved here`
  if (!Address.isPort(port)) return `${port} is no port`
  return process.platform === "win32" ? "Windows passes no sockets as descriptors" : undefined
}

/** Binds so many sockets to the address; the kernel spreads the clients over those that somebody listens on. */
export const hold = (
  local: Address.TcpAddress,
  sockets: number,
  { ipv6Only }: { readonly ipv6Only: boolean }
): Effect.Effect<Held, TransportError.ListenError> =>
  Effect.suspend(() => {
    const fail = (reason: TransportReason.TransportReason) =>
      Effect.fail(new TransportError.ListenError({ reason, local }))
    const detail = problemOf(local)
    if (detail !== undefined) return fail(new TransportReason.InvalidAddress({ detail }))
    const bound: Array<Bound> = []
    const close = () => {
      for (const socket of bound.splice(0)) socket.close()
    }
    try {
      let address = local
      for (let i = 0; i < sockets; i++) {
        const socket = bind({ ...address, ipv6Only, reusePort: sockets > 1 })
        bound.push(socket)
        address = socket.address
      }
      const fds = bound.map(({ fd }) => fd)
      return Effect.succeed({ address, fdOf: (slot) => fds[slot % sockets] ?? -1, isOurs: true, close })
    } catch (cause) {
      close()
      return fail(TransportReason.fromCause(cause))
    }
  })
