// A send that waits for what others have sent on the connection, instead of being refused.
import type { Connection, TransportError } from "@framewire/core"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

// Nobody tells when others' bytes are gone. It is asked only where they are more than `maxWriteBuffer`.
const polling = Schedule.spaced("25 millis")

const isFilled = ({ reason }: TransportError.SendError) => reason._tag === "WriteBufferExceeded"

/**
 * `sending`, and again until there is room: whoever has filled the connection, as by a large answer, is not its consumer's
 * fault. A peer that takes nothing at all is the connection's, by `writeTimeout`.
 */
export const behindOthers = (
  connection: Connection.Connection,
  chunks: ReadonlyArray<Uint8Array>,
  sending: Effect.Effect<void, TransportError.SendError>
): Effect.Effect<void, TransportError.SendError> => {
  // The first one may be what `sendAllUnsafe` gave, which is done and cannot be run again.
  let next = sending
  const attempt = Effect.suspend(() => {
    const now = next
    next = connection.sendAll(chunks)
    return now
  })
  return Effect.retry(attempt, { while: isFilled, schedule: polling })
}
