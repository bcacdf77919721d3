// apps/demo/cluster/run.sh on free ports of 127.0.0.1: PostgreSQL, two nodes of the rooms, and HAProxy in front of them.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Peer from "./Peer.ts"
import * as Process from "./Process.ts"
import * as Socket from "./Socket.ts"

const needed = [Peer.postgresql(), Peer.haproxy(), Peer.netcat()]

/** All three programs. */
export const peers: Pick<Peer.Peer, "skipped" | "note"> = {
  skipped: needed.some(({ skipped }) => skipped),
  note: needed.map(({ note }) => note).join("")
}

const ports = [
  ...["POSTGRES", "FRONT_LINES", "FRONT_TYPED"],
  ...["A", "B"].flatMap((node) => ["NODE", "LINES", "TYPED", "WEB"].map((port) => `${node}_${port}`))
]

export interface Cluster {
  /** By the names that the script has for them. */
  readonly port: (name: string) => number
  readonly signal: (who: "postgres" | "node a" | "node b", signal: NodeJS.Signals) => Effect.Effect<void>
  /** Stops all of it, in order. */
  readonly stop: Effect.Effect<Process.Ended>
}

/** A directory for what a cluster keeps. */
export const directory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "framewire-cluster-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Once everything is ready; stopped with the scope. */
export const start = (data: string, ...args: ReadonlyArray<string>): Effect.Effect<Cluster, never, Scope.Scope> =>
  Effect.gen(function*() {
    // All are held until all are known: none is given twice.
    const free = yield* Effect.scoped(Effect.forEach(ports, () => Socket.listen(() => {})))
    const numbers = new Map(ports.map((name, nth) => [name, free[nth] ?? 0]))
    const script = yield* Effect.acquireRelease(
      Process.start("env", [
        `DIR=${data}`,
        ...Array.from(numbers, ([name, port]) => `${name}=${port}`),
        "apps/demo/cluster/run.sh",
        ...args
      ]),
      // Killed, it would leave its children.
      (script) => Effect.andThen(script.signal("SIGTERM"), script.ended)
    )
    const [, postgres, a, b] = yield* script.printed(
      /^postgres (\d+)\nnode a (\d+) .*\nnode b (\d+) .*\nhaproxy \d+\nlines .*\ntyped .*\nready\n/m
    )
    const pids = { postgres: Number(postgres), "node a": Number(a), "node b": Number(b) }
    return {
      port: (name) => numbers.get(name) ?? 0,
      signal: (who, signal) => Effect.sync(() => void process.kill(pids[who], signal)),
      stop: Effect.andThen(script.signal("SIGTERM"), script.ended)
    }
  })
