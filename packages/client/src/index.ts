/**
 * Clients for framed protocols: connect, request, reconnect, share.
 *
 * @since 0.1.0
 */

/**
 * One line to a server: many requests in flight, each with its own answer.
 *
 * @since 0.1.0
 */
export * as Client from "./Client.ts"

/**
 * The metrics of clients that keep lines.
 *
 * @since 0.1.0
 */
export * as ClientMetrics from "./ClientMetrics.ts"

/**
 * How a client finds out that its peer is gone.
 *
 * @since 0.1.0
 */
export * as Heartbeat from "./Heartbeat.ts"

/**
 * Many lines as one client.
 *
 * @since 0.1.0
 */
export * as Pool from "./Pool.ts"

/**
 * A client whose line is made anew when it ends.
 *
 * @since 0.1.0
 */
export * as Reconnect from "./Reconnect.ts"

/**
 * Why a request has no answer, and what became of it.
 *
 * @since 0.1.0
 */
export * as RequestError from "./RequestError.ts"

/**
 * How much may be asked again.
 *
 * @since 0.1.0
 */
export * as RetryBudget from "./RetryBudget.ts"

/**
 * Where a client is in its life.
 *
 * @since 0.1.0
 */
export * as Status from "./Status.ts"

/**
 * What a server pushes to those who asked for it, beyond the end of a line.
 *
 * @since 0.1.0
 */
export * as Subscription from "./Subscription.ts"
