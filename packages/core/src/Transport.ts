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
import type { Address } from "./Address.ts"
import type { Connection, ConnectionOptions } from "./Connection.ts"
import type { Listener, ListenOptions } from "./Listener.ts"
import type { ConnectError, ListenError } from "./TransportError.ts"

/**
 * How to connect.
 *
 * @category options
 * @since 0.1.0
 */
export interface ConnectOptions extends ConnectionOptions {
  /** Time for resolving the name and connecting, all in all. Default 5 s. */
  readonly timeout?: Duration.Input
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
  ) => Effect.Effect<Connection, ConnectError, Scope.Scope>
}>()("@framewire/core/Transport") {}

/**
 * Creates a socket, binds it and listens.
 *
 * **Errors**: `ListenError`, with the reason `AddressInUse`, `AddressNotAvailable`, `PermissionDenied`, `InvalidAddress`,
 * `NameNotFound`, `ResourceExhausted` or `Unknown`.
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
 * `ResolverUnavailable`, `AddressNotAvailable`, `PermissionDenied`, `InvalidAddress`, `ConnectionReset`,
 * `ResourceExhausted` or `Unknown`.
 *
 * @category operations
 * @since 0.1.0
 */
export const connect = (
  address: Address,
  options?: ConnectOptions
): Effect.Effect<Connection, ConnectError, Transport | Scope.Scope> =>
  Effect.flatMap(Transport, (transport) => transport.connect(address, options))
