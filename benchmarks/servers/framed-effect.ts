// Frames in, frames out: Effect's own NodeSocketServer, with the framer of `by hand` on the batches of its pull and one
// writeAll a batch, so that what differs from `by hand` is the socket.
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Socket from "effect/socket/Socket"
import { framer } from "./framer.ts"
import { address, listening } from "./harness.ts"

const echo = (socket: Socket.Socket) =>
  Effect.gen(function*() {
    const pull = yield* Socket.readerBytes(socket)
    const { writeAll } = yield* socket.writer
    const receive = framer()
    const batch = Effect.flatMap(pull, (chunks): Effect.Effect<void, Socket.SocketError> => {
      const out = chunks.flatMap((chunk) => receive(chunk) ?? [])
      return Arr.isReadonlyArrayNonEmpty(out) ? writeAll(out) : Effect.void
    })
    return yield* Effect.forever(batch, { disableYield: true })
  }).pipe(Effect.scoped, Effect.ignore)

const program = Effect.gen(function*() {
  const server = yield* NodeSocketServer.make({ ...address, noDelay: true })
  listening(server.address)
  return yield* server.run(echo)
})

void Effect.runPromise(Effect.scoped(program))
