// A server of which each client's line is its answer; on a line of its input it stops, and says what it has counted.
import { NodeTransport } from "@framewire/core/node"
import { Codec, Lines, Protocol } from "@framewire/framing"
import { Server } from "@framewire/server"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Stream from "effect/Stream"

const lines = Protocol.symmetric(Codec.text(Lines.make()))
const [maxConnections = 0] = process.argv.slice(2).map(Number)

await Effect.runPromise(
  Effect.gen(function*() {
    const events: Record<string, number> = {}
    const server = yield* Server.make(
      {
        address: { host: "127.0.0.1", port: 0 },
        drainDeadline: "1 second",
        linger: 0,
        ...(maxConnections > 0 ? { maxConnections } : {})
      },
      Server.respond(lines, Effect.succeed<string>)
    )
    yield* Effect.forkScoped(Stream.runForEach(server.events, (event) =>
      Effect.sync(() => {
        if (event._tag === "Rejected") events[event.reason] = (events[event.reason] ?? 0) + 1
      })))
    const asked = Deferred.makeUnsafe<void>()
    process.stdin.once("data", () => Deferred.doneUnsafe(asked, Effect.void))
    const limit = (yield* server.admission.settings).maxConnections
    console.log(JSON.stringify({ address: server.address, limit }))
    yield* Deferred.await(asked)
    const report = yield* server.stop
    const metrics: Record<string, number> = {}
    for (const { attributes, id, state } of yield* Metric.snapshot) {
      if (id === "tcp.server.connection.rejected" && "count" in state) {
        metrics[attributes?.["reason"] ?? ""] = Number(state.count)
      }
    }
    console.log(JSON.stringify({ report, events, metrics }))
    process.exit()
  }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer))
)
