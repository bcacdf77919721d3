// Short lives: accept, one echo, close.
import * as Effect from "effect/Effect"
import * as Child from "./Child.ts"
import * as LoadGenerator from "./LoadGenerator.ts"
import type { Case, Peer } from "./Suite.ts"

const visited = (server: string): Peer => (window) =>
  Effect.flatMap(
    Child.serve(server),
    (started) => LoadGenerator.accept(started, { connections: 64, size: 64 }, window)
  )

export const cases: ReadonlyArray<Case> = [{
  suite: "connect",
  name: "64 at a time",
  base: "node:net",
  peers: {
    "node:net": visited("bytes-node"),
    core: visited("bytes-core"),
    "by hand": visited("framed-node"),
    respond: visited("framed-respond"),
    "effect-socket": visited("framed-effect")
  },
  shows: ["perSecond", "cpu", "peak", "p50", "p99"]
}]
