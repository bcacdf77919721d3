// Frames in, frames out: Effect's own NodeSocketServer, with a careful framer on the batches of its pull and one
// writeAll a batch. The frames go by ByteReader and ByteWriter, so that what differs from `batch` is the socket.
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import { ByteReader, Codec, Decoder, type FramingError, LengthPrefixed } from "@framewire/framing"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Socket from "effect/socket/Socket"
import { address, listening } from "./harness.ts"

const codec = LengthPrefixed.u32be()

type Failure = Socket.SocketError | FramingError.FrameError | FramingError.MessageError

const echo = (socket: Socket.Socket) =>
  Effect.gen(function*() {
    const pull = yield* Socket.readerBytes(socket)
    const { writeAll } = yield* socket.writer
    const reader = ByteReader.make()
    const step = codec.decoder.start()
    const batch = Effect.flatMap(pull, (chunks): Effect.Effect<void, Failure> => {
      for (const chunk of chunks) reader.push(chunk)
      const frames: Array<Uint8Array> = []
      const error = Decoder.run(step, reader, frames)
      if (error !== undefined) return Effect.fail(error)
      const out = Result.getOrThrow(Codec.encodeAll(codec, frames))
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
