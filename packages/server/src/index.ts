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
 * One message to many connections, each at its own pace.
 *
 * @since 0.1.0
 */
export * as Broadcast from "./Broadcast.ts"

/**
 * How long a peer may take.
 *
 * @since 0.1.0
 */
export * as Deadlines from "./Deadlines.ts"

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
 * Who the client is, where a proxy stands in front.
 *
 * @since 0.1.0
 */
export * as ProxyProtocol from "./ProxyProtocol.ts"

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
