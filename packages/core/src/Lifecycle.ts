/**
 * What happens to the connections of a transport, as one stream: for tests, logs and whoever watches.
 *
 * @since 0.1.0
 */
import type { Address } from "./Address.ts"
import type { ConnectionState } from "./ConnectionState.ts"

/**
 * A connection went from one state to another.
 *
 * @category models
 * @since 0.1.0
 */
export interface LifecycleEvent {
  /** Counted from 1 over all connections of the transport; a gap says how many events a slow subscriber has missed. */
  readonly sequence: number
  /** The connection's `id`. */
  readonly id: number
  readonly side: "dialled" | "accepted"
  /** Undefined until the kernel has chosen it. */
  readonly local: Address | undefined
  readonly remote: Address
  /** Undefined for the first state of all. */
  readonly from: ConnectionState | undefined
  readonly to: ConnectionState
}
