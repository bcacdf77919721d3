/**
 * Who gets in: how many connections, from where, how fast, and what becomes of the others.
 *
 * ```text
 * accepted by the kernel -> (PROXY header) -> room? -> allowed? -> connections and rate of the client -> a slot, maybe parked -> TLS -> handler
 *                               '---------'---------'------------------'------------------------------'---------'----> rejected(reason)
 * ```
 *
 * All of it is before TLS: who is turned away has cost no handshake, and a connection in its handshake has a slot.
 *
 * @since 0.1.0
 */
import { type Address, InvalidOption } from "@framewire/core"
import type * as Duration from "effect/Duration"

/**
 * Why a connection was turned away.
 *
 * - `full`: `maxConnections` are open, and as many are parked as may be.
 * - `parked`: no slot became free while it was parked.
 * - `denied`: its address is in `deny`, or there is an `allow` and it is not in that.
 * - `clientConnections`, `clientRate`: its client has too many connections, or opens them too fast.
 * - `untrusted`: it has to say a PROXY header, and is in no trusted network.
 * - `noHeader`: it was over before its PROXY header: FIN before the first byte, or RST. Probes do that.
 * - `headerTimeout`, `badHeader`: its PROXY header was not whole in time, or is none.
 * - `headers`: of those whose PROXY header had not come, it had waited longest when one more came than may wait.
 * - `handshake`: TLS failed.
 * - `draining`: the server's stop was over before it had its turn.
 * - `descriptors`, `backlog`: the listener shed it, as `AcceptShed` of core says.
 *
 * @category models
 * @since 0.1.0
 */
export type Reason =
  | "full"
  | "parked"
  | "denied"
  | "clientConnections"
  | "clientRate"
  | "untrusted"
  | "noHeader"
  | "headerTimeout"
  | "badHeader"
  | "headers"
  | "handshake"
  | "draining"
  | "descriptors"
  | "backlog"

/**
 * Closes with FIN whom it turns away. What a protocol says to the busy goes before it: `busy`, in bytes; not to those whose
 * address is denied, and not where TLS would stand before it.
 *
 * **Limits**: 64 connections at a time wait, 1 s each, for a peer that has to read `busy`; beyond that they are closed
 * without it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reject {
  readonly _tag: "Reject"
  readonly busy: Uint8Array | undefined
}

/**
 * Answers with RST whom it turns away, which leaves nothing behind on this side.
 *
 * @category models
 * @since 0.1.0
 */
export interface RejectReset {
  readonly _tag: "RejectReset"
}

/**
 * Keeps whom it cannot serve yet, unread, until a slot is free: as the kernel's queue would, but counted. Clients take turns
 * in getting a slot, however many connections each has parked.
 *
 * @category models
 * @since 0.1.0
 */
export interface Park {
  readonly _tag: "Park"
  /** Parked at a time; more are turned away. */
  readonly max: number
  /** Then it is turned away. */
  readonly timeout: Duration.Input
  /** How the others are turned away. */
  readonly otherwise: Reject | RejectReset
}

/**
 * What becomes of a connection that cannot be served.
 *
 * @category models
 * @since 0.1.0
 */
export type Policy = Reject | RejectReset | Park

/**
 * What one client may do: an IPv4 address, or a /64 of IPv6. Clients over Unix domain sockets are not told apart.
 *
 * @category options
 * @since 0.1.0
 */
export interface PerClient {
  /** Connections at a time. Default: as many as the server may have. */
  readonly maxConnections?: number
  /**
   * New connections: a bucket of `limit` tokens, at least 1, that fills within `window`. Effect's `RateLimiter`, when the
   * server's context has one, so that processes can share the count; while its store fails, everybody gets in. Else in
   * memory, where after 65,536 connections all clients are forgotten. Default: any rate.
   */
  readonly rate?: { readonly limit: number; readonly window: Duration.Input }
}

/**
 * Whom a server lets in. What is changed while it runs holds for connections that come from then on; nobody who is in is
 * turned out.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * Connections open at a time, in a handshake or served. Default: 0.8 of the descriptors that are free when the server
   * starts, where the transport can tell (Linux), else 1024.
   */
  readonly maxConnections?: number
  /** Default `reject()`. */
  readonly whenFull?: Policy
  /** Default: no limit but that of all together. */
  readonly perClient?: PerClient
  /** Only from here. Unix domain sockets are never denied. Default: from everywhere. */
  readonly allow?: ReadonlyArray<Address.Network>
  /** Not from here, even where `allow` has it. Default: none. */
  readonly deny?: ReadonlyArray<Address.Network>
}

/**
 * Turns away with FIN, after `busy` if it is given.
 *
 * @category policies
 * @since 0.1.0
 */
export const reject = (options: { readonly busy?: Uint8Array } = {}): Policy & Reject => ({
  _tag: "Reject",
  busy: options.busy
})

/**
 * Turns away with RST.
 *
 * @category policies
 * @since 0.1.0
 */
export const rejectReset: Policy & RejectReset = { _tag: "RejectReset" }

/**
 * Parks until there is a slot. Default: 128 at a time, 5 s each, the others as by `reject()`.
 *
 * @category policies
 * @since 0.1.0
 */
export const park = (
  options: {
    readonly max?: number
    readonly timeout?: Duration.Input
    readonly otherwise?: Reject | RejectReset
  } = {}
): Policy & Park => {
  InvalidOption.check(options, { max: InvalidOption.whole(0), timeout: InvalidOption.duration })
  const { max = 128, otherwise = reject(), timeout = "5 seconds" } = options
  return { _tag: "Park", max, timeout, otherwise }
}
