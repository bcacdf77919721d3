// A port that is bound and listened on by others: this process holds it over their ends, and accepts nobody.
import { type Address, TransportError, TransportReason } from "@framewire/core"
import * as Effect from "effect/Effect"
import * as Net from "node:net"

export interface Held {
  readonly fd: number
  readonly address: Address.TcpAddress
  /** Again: nothing happens. */
  readonly close: () => void
}

const problemOf = ({ host, port }: Address.TcpAddress): string | undefined => {
  if (Net.isIP(host) === 0) return `${JSON.stringify(host)} is no IP address, and names are not resolved here`
  if (!Number.isInteger(port) || port < 0 || port > 65_535) return `${port} is no port`
  // Typed as always there.
  if (!("BoundSocket" in Net)) return "to hold a port, Node 26.4 is needed, or the descriptor of somebody who does"
  return process.platform === "win32" ? "Windows passes no sockets as descriptors" : undefined
}

/** Binds; the first worker that takes the descriptor listens. */
export const hold = (
  local: Address.TcpAddress,
  options: { readonly ipv6Only: boolean }
): Effect.Effect<Held, TransportError.ListenError> => {
  const problem = problemOf(local)
  return Effect.try({
    try: () => {
      if (problem !== undefined) throw new Error(problem)
      const bound = new Net.BoundSocket({ ...local, ...options })
      const { address: host, port } = bound.address()
      return { fd: bound.fd(), address: { host, port }, close: () => bound[Symbol.dispose]() }
    },
    catch: (cause) =>
      new TransportError.ListenError({
        reason: problem === undefined
          ? TransportReason.fromCause(cause)
          : new TransportReason.InvalidAddress({ detail: problem }),
        local
      })
  })
}
