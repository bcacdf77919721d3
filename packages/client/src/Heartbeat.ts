/**
 * How a client finds out that its peer is gone, or stands still, without being told.
 *
 * ```text
 * last byte         interval          2 x interval
 * |-----------------|-----------------|
 *                   ping              still nothing: HeartbeatMissed, and the connection is reset      (2 misses)
 * ```
 *
 * @since 0.1.0
 */
import { type Connection, InvalidOption } from "@framewire/core"
import * as Duration from "effect/Duration"

/**
 * Asks when the peer has said nothing for a while. Whatever it says counts: an answer, a push, a part of one, the answer of
 * the ping.
 *
 * **Contract**: a peer from which nothing comes any more is found `interval` x `misses` after its last byte.
 *
 * **Limits**: where answers come in order, that of the ping is behind those of the requests before it: choose more than the
 * slowest of them takes.
 *
 * @category options
 * @since 0.1.0
 */
export interface Heartbeat<out Req> {
  /** A request that does nothing; its answer, of whatever kind, is dropped. */
  readonly ping: Req
  /** How long the peer may say nothing before it is asked: more than 0. Default 25 s. */
  readonly interval?: Duration.Input
  /** So many intervals without a byte are the end. Default 2, at least 2. */
  readonly misses?: number
}

/**
 * The same promise without a ping of the protocol, by probes of the kernel, as `keepAlive` of the options: it finds a peer
 * that is gone, not one that stands still.
 *
 * **Limits**: whole seconds, as of `KeepAlive`. While sent bytes are not acknowledged the kernel does not probe: then
 * `writeTimeout` and the kernel's own retransmission decide.
 *
 * @category constructors
 * @since 0.1.0
 */
export const keepAlive = (
  options: { readonly interval?: Duration.Input; readonly misses?: number } = {}
): Connection.KeepAlive => {
  InvalidOption.check(options, { interval: InvalidOption.duration, misses: InvalidOption.whole(1) })
  const interval = Duration.fromInputUnsafe(options.interval ?? "25 seconds")
  return { idle: interval, interval, count: Math.max(1, (options.misses ?? 2) - 1) }
}
