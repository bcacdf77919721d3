// Connections on which now and then a send fails when some of its bytes have left, while receiving goes on.
import { type Connection, Transport, TransportError, TransportReason } from "@framewire/core"
import * as Effect from "effect/Effect"

const breaking = (connection: Connection.Connection, roll: (sides: number) => number): Connection.Connection => {
  const { local, remote } = connection
  const failed = Effect.fail(
    new TransportError.SendError({ reason: new TransportReason.BrokenPipe({ code: "EPIPE" }), local, remote })
  )
  let isBroken = false
  return {
    ...connection,
    sendAllUnsafe: (chunks) => {
      if (isBroken) return failed
      if (roll(40) > 0) return connection.sendAllUnsafe(chunks)
      isBroken = true
      const bytes = Buffer.concat(chunks)
      const left = connection.sendAllUnsafe([bytes.subarray(0, roll(bytes.length + 1))])
      return Effect.andThen(Effect.ignore(left), failed)
    }
  }
}

/** Those of who connects in it. */
export const brokenSends = (roll: (sides: number) => number) =>
  Effect.updateService(
    Transport.Transport,
    (transport) => ({
      ...transport,
      connect: (address, options) =>
        Effect.map(transport.connect(address, options), (connection) => breaking(connection, roll))
    })
  )
