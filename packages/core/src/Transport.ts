/**
 * The service that makes sockets: `listen` and `connect`.
 *
 * `NodeTransport.layer` of `@framewire/core/node` gives it on node:net.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Address } from "./Address.ts"
import type { Connection, ConnectionOptions } from "./Connection.ts"
import { checkConnect } from "./internal/checkOptions.ts"
import type { LifecycleEvent } from "./Lifecycle.ts"
import type { Listener, ListenOptions } from "./Listener.ts"
import type * as Tls from "./Tls.ts"
import type { ConnectError, HandshakeError, ListenError } from "./TransportError.ts"

/**
 * How to connect.
 *
 * @category options
 * @since 0.1.0
 */
export interface ConnectOptions extends ConnectionOptions {
  /** Time for resolving the name and for every connection attempt, all in all. Default 5 s. */
  readonly timeout?: Duration.Input
  /**
   * A name can have several addresses. They are tried in the resolver's order, the families in turn, and one that does
   * not answer is not given up: after this delay the next attempt starts beside it, or at once when an attempt fails,
   * and the first to connect wins (Happy Eyeballs, RFC 8305). `"Infinity"` tries one after the other.
   *
   * **Limits**: at least 10 ms, as the RFC demands. Default 250 ms.
   */
  readonly attemptDelay?: Duration.Input
  /**
   * Only IPv4, or only IPv6. Default: both, or the family of `localAddress`. Unix domain sockets have none.
   *
   * **Errors**: `NameNotFound`, where the name has no address of it; `InvalidAddress`, where the host is an IP address
   * of the other.
   */
  readonly family?: 4 | 6
  /**
   * The IP address, and the port, of our end. Default: the kernel chooses both; a port of 0 is chosen by the kernel,
   * too. Only addresses of its family are tried. Unix domain sockets ignore it.
   *
   * **Errors**: `InvalidAddress`, where the host is no IP address or not of `family`; `AddressNotAvailable`, where it
   * is not this host's, or the same two ends are connected already; `AddressInUse`, where something listens there.
   */
  readonly localAddress?: { readonly host: string; readonly port?: number }
  /** Secure the connection before anybody has it. The handshake has a deadline of its own, after that of `timeout`. */
  readonly tls?: Tls.ClientOptions | undefined
}

/**
 * How to connect without TLS: nothing can be wrong with a handshake.
 *
 * @category options
 * @since 0.1.0
 */
export interface PlainOptions extends ConnectOptions {
  readonly tls?: undefined
}

/**
 * Makes sockets.
 *
 * @category services
 * @since 0.1.0
 */
export class Transport extends Context.Service<Transport, {
  readonly listen: (address: Address, options?: ListenOptions) => Effect.Effect<Listener, ListenError, Scope.Scope>
  readonly connect: (
    address: Address,
    options?: ConnectOptions
  ) => Effect.Effect<Connection, ConnectError | HandshakeError, Scope.Scope>
  readonly events: Stream.Stream<LifecycleEvent>
}>()("@framewire/core/Transport") {}

/**
 * Creates a socket, binds it and listens.
 *
 * **Errors**: `ListenError`, with the reason `AddressInUse`, `AddressNotAvailable`, `PermissionDenied`, `InvalidAddress`,
 * `NameNotFound`, `ResolverUnavailable`, `ResourceExhausted`, `InvalidTls` or `Unknown`. An option that cannot be is a defect,
 * `InvalidOption`.
 *
 * @category operations
 * @since 0.1.0
 */
export const listen = (
  address: Address,
  options?: ListenOptions
): Effect.Effect<Listener, ListenError, Transport | Scope.Scope> =>
  Effect.flatMap(Transport, (transport) => transport.listen(address, options))

/**
 * Creates a socket and connects it. Interruption frees the socket at once.
 *
 * **Errors**: `ConnectError`, with the reason `ConnectionRefused`, `TimedOut`, `Unreachable`, `NameNotFound`,
 * `ResolverUnavailable`, `AddressNotAvailable`, `AddressInUse`, `PermissionDenied`, `InvalidAddress`,
 * `ConnectionReset`, `ResourceExhausted` or `Unknown`. Of a name with several addresses `attempts` has each that was
 * tried, in order. An option that cannot be is a defect, `InvalidOption`.
 *
 * @category operations
 * @since 0.1.0
 */
export function connect(
  address: Address,
  options?: PlainOptions
): Effect.Effect<Connection, ConnectError, Transport | Scope.Scope>
/**
 * The same, secured by TLS where the options ask for it.
 *
 * **Errors**: `HandshakeError` as well, as of `Connection.upgradeTls`.
 *
 * @category operations
 * @since 0.1.0
 */
export function connect(
  address: Address,
  options: ConnectOptions
): Effect.Effect<Connection, ConnectError | HandshakeError, Transport | Scope.Scope>
export function connect(address: Address, options?: ConnectOptions) {
  return Effect.flatMap(Transport, (transport) => transport.connect(address, options))
}

/**
 * Throws `InvalidOption` for what `connect` would refuse: for who is given the options now and connects later, where nobody would
 * see its defect.
 *
 * @category operations
 * @since 0.1.0
 */
export const checkConnectOptions: (options: ConnectOptions) => void = checkConnect

/**
 * Every change of state of every connection of the transport, from the subscription on.
 *
 * **Limits**: 4096 events wait for a slow subscriber, then it loses the oldest: there is a gap in `sequence`.
 *
 * @category operations
 * @since 0.1.0
 */
export const events: Stream.Stream<LifecycleEvent, never, Transport> = Stream.unwrap(
  Effect.map(Transport, (transport) => transport.events)
)
