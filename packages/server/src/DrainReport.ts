/**
 * What became of the connections when a server stopped.
 *
 * @since 0.1.0
 */

/**
 * Every connection that came is in `accepted` or in `rejected`. `open` of the accepted ones were there when the stop
 * began, or came out of the kernel's queue after that; `open` is `finished`, `interrupted` and `reset` together.
 *
 * @category models
 * @since 0.1.0
 */
export interface DrainReport {
  /** Given to the handler since the server started. */
  readonly accepted: number
  /** Turned away since the server started, for whatever reason: each is a `Rejected` event and in the metric. */
  readonly rejected: number
  /** Had to be drained. */
  readonly open: number
  /** Ended by themselves within the deadline: after the goodbye, or because reading was over. */
  readonly finished: number
  /** Were interrupted at the deadline and closed with FIN within `drainLinger`. */
  readonly interrupted: number
  /** Were reset, at the deadline or after `drainLinger`. */
  readonly reset: number
  /** From the beginning of the stop to its end, `preStopDelay` and `goodbye` included. */
  readonly durationMillis: number
}
