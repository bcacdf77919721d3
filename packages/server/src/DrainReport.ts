/**
 * What became of the connections when a server stopped.
 *
 * @since 0.1.0
 */

/**
 * `open` connections were there when the stop began or came out of the kernel's queue after that; `open` is `finished`
 * and `reset` together.
 *
 * @category models
 * @since 0.1.0
 */
export interface DrainReport {
  /** Accepted since the server started, without those rejected. */
  readonly accepted: number
  /** Turned away since the server started, because `maxConnections` were open. */
  readonly rejected: number
  /** Had to be drained. */
  readonly open: number
  /** Ended by themselves within the deadline. */
  readonly finished: number
  /** Were interrupted and reset at the deadline. */
  readonly reset: number
  /** From the beginning of the stop to its end. */
  readonly durationMillis: number
}
