// Addresses as node:net has them.
import type * as Net from "node:net"
import * as Address from "../../Address.ts"
import * as TransportReason from "../../TransportReason.ts"

/** Both ends of a connection. */
export interface Ends {
  readonly local: Address.Address
  readonly remote: Address.Address
}

// sun_path of sockaddr_un has 108 bytes with the final NUL on Linux, 104 on macOS and BSD.
const maxPathBytes = process.platform === "linux" ? 107 : 103

/** Why node:net would throw at the address, or take another for it, instead of reporting an error. */
export const endpointProblem = (address: Address.Address): TransportReason.InvalidAddress | undefined => {
  if (Address.isUnix(address)) {
    const bytes = Buffer.byteLength(address.path)
    return bytes > 0 && bytes <= maxPathBytes
      ? undefined
      : new TransportReason.InvalidAddress({ detail: `the path has ${bytes} bytes, 1 to ${maxPathBytes} are allowed` })
  }
  if (!Address.isPort(address.port)) {
    return new TransportReason.InvalidAddress({ detail: `port ${address.port}, 0 to ${Address.maxPort} are allowed` })
  }
  // For node:net the empty host is every interface when listening, localhost when connecting.
  return address.host === "" || address.host.includes("\0")
    ? new TransportReason.InvalidAddress({ detail: "the host is empty or has a NUL" })
    : undefined
}

/** Both ends of a connected socket. A Unix socket has no address of its own, so it gets the one that was asked for. */
export const endsOf = (socket: Net.Socket, asked: Address.Address): Ends => {
  if (Address.isUnix(asked)) return { local: asked, remote: asked }
  // A socket that was reset before we looked has no addresses any more.
  return { local: { host: socket.localAddress ?? "", port: socket.localPort ?? 0 }, remote: remoteOf(socket) }
}

const remoteOf = (socket: Net.Socket): Address.Address => {
  const remote = { host: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 }
  // node:net keeps an object of its own for them; once is enough.
  Reflect.set(socket, "_peername", undefined)
  return remote
}

/** The same of one that was accepted: where a listener is not bound to all interfaces, its address is the local one. */
export const endsOfAccepted = (socket: Net.Socket, bound: Address.Address): Ends =>
  Address.isUnix(bound) || bound.host === "0.0.0.0" || bound.host === "::"
    ? endsOf(socket, bound)
    : { local: bound, remote: remoteOf(socket) }
