// Typed JSON, requests and answers: the server alone, asked by the load generator, and both ends together.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Child from "./Child.ts"
import * as LoadGenerator from "./LoadGenerator.ts"
import { request, sum } from "./rpc/Sum.ts"
import type { Case, Peer } from "./Suite.ts"

/** What a client of that server would write, and has to get. */
type Exchange = (i: number) => readonly [request: unknown, answer: unknown]

const plain: Exchange = (i) => [request(i), sum(request(i))]

const effectRpc: Exchange = (i) => [
  { _tag: "Request", id: String(i), tag: "Sum", payload: request(i), headers: [] },
  { _tag: "Exit", requestId: String(i), exit: { _tag: "Success", value: sum(request(i)) } }
]

// More than are in flight, so that no id is in use twice.
const exchanges = 1024

const file = (exchange: Exchange): Buffer =>
  Buffer.concat(
    Array.from({ length: exchanges }, (_, i) => exchange(i)).flat().flatMap((message) => {
      const line = Buffer.from(`${JSON.stringify(message)}\n`)
      const size = Buffer.alloc(4)
      size.writeUInt32BE(line.length)
      return [size, line]
    })
  )

/** `serve` starts what is asked, 64 times 128 requests at a time. */
const asking =
  (serve: Effect.Effect<Child.Server, Child.BenchError, Scope.Scope>, exchange: Exchange): Peer => (window) =>
    Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "framewire-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
      )
      const path = join(folder, "exchange")
      writeFileSync(path, file(exchange))
      return yield* LoadGenerator.echo(yield* serve, { connections: 64, depth: 128, exchange: path }, window)
    })

export const sums = (serve: Effect.Effect<Child.Server, Child.BenchError, Scope.Scope>): Peer => asking(serve, plain)

const serving = (server: string, exchange: Exchange, ...how: ReadonlyArray<string>): Peer =>
  asking(Child.serve(server, ...how), exchange)

const bothEnds = (inFlight: number) => (name: string, ...how: ReadonlyArray<string>): Peer => ({ seconds, warmup }) =>
  Effect.gen(function*() {
    const started = yield* Child.serve(`rpc-${name}`, ...how)
    const args = [...[started.port, inFlight, seconds, warmup].map(String), ...how]
    return yield* LoadGenerator.measure(started, Child.node(`clients/${name}.ts`, ...args))
  })

const together = (inFlight: number): Case => {
  const peer = bothEnds(inFlight)
  return {
    suite: "rpc",
    name: `both ends, ${inFlight} in flight`,
    base: "by hand",
    peers: {
      "by hand": peer("node"),
      framewire: peer("framewire"),
      "effect/rpc": peer("effect"),
      "effect/rpc untraced": peer("effect", "untraced")
    },
    shows: ["perSecond", "cpu", "loadCpu", "peak", "p50", "p99", "p999"],
    asks: "client"
  }
}

export const cases: ReadonlyArray<Case> = [
  {
    suite: "rpc",
    name: "respond 64x128",
    base: "by hand",
    peers: {
      "by hand": serving("rpc-node", plain),
      framewire: serving("rpc-framewire", plain),
      "effect/rpc": serving("rpc-effect", effectRpc),
      "effect/rpc untraced": serving("rpc-effect", effectRpc, "untraced")
    },
    shows: ["perSecond", "cpu", "peak", "p50", "p99", "p999"]
  },
  together(64),
  together(1)
]
