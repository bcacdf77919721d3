/**
 * A port that is bound here, and listened on by others: this process keeps it over their ends, and accepts nobody.
 *
 * ```text
 * this process     bind ----------------------------------------- close
 * a child            '- descriptor -> listen, accept ... end
 * the next one                   '- descriptor -> listen, accept ...
 * ```
 *
 * **Source**: socket(2), bind(2); SO_REUSEPORT in socket(7).
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"
import { getSystemErrorName } from "node:util"
import * as Address from "../Address.ts"
import * as InvalidOption from "../InvalidOption.ts"
import { ListenError } from "../TransportError.ts"
import * as TransportReason from "../TransportReason.ts"

/**
 * A port that nobody listens on here.
 *
 * @category models
 * @since 0.1.0
 */
export interface BoundPort {
  /** With the port that the kernel chose, where 0 was asked for. */
  readonly address: Address.TcpAddress
  /**
   * One for each socket, to be passed to a child process in its `stdio`, which listens by `Transport.listen(address, { fd })`. They
   * belong to this resource.
   */
  readonly descriptors: Arr.NonEmptyReadonlyArray<number>
  /** Lets it go, as the scope does; who listens on it goes on. Again: nothing happens. */
  readonly close: Effect.Effect<void>
}

/**
 * How to bind.
 *
 * @category options
 * @since 0.1.0
 */
export interface BindOptions {
  /** On `::`, no clients of IPv4. Default false. */
  readonly ipv6Only?: boolean
  /**
   * Sockets on the one port (SO_REUSEPORT, where it is more than 1): the kernel spreads the clients over those that somebody
   * listens on. 1 to 1024, default 1.
   */
  readonly sockets?: number
}

interface Bound {
  readonly fd: number
  readonly address: Address.TcpAddress
  readonly close: () => void
}

interface Binding extends Address.TcpAddress {
  readonly ipv6Only: boolean
  readonly reusePort: boolean
}

const byBoundSocket = (options: Binding): Bound => {
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

const byHandle = ({ host, ipv6Only, port, reusePort }: Binding): Bound => {
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

const rules: InvalidOption.Rules<BindOptions> = { sockets: InvalidOption.whole(1, 1024) }

const bindAll = (
  local: Address.TcpAddress,
  { ipv6Only = false, sockets = 1 }: BindOptions
): Effect.Effect<BoundPort, ListenError> =>
  Effect.suspend(() => {
    const fail = (reason: TransportReason.TransportReason) => Effect.fail(new ListenError({ reason, local }))
    const detail = problemOf(local)
    if (detail !== undefined) return fail(new TransportReason.InvalidAddress({ detail }))
    const bound: Array<Bound> = []
    const close = () => {
      for (const socket of bound.splice(0)) socket.close()
    }
    const add = (address: Address.TcpAddress): Bound => {
      const socket = bind({ ...address, ipv6Only, reusePort: sockets > 1 })
      bound.push(socket)
      return socket
    }
    try {
      const { address, fd } = add(local)
      const others = Array.from({ length: sockets - 1 }, () => add(address).fd)
      return Effect.succeed({ address, descriptors: [fd, ...others], close: Effect.sync(close) })
    } catch (cause) {
      close()
      return fail(TransportReason.fromCause(cause))
    }
  })

/**
 * Binds until the scope closes.
 *
 * **Limits**: Windows passes no sockets as descriptors.
 *
 * **Errors**: `ListenError`, with the reason `AddressInUse`, `AddressNotAvailable`, `PermissionDenied`, or `InvalidAddress` for a host
 * that is no IP address, which is not resolved here.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  address: Address.TcpAddress,
  options: BindOptions = {}
): Effect.Effect<BoundPort, ListenError, Scope.Scope> =>
  Effect.suspend(() => {
    InvalidOption.check(options, rules)
    return Effect.acquireRelease(bindAll(address, options), ({ close }) => close)
  })
