// A real PostgreSQL on a free port of 127.0.0.1, with a database of its own that is gone with the scope.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { chownSync, globSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import * as Process from "./Process.ts"
import * as Socket from "./Socket.ts"

/** Debian has its programs in a folder of the version. */
const programs = globSync("/usr/lib/postgresql/*/bin/postgres").toSorted().map((path) => dirname(path)).at(-1)

/** Why there is none. */
export const problem = programs === undefined ? "no postgres (in Debian: postgresql)" : undefined

// It refuses to be root.
const isRoot = process.getuid?.() === 0
const run = (name: string, args: ReadonlyArray<string>): [string, ReadonlyArray<string>] => {
  const program = join(programs ?? "", name)
  return isRoot ? ["setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", program, ...args]] : [program, args]
}

/** Starts it, and gives its port. Its user is `ann`, whom it trusts. */
export const serve: Effect.Effect<number, never, Scope.Scope> = Effect.gen(function*() {
  const home = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "framewire-postgres-"))),
    (home) => Effect.sync(() => rmSync(home, { recursive: true, force: true }))
  )
  if (isRoot) chownSync(home, 65_534, 65_534)
  const data = join(home, "data")
  const made = yield* Process.run(...run("initdb", ["-D", data, "-U", "ann", "-A", "trust", "-E", "UTF8", "-N"]))
  if (made.code !== 0) return yield* Effect.die(new Error(made.stderr))
  const port = yield* Socket.freePort
  const server = yield* Process.start(
    ...run("postgres", ["-D", data, "-p", String(port), "-h", "127.0.0.1", "-k", home, "-F"])
  )
  // By SIGKILL, with which the scope ends it, it would leave its own children behind for a moment.
  yield* Effect.addFinalizer(() => Effect.andThen(server.signal("SIGQUIT"), server.ended))
  yield* server.printed(/database system is ready to accept connections/)
  return port
})
