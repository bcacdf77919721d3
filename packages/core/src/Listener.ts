/**
 * A bound and listening socket as a scoped resource.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import type { Address } from "./Address.ts"
import type { Connection, ConnectionOptions } from "./Connection.ts"
import type { ListenError } from "./TransportError.ts"

/**
 * A listening socket.
 *
 * **Contract** for whoever implements a transport:
 *
 * 1. The port is bound when the value exists, and free when its scope has closed.
 * 2. A connection belongs to the scope that accepted it, not to the listener's.
 * 3. When the scope closes, connections that nobody accepted are reset.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listener {
  /** Where it listens: with the port that the kernel chose, if 0 was asked for. */
  readonly address: Address

  /**
   * The next connection, in the order in which they came; suspends until there is one. The scope owns it. After `drain`,
   * when all that had come are handed out, `Cause.Done`.
   */
  readonly accept: Pull.Pull<Connection, ListenError, void, Scope.Scope>

  /**
   * Stops listening and loses nobody: first empties the kernel's queue of established connections into this one, because
   * closing a port resets those in the kernel's queue; then frees the port. Bounded to 4096 connections and 250 ms.
   * Later calls join the first.
   */
  readonly drain: Effect.Effect<void>
}

/**
 * How to listen.
 *
 * @category options
 * @since 0.1.0
 */
export interface ListenOptions extends ConnectionOptions {
  /** Connections that may wait to be accepted, in the kernel and again here; more are reset. Default 511. */
  readonly backlog?: number
}
