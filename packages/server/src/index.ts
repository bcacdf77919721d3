/**
 * Servers for framed protocols: accept, serve, drain.
 *
 * @since 0.1.0
 */

/**
 * Who gets in, and what becomes of the others.
 *
 * @since 0.1.0
 */
export * as Admission from "./Admission.ts"

/**
 * What became of the connections when a server stopped.
 *
 * @since 0.1.0
 */
export * as DrainReport from "./DrainReport.ts"

/**
 * What a server does with one connection.
 *
 * @since 0.1.0
 */
export * as Handler from "./Handler.ts"

/**
 * Accepts connections, serves each by a handler, and stops without losing work.
 *
 * @since 0.1.0
 */
export * as Server from "./Server.ts"

/**
 * What happens to a server and its connections.
 *
 * @since 0.1.0
 */
export * as ServerEvent from "./ServerEvent.ts"

/**
 * The metrics of a server.
 *
 * @since 0.1.0
 */
export * as ServerMetrics from "./ServerMetrics.ts"
