/**
 * What a server can be told: whom it serves, how long it waits, and how it stops.
 *
 * @since 0.1.0
 */
import type { Address, Listener } from "@framewire/core"
import type * as Duration from "effect/Duration"
import type * as Admission from "./Admission.ts"
import type * as Deadlines from "./Deadlines.ts"
import type * as ProxyProtocol from "./ProxyProtocol.ts"

/**
 * Where and how to serve, and how to stop.
 *
 * ```text
 * accept -> proxy: header -> admission: a slot -> tls: handshake -> deadlines: handler
 * ```
 *
 * @category options
 * @since 0.1.0
 */
export interface ServerOptions extends Omit<Listener.ListenOptions, "deferTls">, Admission.Options {
  /** Port 0 takes a free one; `Server.address` tells which. */
  readonly address: Address.Address
  /**
   * How long a peer may take with its first frame, with any frame, and between them. Default: on, with the values that
   * `DeadlineOptions` tells; `"unbounded"` leaves only what `Framed` keeps by itself, `frameTimeout`.
   */
  readonly deadlines?: Deadlines.DeadlineOptions | "unbounded"
  /**
   * A proxy stands in front, and says whose each connection is by a PROXY header. It is read before anything else: limits,
   * lists, events and the handler know the client that it names. Default: there is none, and no header is looked for.
   *
   * **Errors**: throws `InvalidOption` for what `trusted` or `limit` cannot be.
   */
  readonly proxy?: ProxyProtocol.ServerProxyOptions
  /**
   * Bytes that may wait for slow consumers of all broadcasts that the handlers join; above it the consumer that holds the
   * most gives first, as `BroadcastOptions.budget` says. Default 256 MiB.
   */
  readonly broadcastBudget?: number | "unbounded"
  /** How long a stop lets handlers finish, after `preStopDelay`. Default 15 s. */
  readonly drainDeadline?: Duration.Input
  /**
   * How long a stop only says that the server is not ready, and serves as before: for load balancers to notice. Default 0.
   */
  readonly preStopDelay?: Duration.Input
  /**
   * How long a stop goes on reading once connections know of it (`Connection.draining`), or until they have ended by
   * themselves: for clients to read the goodbye of the protocol, `RespondOptions.goodbye`, to have what they sent before
   * that answered, and to leave. NATS calls it the lame duck's grace period. Should be less than the deadline. Default 0.
   */
  readonly goodbye?: Duration.Input
  /**
   * Over how long a stop spreads the moments at which connections stop reading, in random order, so that their clients do
   * not come back all at once. Should be less than the deadline. Default 0.
   */
  readonly closeSpread?: Duration.Input
  /**
   * How long handlers that were interrupted at the deadline have for a graceful close: FIN, as if there were nothing more to
   * answer. Default 0: RST.
   */
  readonly drainLinger?: Duration.Input
}
