// A transport without sockets, for what real ones do too rarely: connections that end at once, a listener that breaks.
import { type Connection, type ConnectionState, type Listener, Transport, type TransportError } from "@framewire/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { unasked } from "../../../../tests/support/FakeConnection.ts"

const address = { host: "127.0.0.1", port: 1 }
const reason: ConnectionState.CloseReason = { _tag: "Graceful", initiator: "self" }
const closed = Effect.succeed(reason)

/** Everything about it is over already. */
export const connection: Connection.Connection = {
  ...unasked,
  id: 0,
  local: address,
  remote: address,
  receive: Cause.done(),
  send: () => Effect.void,
  sendAll: () => Effect.void,
  shutdownWrite: Effect.void,
  shutdownRead: Effect.void,
  close: () => closed,
  abort: closed,
  traffic: Effect.succeed({ received: 0, sent: 0, waiting: 0 }),
  state: Effect.succeed({ _tag: "Closed", reason }),
  closed
}

export interface FakeTransport {
  readonly layer: Layer.Layer<Transport.Transport>
  readonly offer: (connection: Connection.Connection) => void
  readonly fail: (error: TransportError.ListenError) => void
  /** How often it was drained. */
  readonly drains: () => number
}

/** `freeDescriptors` as its listener tells them. */
export const make = (freeDescriptors: () => number | undefined = () => undefined): FakeTransport => {
  const queue = Effect.runSync(Queue.unbounded<Connection.Connection, TransportError.ListenError | Cause.Done>())
  let drains = 0
  const listener: Listener.Listener = {
    address,
    accept: Effect.acquireRelease(Queue.take(queue), (it) => it.close()),
    suspend: Effect.void,
    resume: Effect.void,
    counters: Effect.succeed({ accepted: 0, shed: 0 }),
    freeDescriptors: Effect.sync(freeDescriptors),
    drain: Effect.sync(() => {
      drains++
      Queue.endUnsafe(queue)
    })
  }
  return {
    layer: Layer.succeed(
      Transport.Transport,
      Transport.Transport.of({
        listen: () => Effect.succeed(listener),
        connect: () => Effect.die("not here"),
        events: Stream.empty
      })
    ),
    offer: (it) => Queue.offerUnsafe(queue, it),
    fail: (error) => Queue.failCauseUnsafe(queue, Cause.fail(error)),
    drains: () => drains
  }
}
