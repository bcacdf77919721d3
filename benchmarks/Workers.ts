// One server and several workers, on all cores and beside what asks: where a worker costs no more CPU a frame than a server
// alone, as many cores serve as many times the frames.
import * as Effect from "effect/Effect"
import * as Child from "./Child.ts"
import * as LoadGenerator from "./LoadGenerator.ts"
import { sums } from "./Rpc.ts"
import type { Case, Peer } from "./Suite.ts"

const wide = (what: string, workers: number) => Child.serveWide("workers", what, String(workers))

const echo = (workers: number): Peer => (window) =>
  Effect.flatMap(
    wide("echo", workers),
    (server) => LoadGenerator.echo(server, { connections: 64, depth: 128, size: 256 }, window)
  )

const of = (name: string, peer: (workers: number) => Peer): Case => ({
  suite: "workers",
  name,
  base: "1 worker",
  peers: { "1 worker": peer(1), "2 workers": peer(2) },
  shows: ["perSecond", "cpu", "p50", "p99"]
})

export const cases: ReadonlyArray<Case> = [
  of("framed 64x128 256 B", echo),
  of("typed JSON 64x128", (workers) => sums(wide("sum", workers)))
]
