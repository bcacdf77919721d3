// A connection of which a script says what arrives, and what a pull gives, as a value.
import { type Connection, TransportError, TransportReason } from "@framewire/core"
import { type Framed, FramingError } from "@framewire/framing"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import { unasked } from "../../../tests/support/FakeConnection.ts"
import { bytes, failureOf, join, show } from "./support.ts"

const addresses = { local: { host: "::1", port: 1 }, remote: { host: "::1", port: 2 } }
export const reset = new TransportError.ReceiveError({ reason: new TransportReason.ConnectionReset({}), ...addresses })
export const closed = new TransportError.SendError({ reason: new TransportReason.ConnectionClosed({}), ...addresses })

export type Batch = ReadonlyArray<string>
export type Receive = Connection.Connection["receive"]

/** A connection of which a script says what arrives; the last thing in it goes on for ever. */
export const fake = (...script: ReadonlyArray<Batch | Receive>) => {
  const sent: Array<string> = []
  let received = 0
  let refuses = false
  const connection: Connection.Connection = {
    ...unasked,
    id: 1,
    ...addresses,
    receive: Effect.suspend((): Receive => {
      const next = script[Math.min(received++, script.length - 1)]
      if (next === undefined || Effect.isEffect(next)) return next ?? Effect.never
      return Effect.succeed(next.map(bytes) as [Uint8Array, ...Array<Uint8Array>])
    }),
    send: () => Effect.die("Framed sends batches"),
    sendAll: (chunks) =>
      Effect.suspend(() => {
        if (refuses) return Effect.fail(closed)
        sent.push(show(join(chunks)))
        return Effect.void
      }),
    shutdownWrite: Effect.void,
    shutdownRead: Effect.void,
    close: () => Effect.die("Framed does not close"),
    abort: Effect.die("Framed does not abort"),
    state: Effect.succeed({ _tag: "ReadClosed" }),
    closed: Effect.never
  }
  return { connection, sent, receives: () => received, refuse: () => void (refuses = true) }
}

export const done: Receive = Cause.done()
/** What a pull gives, as a value: a failure as `!` and a line. */
export const outcome = <A>(pull: Pull.Pull<A, Framed.FramedError>): Effect.Effect<A | string> =>
  Effect.map(Effect.exit(pull), (exit) => {
    if (Exit.isSuccess(exit)) return exit.value
    const error = Cause.squash(exit.cause)
    if (Cause.isDone(error)) return "!Done"
    return error instanceof FramingError.FrameError || error instanceof FramingError.MessageError
      ? `!${failureOf(error)}`
      : `!${error instanceof TransportError.ReceiveError ? error._tag : String(error)}`
  })

export const outcomes = <A>(
  pull: Pull.Pull<A, Framed.FramedError>,
  count: number
): Effect.Effect<ReadonlyArray<A | string>> => Effect.replicateEffect(outcome(pull), count)
