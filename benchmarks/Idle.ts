// What a connection costs that does nothing: resident memory after a full collection, with and without them.
import * as Effect from "effect/Effect"
import * as Child from "./Child.ts"
import type { Figures } from "./Figure.ts"
import * as LoadGenerator from "./LoadGenerator.ts"
import type { Case, Peer } from "./Suite.ts"
import * as Usage from "./Usage.ts"

/** Connections before anything is measured: by then what serves them is loaded and compiled. */
const first = 500

const collected = (server: Child.Server) =>
  Effect.gen(function*() {
    // What was closed is let go of within some turns of the loop.
    yield* Effect.sleep("300 millis")
    // Twice: finalizers of the first let go of more.
    for (let i = 0; i < 2; i++) {
      yield* server.write("collect\n")
      yield* server.line(/^collected$/)
    }
    return Usage.resident(server.pid)
  })

const holding = (connections: number, server: string): Peer => () =>
  Effect.gen(function*() {
    if (!Usage.isKnown) return yield* new Child.BenchError({ message: "memory is known on Linux only" })
    const started = yield* Child.serve(server)
    yield* Effect.scoped(LoadGenerator.hold(started, { connections: first, size: 64 }))
    const before = yield* collected(started)
    Usage.resetPeak(started.pid)
    yield* LoadGenerator.hold(started, { connections, size: 64 })
    const after = yield* collected(started)
    const figures: Figures = {
      perConnection: (after - before) / connections / 1e3,
      peak: Usage.peakResident(started.pid) / 1e6
    }
    return figures
  })

const idle = (connections: number): Case => ({
  suite: "idle",
  name: `${connections} connections`,
  base: "node:net",
  peers: {
    "node:net": holding(connections, "bytes-node"),
    core: holding(connections, "bytes-core"),
    respond: holding(connections, "framed-respond"),
    "effect-socket": holding(connections, "framed-effect")
  },
  shows: ["perConnection", "peak"]
})

export const cases: ReadonlyArray<Case> = [idle(5000), idle(10_000)]
