/**
 * What happens to a server and its connections, as one stream: for tests, logs and whoever watches.
 *
 * @since 0.1.0
 */
import type { Address, Connection, ConnectionState, TransportError } from "@framewire/core"
import type { Reason } from "./Admission.ts"
import type { DropReason } from "./Broadcast.ts"
import type { DeadlineExceeded } from "./Deadlines.ts"
import type { DrainReport } from "./DrainReport.ts"
import type { ProxyError } from "./ProxyProtocol.ts"

/**
 * How far a stop has come.
 *
 * - `announced`: the server is not ready any more, and serves as before until `preStopDelay` is over.
 * - `emptying`: connections know that it drains (`Connection.draining`), the kernel's queue is emptied, then the port is
 *   closed.
 * - `leaving`: connections go on until `goodbye` is over, or they have ended by themselves; left out where that is 0.
 * - `closing`: connections stop reading, one after the other over `closeSpread`; handlers finish.
 * - `resetting`: the deadline is over; handlers are interrupted, and what does not end is reset.
 *
 * @category models
 * @since 0.1.0
 */
export type DrainStep = "announced" | "emptying" | "leaving" | "closing" | "resetting"

/**
 * Where a server is in its life.
 *
 * ```text
 * Running <--> Suspended        either ---> Draining(step) ---> Stopped(report)
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export type ServerState =
  | { readonly _tag: "Running" }
  | { readonly _tag: "Suspended" }
  | {
    readonly _tag: "Draining"
    readonly step: DrainStep
    /** When handlers will be interrupted, in milliseconds of the clock. */
    readonly deadline: number
  }
  | { readonly _tag: "Stopped"; readonly report: DrainReport }

/**
 * What happened.
 *
 * - `Moved`: the server, to another state.
 * - `Accepted`: the handler has the connection.
 * - `Parked`: it waits for a slot.
 * - `Rejected`: it was turned away; `id` is undefined where the listener did it. `error` says how a handshake or a PROXY
 *   header failed.
 * - `Exceeded`: a deadline of an accepted connection has passed; it is being reset.
 * - `Dropped`: messages of a `Broadcast` that it joined did not reach it.
 * - `Closed`: an accepted connection is over.
 * - `AcceptFailed`: the listener could not accept; it is tried again, unless the server stops for that.
 *
 * @category models
 * @since 0.1.0
 */
export type Happened =
  | { readonly _tag: "Moved"; readonly state: ServerState }
  | { readonly _tag: "Accepted" | "Parked"; readonly id: number; readonly client: Address.Address }
  | {
    readonly _tag: "Rejected"
    readonly id: number | undefined
    readonly client: Address.Address
    readonly reason: Reason
    readonly error: TransportError.HandshakeError | TransportError.ReceiveError | ProxyError | undefined
  }
  | {
    readonly _tag: "Exceeded"
    readonly id: number
    readonly client: Address.Address
    readonly which: DeadlineExceeded["which"]
    readonly afterMillis: number
  }
  | {
    readonly _tag: "Dropped"
    readonly id: number
    readonly client: Address.Address
    readonly reason: DropReason
    readonly messages: number
    readonly bytes: number
  }
  | { readonly _tag: "AcceptFailed"; readonly error: TransportError.ListenError }
  | {
    readonly _tag: "Closed"
    readonly id: number
    readonly client: Address.Address
    readonly reason: ConnectionState.CloseReason
    /** Since the connection was accepted from the kernel. */
    readonly durationMillis: number
    readonly traffic: Connection.Traffic
  }

/**
 * What happened, in order: `sequence` is counted from 1, and a gap says how many events a slow subscriber has missed.
 *
 * @category models
 * @since 0.1.0
 */
export type ServerEvent = Happened & { readonly sequence: number }
