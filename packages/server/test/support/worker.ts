// A worker: what comes on a line goes back on one. In a drain it says goodbye first. Its argument says what is wrong with it.
import { type Connection, type Listener, Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Codec, Lines, Protocol } from "@framewire/framing"
import { Server } from "@framewire/server"
import { Worker } from "@framewire/server/node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { existsSync } from "node:fs"
import { Delegate } from "../../src/internal/Delegate.ts"

/** Is read for a while after the goodbye, so that what its client sent before it has read that is answered as well. */
class Patient extends Delegate {
  override get shutdownRead() {
    const { closed, shutdownRead } = this.inner
    return Effect.andThen(Effect.timeoutOption(closed, "2 seconds"), shutdownRead)
  }
}

const patient = (listener: Listener.Listener): Listener.Listener => ({
  ...listener,
  accept: Effect.map(listener.accept, (connection) => new Patient(connection))
})

// Belongs into the server's drain; until then here.
const PatientTransport = Layer.effect(
  Transport.Transport,
  Effect.map(Transport.Transport, (transport) =>
    Transport.Transport.of({
      ...transport,
      listen: (address, options) => Effect.map(transport.listen(address, options), patient)
    }))
).pipe(Layer.provide(NodeTransport.layer))

const lines = Protocol.symmetric(Codec.text(Lines.make()))
const goodbye = new TextEncoder().encode("bye\n")

const echo = Server.respond(lines, Effect.succeed<string>)

const handler = (connection: Connection.Connection) =>
  Effect.scoped(Effect.gen(function*() {
    yield* Effect.forkScoped(Effect.andThen(connection.draining, connection.send(goodbye)))
    yield* echo(connection)
  }))

const [, , fault, file = ""] = process.argv
if (fault === "exits" || fault === "exits-if" && existsSync(file)) process.exit(7)
if (fault === "lies") {
  process.send?.({ _tag: "Drained", report: { accepted: -1 } })
  process.send?.("Ready")
}

if (fault === "hangs") {
  process.on("message", () => {})
} else {
  await Effect.runPromise(
    Worker.run(
      { drainDeadline: fault === "stays" ? "1 minute" : "5 seconds" },
      fault === "stays" ? () => Effect.never : handler
    ).pipe(Effect.provide(PatientTransport))
  )
}
