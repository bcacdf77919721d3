// Typed JSON: Server.respond.
import { NodeTransport } from "@framewire/core/node"
import { Server } from "@framewire/server"
import * as Effect from "effect/Effect"
import { protocol, sum } from "../rpc/Sum.ts"
import { address, listening } from "./harness.ts"

const program = Effect.gen(function*() {
  const server = yield* Server.make(
    { address },
    Server.respond(protocol, (numbers) => Effect.succeed(sum(numbers)))
  )
  listening(server.address)
  yield* server.stopped
})

void Effect.runPromise(Effect.provide(Effect.scoped(program), NodeTransport.layer))
