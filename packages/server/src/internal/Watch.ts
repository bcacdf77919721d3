// Tells of what happens to a server: by events, and in its metrics.
import { Address, type Connection, type ConnectionState, type TransportError } from "@framewire/core"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as PubSub from "effect/PubSub"
import type * as Stream from "effect/Stream"
import type { Reason } from "../Admission.ts"
import type { Drop } from "../Broadcast.ts"
import type { DeadlineExceeded } from "../Deadlines.ts"
import type { ProxyError } from "../ProxyProtocol.ts"
import type { Happened, ServerEvent, ServerState } from "../ServerEvent.ts"
import * as ServerMetrics from "../ServerMetrics.ts"
import { eventsOf } from "./eventsOf.ts"

// What a slow subscriber may have waiting; then it loses the oldest.
const capacity = 4096

type Attributes = Readonly<Record<string, string>>

// The tags of errors are few, and so are the ways in which a connection ends.
const endOf = (reason: ConnectionState.CloseReason): Attributes => {
  switch (reason._tag) {
    case "Graceful":
      return { "close.initiator": reason.initiator, "close.kind": "fin" }
    case "Aborted":
      return { "close.initiator": "self", "close.kind": "rst" }
    case "LingerExpired":
      return { "close.initiator": "self", "close.kind": "timeout" }
    case "Failed": {
      const type = reason.error.reason._tag
      const timedOut = type === "TimedOut"
      return {
        "close.initiator": timedOut ? "self" : "peer",
        "close.kind": timedOut ? "timeout" : "rst",
        "error.type": type
      }
    }
  }
}

/** The attributes of a socket, as OpenTelemetry names them. */
export const networkOf = (address: Address.Address): Attributes =>
  Address.isUnix(address)
    ? { "network.transport": "unix" }
    : { "network.transport": "tcp", "network.type": address.host.includes(":") ? "ipv6" : "ipv4" }

/** The other end of a connection: for spans, which are many anyway, and not for metrics. */
export const peerOf = (address: Address.Address): Attributes =>
  Address.isUnix(address) ? {} : { "network.peer.address": address.host, "network.peer.port": String(address.port) }

const serverOf = (address: Address.Address): Attributes =>
  Address.isUnix(address)
    ? { "server.address": address.path }
    : { "server.address": address.host, "server.port": String(address.port) }

interface Series<in Input> {
  readonly update: (input: Input) => void
  readonly modify: (input: Input) => void
}

/** A metric with the server's attributes, and those of each update. */
const bind = <Input>(
  metric: Metric.Metric<Input, unknown>,
  context: Context.Context<never>,
  attributes: () => Attributes
) => {
  const outer = Context.get(context, Metric.CurrentMetricAttributes)
  const series = new Map<string, Series<Input>>()
  return (more?: Attributes): Series<Input> => {
    const key = more === undefined ? "" : Object.values(more).join()
    let found = series.get(key)
    if (found === undefined) {
      // Made once: `Metric.withAttributes` makes a context at every update.
      const own = Context.add(context, Metric.CurrentMetricAttributes, { ...outer, ...attributes(), ...more })
      found = {
        update: (input) => metric.updateUnsafe(input, own),
        modify: (input) => metric.modifyUnsafe(input, own)
      }
      series.set(key, found)
    }
    return found
  }
}

const receive: Attributes = { "network.io.direction": "receive" }
const transmit: Attributes = { "network.io.direction": "transmit" }

// One for each direction: a metric remembers the key of the series that was last updated, and making it is dear.
const again = ({ description, id }: Metric.Counter<number>): Metric.Counter<number> =>
  Metric.counter(id, { description, incremental: true })

/** How many so far. */
interface Counts {
  accepted: number
  rejected: number
  /** Of the accepted ones. */
  closed: number
}

export interface Watch {
  readonly counts: Readonly<Counts>
  readonly state: () => ServerState
  readonly events: Stream.Stream<ServerEvent>
  readonly moved: (state: ServerState) => void
  /** It has a slot, or has none any more. */
  readonly active: (change: 1 | -1) => void
  readonly accepted: (connection: Connection.Connection) => void
  readonly parked: (connection: Connection.Connection, change: 1 | -1) => void
  readonly rejected: (
    connection: Pick<Connection.Connection, "remote"> & { readonly id?: number },
    reason: Reason,
    error?: TransportError.HandshakeError | TransportError.ReceiveError | ProxyError
  ) => void
  readonly exceeded: (error: DeadlineExceeded, connection: Connection.Connection) => void
  readonly acceptFailed: (error: TransportError.ListenError) => void
  readonly dropped: (drop: Drop) => void
  /** For slow consumers. */
  readonly waiting: (bytes: number) => void
  /** Whose PROXY header has not come. */
  readonly headersPending: (connections: number) => void
  /** Where the platform tells. */
  readonly descriptorsFree: (descriptors: number | undefined) => void
  readonly secured: (millis: number, error?: TransportError.HandshakeError) => void
  /** Frames that have come, or went out. */
  readonly framed: (frames: number, direction: "receive" | "transmit") => void
  /** Bytes that have passed since the last time. */
  readonly passed: (received: number, sent: number) => void
  /** How many connections something waits for, and the most of any. */
  readonly blocked: (connections: number, most: number) => void
  readonly closed: (
    connection: Connection.Connection,
    reason: ConnectionState.CloseReason,
    durationMillis: number,
    traffic: Connection.Traffic
  ) => void
}

