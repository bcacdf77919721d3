/**
 * The transport on node:net: TCP over IPv4 and IPv6, and Unix domain sockets.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Transport } from "../Transport.ts"
import { dial } from "./internal/dial.ts"
import * as NodeListener from "./internal/NodeListener.ts"

/**
 * Sockets of the operating system.
 *
 * **Limits**: before libuv 1.52, thus on Node 22, a RST that comes together with bytes looks like the peer's FIN.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Transport> = Layer.succeed(
  Transport,
  Transport.of({
    listen: NodeListener.make,
    connect: (address, options) =>
      Effect.acquireRelease(dial(address, options), (connection) => connection.close(), { interruptible: true })
  })
)
