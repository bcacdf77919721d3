// Frames in, frames out: Server.respond with a handler that answers
// succeed   at once, with a value that is there
// generator at once, but by a generator that the runtime has to run, as Effect.fn makes one
// suspend   later: the fiber leaves the stack and goes on in a microtask
import { NodeTransport } from "@framewire/core/node"
import { LengthPrefixed, Protocol } from "@framewire/framing"
import { Server } from "@framewire/server"
import * as Effect from "effect/Effect"
import { address, listening } from "./harness.ts"

type Answer = (frame: Uint8Array) => Effect.Effect<Uint8Array>

const handlers: Readonly<Record<string, Answer>> = {
  succeed: Effect.succeed,
  generator: Effect.fnUntraced(function*(frame: Uint8Array) {
    return yield* Effect.sync(() => frame)
  }),
  suspend: (frame) => Effect.callback((resume) => queueMicrotask(() => resume(Effect.succeed(frame))))
}

const answer = handlers[process.argv[2] ?? "succeed"]
if (answer === undefined) throw new Error(`one of ${Object.keys(handlers).join(", ")} was expected`)

const program = Effect.gen(function*() {
  const server = yield* Server.make(
    { address, maxConnections: 100_000 },
    Server.respond(Protocol.symmetric(LengthPrefixed.u32be()), answer)
  )
  listening(server.address)
  yield* server.stopped
})

void Effect.runPromise(Effect.provide(Effect.scoped(program), NodeTransport.layer))