/** `address` is asked at the first update of a metric: the listener tells the port. */
export const make = (address: () => Address.Address, isSecured: boolean): Effect.Effect<Watch> =>
  Effect.gen(function*() {
    const hub = yield* PubSub.sliding<ServerEvent>(capacity)
    const context = yield* Effect.context()
    const attributes = () => ({
      ...serverOf(address()),
      ...networkOf(address()),
      "tls.established": String(isSecured)
    })
    const of = <Input>(metric: Metric.Metric<Input, unknown>) => bind(metric, context, attributes)
    const metrics = {
      active: of(ServerMetrics.active),
      accepted: of(ServerMetrics.accepted),
      rejected: of(ServerMetrics.rejected),
      parked: of(ServerMetrics.parked),
      duration: of(ServerMetrics.duration),
      exceeded: of(ServerMetrics.exceeded),
      acceptFailed: of(ServerMetrics.acceptFailed),
      dropped: of(ServerMetrics.dropped),
      waiting: of(ServerMetrics.waiting),
      handshakeDuration: of(ServerMetrics.handshakeDuration),
      drainDuration: of(ServerMetrics.drainDuration),
      received: of(again(ServerMetrics.io)),
      sent: of(again(ServerMetrics.io)),
      framesReceived: of(again(ServerMetrics.frames)),
      framesSent: of(again(ServerMetrics.frames)),
      writeBlocked: of(ServerMetrics.writeBlocked),
      writeBuffer: of(ServerMetrics.writeBuffer),
      headersPending: of(ServerMetrics.headersPending),
      descriptorsFree: of(ServerMetrics.descriptorsFree)
    }
    const counts: Counts = { accepted: 0, rejected: 0, closed: 0 }
    let state: ServerState = { _tag: "Running" }
    let sequence = 0
    /** Not in the metric yet. */
    let frames = { receive: 0, transmit: 0 }
    const publish = (happened: Happened) => {
      const event = { ...happened, sequence: ++sequence }
      // What is full slides by the other way alone.
      if (!PubSub.publishUnsafe(hub, event)) Effect.runSync(PubSub.publish(hub, event))
    }

    return {
      counts,
      state: () => state,
      events: eventsOf(hub, {
        isLast: (event) => event._tag === "Moved" && event.state._tag === "Stopped",
        isOver: () => state._tag === "Stopped"
      }),
      moved: (to) => {
        state = to
        if (to._tag === "Stopped") metrics.drainDuration().update(to.report.durationMillis / 1000)
        publish({ _tag: "Moved", state })
      },
      active: (change) => metrics.active().modify(change),
      accepted: ({ id, remote }) => {
        counts.accepted++
        metrics.accepted().update(1)
        publish({ _tag: "Accepted", id, client: remote })
      },
      parked: ({ id, remote }, change) => {
        metrics.parked().modify(change)
        if (change > 0) publish({ _tag: "Parked", id, client: remote })
      },
      rejected: ({ id, remote }, reason, error) => {
        counts.rejected++
        metrics.rejected({ reason }).update(1)
        publish({ _tag: "Rejected", id, client: remote, reason, error })
      },
      exceeded: ({ afterMillis, which }, { id, remote }) => {
        metrics.exceeded({ reason: which }).update(1)
        publish({ _tag: "Exceeded", id, client: remote, which, afterMillis })
      },
      acceptFailed: (error) => {
        metrics.acceptFailed({ "error.type": error.reason._tag }).update(1)
        publish({ _tag: "AcceptFailed", error })
      },
      dropped: ({ bytes, connection: { id, remote }, messages, reason }) => {
        metrics.dropped({ reason }).update(messages)
        publish({ _tag: "Dropped", id, client: remote, reason, messages, bytes })
      },
      waiting: (bytes) => metrics.waiting().update(bytes),
      headersPending: (connections) => metrics.headersPending().update(connections),
      descriptorsFree: (descriptors) => {
        if (descriptors !== undefined) metrics.descriptorsFree().update(descriptors)
      },
      secured: (millis, error) => {
        const failed: Attributes = error === undefined ? {} : { "error.type": error.reason._tag }
        metrics.handshakeDuration(failed).update(millis / 1000)
      },
      framed: (count, direction) => {
        // Not by a key that is a variable: this is called twice a batch, and V8 would look it up.
        if (direction === "receive") frames.receive += count
        else frames.transmit += count
      },
      passed: (received, sent) => {
        if (received > 0) metrics.received(receive).update(received)
        if (sent > 0) metrics.sent(transmit).update(sent)
        if (frames.receive > 0) metrics.framesReceived(receive).update(frames.receive)
        if (frames.transmit > 0) metrics.framesSent(transmit).update(frames.transmit)
        frames = { receive: 0, transmit: 0 }
      },
      blocked: (connections, most) => {
        metrics.writeBlocked().update(connections)
        metrics.writeBuffer().update(most)
      },
      closed: ({ id, remote }, reason, durationMillis, traffic) => {
        counts.closed++
        metrics.duration(endOf(reason)).update(durationMillis / 1000)
        publish({ _tag: "Closed", id, client: remote, reason, durationMillis, traffic })
      }
    }
  })
