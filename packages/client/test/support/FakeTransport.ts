// A line whose two directions break apart, as real ones do only for a moment.
import {
  type Address,
  type Connection,
  type ConnectionState,
  Transport,
  TransportError,
  TransportReason
} from "@framewire/core"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { unasked } from "../../../../tests/support/FakeConnection.ts"

const address = { host: "127.0.0.1", port: 1 }

export interface FakeTransport {
  readonly address: Address.Address
  readonly layer: Layer.Layer<Transport.Transport>
  readonly sent: () => string
  /** From now on sends fail; with the first failure these bytes of the peer are there, the last ones. */
  readonly breakSends: (arriving: string) => void
}

export const make = (): FakeTransport => {
  const arrived = Effect.runSync(Queue.unbounded<NonEmptyReadonlyArray<Uint8Array>, Cause.Done>())
  const closed = Deferred.makeUnsafe<ConnectionState.CloseReason>()
  const close = Effect.andThen(Deferred.succeed(closed, { _tag: "Aborted" }), Deferred.await(closed))
  const error = new TransportError.SendError({
    reason: new TransportReason.BrokenPipe({ code: "EPIPE" }),
    local: address,
    remote: address
  })
  let sent = ""
  let broken: string | undefined
  const sendAll = (chunks: ReadonlyArray<Uint8Array>) =>
    Effect.suspend(() => {
      if (broken !== undefined) {
        Queue.offerUnsafe(arrived, [new TextEncoder().encode(broken)])
        return Effect.fail(error)
      }
      for (const chunk of chunks) sent += new TextDecoder().decode(chunk)
      return Effect.void
    })
  const connection: Connection.Connection = {
    ...unasked,
    id: 0,
    local: address,
    remote: address,
    receive: Queue.take(arrived),
    receiveEach: (handle) =>
      Effect.flatMap(Queue.take(arrived), (batch) => handle(batch, 0)).pipe(
        Effect.forever,
        Pull.catchDone(() => Effect.void)
      ),
    send: (bytes) => sendAll([bytes]),
    sendAll,
    sendAllUnsafe: (chunks) => Effect.runSync(Effect.exit(sendAll(chunks))),
    shutdownWrite: Effect.void,
    shutdownRead: Effect.sync(() => void Queue.endUnsafe(arrived)),
    close: () => close,
    abort: close,
    state: Effect.succeed({ _tag: "Open" }),
    closed: Deferred.await(closed)
  }
  return {
    address,
    layer: Layer.succeed(
      Transport.Transport,
      Transport.Transport.of({
        listen: () => Effect.die("not here"),
        connect: () => Effect.succeed(connection),
        events: Stream.empty
      })
    ),
    sent: () => sent,
    breakSends: (arriving) => {
      broken = arriving
    }
  }
}
