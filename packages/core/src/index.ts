/**
 * The socket lifecycle as scoped Effect resources with typed errors.
 *
 * @since 0.1.0
 */

/**
 * Where a socket is: a host and a port, or the path of a Unix domain socket.
 *
 * @since 0.1.0
 */
export * as Address from "./Address.ts"

/**
 * One connection as a scoped resource.
 *
 * @since 0.1.0
 */
export * as Connection from "./Connection.ts"

/**
 * The life of a connection as one pure reducer.
 *
 * @since 0.1.0
 */
export * as ConnectionState from "./ConnectionState.ts"

/**
 * A connection that is another one in most things, and one that is observed.
 *
 * @since 0.1.0
 */
export * as Delegate from "./Delegate.ts"

/**
 * Connections and listeners as Effect's `Socket` and `SocketServer`, and the other way.
 *
 * @since 0.1.0
 */
export * as EffectSocket from "./EffectSocket.ts"

/**
 * What can go wrong with a TLS handshake, one tagged class a cause.
 *
 * @since 0.1.0
 */
export * as HandshakeReason from "./HandshakeReason.ts"

/**
 * Options that cannot work, refused where something is built of them.
 *
 * @since 0.1.0
 */
export * as InvalidOption from "./InvalidOption.ts"

/**
 * What happens to the connections of a transport, as one stream.
 *
 * @since 0.1.0
 */
export * as Lifecycle from "./Lifecycle.ts"

/**
 * A bound and listening socket as a scoped resource.
 *
 * @since 0.1.0
 */
export * as Listener from "./Listener.ts"

/**
 * Transport Layer Security on a connection: what both ends ask for, and what they agreed on.
 *
 * @since 0.1.0
 */
export * as Tls from "./Tls.ts"

/**
 * The service that makes sockets.
 *
 * @since 0.1.0
 */
export * as Transport from "./Transport.ts"

/**
 * The typed failures of a socket, one wrapper an operation.
 *
 * @since 0.1.0
 */
export * as TransportError from "./TransportError.ts"

/**
 * What can go wrong with a socket, one tagged class a cause.
 *
 * @since 0.1.0
 */
export * as TransportReason from "./TransportReason.ts"
