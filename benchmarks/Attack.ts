// How long those wait who ask in good faith, while others attack the same process.
import * as Effect from "effect/Effect"
import * as Child from "./Child.ts"
import * as LoadGenerator from "./LoadGenerator.ts"
import type { Case, Peer } from "./Suite.ts"

export const name = "64 at 2000/s 64 B"
const load: LoadGenerator.Load = { connections: 64, size: 64, rate: 2000, sleeps: true }

/** The attackers are on the core of those who ask, and behind them: what these wait for is the server. */
const attacked = (kind?: string, program = "attacked"): Peer => (window) =>
  Effect.gen(function*() {
    const server = yield* Child.serve(program)
    yield* Child.favour(server.pid)
    if (kind !== undefined) {
      const [, tls, proxy] = program === "attacked" ? yield* server.line(/^beside (\d+) (\d+)$/) : []
      const port = kind === "garbage for TLS" ? tls : kind === "forged PROXY" ? proxy : server.port
      const attackers = yield* Child.start(Child.node("attackers.ts", kind, String(port)), Child.cores.load)
      yield* attackers.line(/^attacking$/)
    }
    return yield* LoadGenerator.echo(server, load, window)
  })

export const kinds = [
  "slow header",
  "one byte a second",
  "never reads",
  "too long frames",
  "one that floods",
  "resets",
  "connects and vanishes",
  "garbage for TLS",
  "forged PROXY"
]

/** The same of a careful server on node:net, which has no bounds to keep: what one thread can do. */
const byHand = Object.fromEntries(
  [undefined, "never reads", "one that floods", "resets", "connects and vanishes"].map((kind) => [
    `by hand: ${kind ?? "nobody"}`,
    attacked(kind, "framed-node")
  ])
)

export const cases: ReadonlyArray<Case> = [{
  suite: "attack",
  name,
  base: "nobody",
  peers: { nobody: attacked(), ...Object.fromEntries(kinds.map((kind) => [kind, attacked(kind)])), ...byHand },
  shows: ["p99", "p50", "p999", "cpu", "peak"]
}]
