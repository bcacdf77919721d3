// What a connection costs that does nothing: how much more is resident with so many more of them, after a collection that
// gives back what is free. None is closed before the last is counted: memory that one had used would be free for others.
import * as Effect from "effect/Effect"
import * as Child from "./Child.ts"
import type { Figures } from "./Figure.ts"
import * as LoadGenerator from "./LoadGenerator.ts"
import type { Case, Peer } from "./Suite.ts"
import * as Usage from "./Usage.ts"

/** Open before those that are counted: by then what serves them is loaded and compiled, and the heap has its form. */
const first = 1000

const collected = (server: Child.Server) =>
  Effect.gen(function*() {
    // Some turns of the loop after the last echo.
    yield* Effect.sleep("300 millis")
    yield* server.write("collect\n")
    yield* server.line(/^collected$/)
    return Usage.resident(server.pid)
  })

const holding = (connections: number, server: string): Peer => () =>
  Effect.gen(function*() {
    if (!Usage.isKnown) return yield* new Child.BenchError({ message: "memory is known on Linux only" })
    const started = yield* Child.serve(server)
    yield* LoadGenerator.hold(started, { connections: first, size: 64 })
    const before = yield* collected(started)
    yield* LoadGenerator.hold(started, { connections, size: 64 })
    const after = yield* collected(started)
    const figures: Figures = { perConnection: (after - before) / connections / 1e3, resident: after / 1e6 }
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
  shows: ["perConnection", "resident"]
})

export const cases: ReadonlyArray<Case> = [idle(5000), idle(10_000)]
