// node workers.ts echo|sum COUNT: Server.respond in so many processes, each of which is this program again.
import { NodeTransport } from "@framewire/core/node"
import { LengthPrefixed, Protocol } from "@framewire/framing"
import { Server } from "@framewire/server"
import { Worker, Workers } from "@framewire/server/node"
import * as Effect from "effect/Effect"
import { protocol, sum } from "../rpc/Sum.ts"
import { address, listening } from "./harness.ts"

const [, entry = "", what = "echo", count] = process.argv

const serve = Worker.run(
  { maxConnections: 100_000 },
  what === "sum"
    ? Server.respond(protocol, (numbers) => Effect.succeed(sum(numbers)))
    : Server.respond(Protocol.symmetric(LengthPrefixed.u32be()), Effect.succeed<Uint8Array>)
)

const program = Effect.gen(function*() {
  if (yield* Worker.isWorker) return yield* serve
  const workers = yield* Workers.make({ address, entry, args: [what], workers: Number(count) })
  listening(workers.address)
  return yield* workers.stopped
})

void Effect.runPromise(Effect.provide(Effect.scoped(program), NodeTransport.layer))
