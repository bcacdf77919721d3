// A server whose clients lose no answer when it drains: it says goodbye, and reads on until they have read that and left.
import { type Connection, type Listener, Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Codec, Lines, Protocol } from "@framewire/framing"
import { Server } from "@framewire/server"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
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
export const layer = Layer.effect(
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

/** What comes on a line goes back on one. */
export const handler = (connection: Connection.Connection) =>
  Effect.scoped(Effect.gen(function*() {
    yield* Effect.forkScoped(Effect.andThen(connection.draining, connection.send(goodbye)))
    yield* echo(connection)
  }))
