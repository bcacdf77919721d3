/**
 * The transports of `@framewire/core` on Node.
 *
 * @since 0.1.0
 */

/**
 * A port that is bound here, and listened on by others: this process keeps it over their ends, and accepts nobody.
 *
 * @since 0.1.0
 */
export * as BoundPort from "./BoundPort.ts"

/**
 * The transport on node:net.
 *
 * @since 0.1.0
 */
export * as NodeTransport from "./NodeTransport.ts"

/**
 * Listening descriptors that systemd passes.
 *
 * @since 0.1.0
 */
export * as SocketActivation from "./SocketActivation.ts"
