// node activated.ts server|workers: a service that systemd starts with its socket, and that drains at SIGTERM. Prints its
// process when it serves, and at the end what became of its connections.
import { NodeTransport, SocketActivation } from "@framewire/core/node"
import { Server } from "@framewire/server"
import { Workers } from "@framewire/server/node"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import * as goodbye from "./goodbye.ts"

const address = { host: "127.0.0.1", port: 0 }
const entry = join(import.meta.dirname, "worker.ts")
const say = (value: unknown) => Effect.sync(() => console.log(JSON.stringify(value)))
const asked = Effect.callback<void>((resume) => void process.once("SIGTERM", () => resume(Effect.void)))

await Effect.runPromise(
  Effect.gen(function*() {
    const [{ fd }] = yield* SocketActivation.descriptors
    const stop = process.argv[2] === "workers"
      ? Effect.map((yield* Workers.make({ address, fd, entry, workers: 2 })).stop, ({ total }) => total)
      : (yield* Server.make({ address, fd, ...goodbye.options }, goodbye.handler)).stop
    yield* say({ pid: process.pid })
    yield* asked
    yield* say({ report: yield* stop })
  }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer))
)
