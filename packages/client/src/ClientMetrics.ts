/**
 * The metrics of clients that keep lines (`Reconnect`, `Pool`, `Subscription`), by the names under which Effect's exporters
 * show them.
 *
 * All have the attribute `client.name`; those of connections `server.address`, `server.port` (of TCP) and
 * `network.transport` of the endpoint, too. The page of the package has them in one table.
 *
 * **Source**: OpenTelemetry, semantic conventions, after `db.client.connection.*`; `server.*`, `network.*`, `error.type`.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"

// From a request's time to an hour's, in seconds.
const seconds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600]

/**
 * Lines, by `state`: `connecting`, `ready` or `draining`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const count: Metric.Gauge<number> = Metric.gauge("tcp.client.connection.count", {
  description: "Lines, by state: connecting, ready or draining"
})

/**
 * Until a line is ready, session and all; `error.type` says why one never was.
 *
 * @category metrics
 * @since 0.1.0
 */
export const createTime: Metric.Histogram<number> = Metric.histogram("tcp.client.connection.create_time", {
  description: "Seconds until a line is ready, or is not",
  boundaries: seconds
})

/**
 * From when a line was ready to its end.
 *
 * @category metrics
 * @since 0.1.0
 */
export const useTime: Metric.Histogram<number> = Metric.histogram("tcp.client.connection.use_time", {
  description: "Seconds from when a line was ready to its end",
  boundaries: seconds
})

/**
 * Requests that wait for a line now.
 *
 * @category metrics
 * @since 0.1.0
 */
export const pendingRequests: Metric.Gauge<number> = Metric.gauge("tcp.client.connection.pending_requests", {
  description: "Requests that wait for a line"
})

/**
 * Of the requests that had to wait for a line and got one.
 *
 * @category metrics
 * @since 0.1.0
 */
export const waitTime: Metric.Histogram<number> = Metric.histogram("tcp.client.connection.wait_time", {
  description: "Seconds that a request had to wait for a line",
  boundaries: seconds
})

/**
 * Requests that waited for a line for too long.
 *
 * @category metrics
 * @since 0.1.0
 */
export const timeouts: Metric.Counter<number> = Metric.counter("tcp.client.connection.timeouts", {
  description: "Requests that waited for a line for too long",
  incremental: true
})
