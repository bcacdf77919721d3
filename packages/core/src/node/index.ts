/**
 * The transports of `@framewire/core` on Node.
 *
 * @since 0.1.0
 */

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
