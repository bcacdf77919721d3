/**
 * The metrics of a server, by the names under which Effect's exporters show them.
 *
 * All have the attributes `server.address`, `server.port` (of TCP), `network.transport`, `network.type` (of TCP) and
 * `tls.established`; never the address of a peer, of which there are too many. The page of the package has them in one
 * table.
 *
 * **Source**: OpenTelemetry, semantic conventions, `network.*`, `server.*` and `error.type`.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"

// From a request's time to a day's, in seconds.
const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400]

/**
 * Open now: in a handshake or served.
 *
 * @category metrics
 * @since 0.1.0
 */
export const active: Metric.Gauge<number> = Metric.gauge("tcp.server.connection.active", {
  description: "Connections that are open, in a handshake or served"
})

/**
 * Given to the handler.
 *
 * @category metrics
 * @since 0.1.0
 */
export const accepted: Metric.Counter<number> = Metric.counter("tcp.server.connection.accepted", {
  description: "Connections given to the handler",
  incremental: true
})

/**
 * Turned away, by `reason`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const rejected: Metric.Counter<number> = Metric.counter("tcp.server.connection.rejected", {
  description: "Connections turned away, by reason",
  incremental: true
})

/**
 * Waiting for a slot now.
 *
 * @category metrics
 * @since 0.1.0
 */
export const parked: Metric.Gauge<number> = Metric.gauge("tcp.server.connection.parked", {
  description: "Connections that wait for a slot"
})

/**
 * From accept to the freed socket, by how it ended.
 *
 * @category metrics
 * @since 0.1.0
 */
export const duration: Metric.Histogram<number> = Metric.histogram("tcp.server.connection.duration", {
  description: "Seconds from accept to the freed socket, by how it ended",
  boundaries: seconds
})

/**
 * Deadlines of connections that have passed, by `reason`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const exceeded: Metric.Counter<number> = Metric.counter("tcp.server.connection.deadline", {
  description: "Connections reset because a deadline has passed, by reason",
  incremental: true
})

/**
 * Accepts that failed, by `error.type`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const acceptFailed: Metric.Counter<number> = Metric.counter("tcp.server.accept.failed", {
  description: "Accepts that failed, by error",
  incremental: true
})

/**
 * Messages of broadcasts that did not reach a consumer, by `reason`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const dropped: Metric.Counter<number> = Metric.counter("tcp.server.broadcast.dropped", {
  description: "Messages of broadcasts that did not reach a consumer, by reason",
  incremental: true
})

/**
 * Bytes of broadcasts that wait for slow consumers now.
 *
 * @category metrics
 * @since 0.1.0
 */
export const waiting: Metric.Gauge<number> = Metric.gauge("tcp.server.broadcast.waiting", {
  description: "Bytes of broadcasts that wait for slow consumers"
})

/**
 * Waiting for their PROXY header now.
 *
 * @category metrics
 * @since 0.1.0
 */
export const headersPending: Metric.Gauge<number> = Metric.gauge("tcp.server.proxy.pending", {
  description: "Connections whose PROXY header has not come yet"
})

/**
 * Of TLS handshakes; `error.type` says why one failed.
 *
 * @category metrics
 * @since 0.1.0
 */
export const handshakeDuration: Metric.Histogram<number> = Metric.histogram("tcp.server.handshake.duration", {
  description: "Seconds of a TLS handshake",
  boundaries: seconds
})

/**
 * Of a stop.
 *
 * @category metrics
 * @since 0.1.0
 */
export const drainDuration: Metric.Histogram<number> = Metric.histogram("tcp.server.drain.duration", {
  description: "Seconds from the beginning of a stop to its end",
  boundaries: seconds
})

/**
 * Bytes of the application, by `network.io.direction`: counted every 10 s, and when a connection is over.
 *
 * @category metrics
 * @since 0.1.0
 */
export const io: Metric.Counter<number> = Metric.counter("tcp.io", {
  description: "Bytes of the application",
  incremental: true
})

/**
 * Frames that were decoded, and that were sent, where deadlines are kept, by `network.io.direction`; counted as `io` is.
 *
 * @category metrics
 * @since 0.1.0
 */
export const frames: Metric.Counter<number> = Metric.counter("tcp.frame.count", {
  description: "Frames that came and were whole, or were sent",
  incremental: true
})

/**
 * Connections to which something waits to be written, because the peer does not read; looked at every 10 s.
 *
 * @category metrics
 * @since 0.1.0
 */
export const writeBlocked: Metric.Gauge<number> = Metric.gauge("tcp.write.blocked", {
  description: "Connections whose peer does not take what was sent"
})

/**
 * The most bytes that wait for one of them; looked at every 10 s.
 *
 * @category metrics
 * @since 0.1.0
 */
export const writeBuffer: Metric.Gauge<number> = Metric.gauge("tcp.write.buffer.size", {
  description: "Bytes that wait for the peer that has the most"
})

/**
 * What is left of the limit of this process, which all its servers share; read every 10 s, where the platform tells.
 *
 * @category metrics
 * @since 0.1.0
 */
export const descriptorsFree: Metric.Gauge<number> = Metric.gauge("tcp.process.fd.free", {
  description: "Descriptors that the process may still open"
})
