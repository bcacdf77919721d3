/**
 * The faults of a network in memory, to be caused by a test.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Connection } from "../Connection.ts"
import type { TransportReason } from "../TransportReason.ts"

/**
 * Causes faults in the network that `MemoryTransport.layer` made.
 *
 * @category services
 * @since 0.1.0
 */
export class MemoryNetwork extends Context.Service<MemoryNetwork, {
  /**
   * Nothing passes any more, neither bytes nor FIN nor RST, and nobody is told: writers go on until `buffer` is full,
   * and `connect` runs into its timeout.
   */
  readonly partition: Effect.Effect<void>
  /** Ends the partition: what waited arrives one latency later, in order. */
  readonly heal: Effect.Effect<void>
  /**
   * RST at byte n: the next connection that is made breaks when so many bytes of both directions together have arrived,
   * and both ends get `ConnectionReset` behind those. 0 breaks it at the first byte.
   */
  readonly resetAfter: (bytes: number) => Effect.Effect<void>
  /**
   * The host of this end is gone, without FIN or RST: the other end is half-open, sends until `buffer` is full, and
   * hears nothing. Dies on a connection of another network.
   */
  readonly vanish: (connection: Connection) => Effect.Effect<void>
  /**
   * The next `accept` fails with this, or the one that waits. Nobody is lost: the connection stays in the queue.
   * Default `ResourceExhausted` with the code `EMFILE`.
   */
  readonly acceptError: (reason?: TransportReason) => Effect.Effect<void>
}>()("@framewire/core/testing/MemoryNetwork") {}
