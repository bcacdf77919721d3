// What is written to one connection by many fibers: one write after the other, each as a whole, and none for ever.
import type * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Semaphore from "effect/Semaphore"
import type { Connection } from "../Connection.ts"
import { SendError } from "../TransportError.ts"
import * as TransportReason from "../TransportReason.ts"

export interface Outbox {
  /** Interruption while others write sends nothing; later it stops the waiting alone, never in the middle of bytes. */
  readonly sendAll: (chunks: Arr.NonEmptyReadonlyArray<Uint8Array>) => Effect.Effect<void, SendError>
  /** FIN after all of these, without waiting for the peer. */
  readonly finish: Effect.Effect<void>
}

// Progress is a piece that the platform took. It takes none before a third of the kernel's buffer is free, which is 1.3 MiB
// where that has grown to 4 MiB (Linux): at 30 s a peer that takes 45 KB/s is fast enough.
const pieceBytes = 65_536

const toPieces = (chunks: Arr.NonEmptyReadonlyArray<Uint8Array>): ReadonlyArray<ReadonlyArray<Uint8Array>> => {
  if (chunks.length === 1 && chunks[0].length <= pieceBytes) return [chunks]
  const pieces: Array<ReadonlyArray<Uint8Array>> = []
  let piece: Array<Uint8Array> = []
  let room = 0
  for (const chunk of chunks) {
    for (let from = 0; from < chunk.length;) {
      if (room === 0) {
        pieces.push(piece = [])
        room = pieceBytes
      }
      const part = chunk.subarray(from, from + room)
      piece.push(part)
      from += part.length
      room -= part.length
    }
  }
  return pieces
}

export const make = (connection: Connection, writeTimeout: Duration.Input): Outbox => {
  const { local, remote } = connection
  const turn = Semaphore.makeUnsafe(1)

  const expire = Effect.suspend(() => {
    const afterMillis = Duration.toMillis(Duration.fromInputUnsafe(writeTimeout))
    const error = new SendError({ reason: new TransportReason.TimedOut({ afterMillis }), local, remote })
    // The peer has a part of it: nothing that follows would make sense to it.
    return Effect.andThen(connection.abort, Effect.fail(error))
  })
  const sendPiece = (piece: ReadonlyArray<Uint8Array>): Effect.Effect<void, SendError> =>
    Effect.flatMap(Effect.forkDetach(connection.sendAll(piece), { startImmediately: true }), (fiber) =>
      // A timer only where it waits at all.
      fiber.pollUnsafe() ??
        Effect.timeoutOrElse(Fiber.join(fiber), {
          duration: writeTimeout,
          orElse: () => expire
        }))

  // Whoever receives hears first of what broke the connection: RpcClient has a typed error for that, but none for a write.
  const heard = ({ reason }: SendError) => {
    const broken = reason._tag !== "WriteSideClosed" && reason._tag !== "ConnectionClosed" &&
      reason._tag !== "WriteBufferExceeded"
    return broken ? Effect.andThen(connection.closed, Effect.yieldNow) : Effect.void
  }

  return {
    sendAll: (chunks) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.andThen(
          restore(turn.take(1)),
          Effect.forEach(toPieces(chunks), sendPiece, { discard: true }).pipe(
            Effect.tapError(heard),
            Effect.ensuring(turn.release(1)),
            Effect.forkDetach({ startImmediately: true }),
            Effect.flatMap((fiber) => fiber.pollUnsafe() ?? restore(Fiber.join(fiber)))
          )
        )
      ),
    finish: Effect.asVoid(
      Effect.forkDetach(Effect.ignore(turn.withPermit(connection.shutdownWrite)), { startImmediately: true })
    )
  }
}
