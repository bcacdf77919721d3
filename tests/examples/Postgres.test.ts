import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import * as Example from "../support/Example.ts"
import * as Peer from "../support/Peer.ts"
import * as Postgres from "../support/Postgres.ts"
import * as Process from "../support/Process.ts"
import * as Socket from "../support/Socket.ts"

const certificate = (file: string) => join(import.meta.dirname, "..", "support", "certificates", file)
const serve = (upstream: number) =>
  Example.serve("postgres/server.ts", {
    CERTIFICATE: certificate("server.pem"),
    KEY: certificate("server.key"),
    UPSTREAM: String(upstream)
  })
const psql = (port: number, options: string, ...queries: ReadonlyArray<string>) => {
  const target = `host=localhost hostaddr=127.0.0.1 port=${port} user=ann dbname=postgres ${options}`
  return Process.run("psql", ["-X", "-A", "-t", "--no-password", target], queries.map((it) => `${it};\n`).join(""))
}

describe("example postgres", () => {
  const problem = Peer.psql().problem ?? Postgres.problem
  const skipped = problem !== undefined && process.env["FRAMEWIRE_REQUIRE_PEERS"] === undefined
  describe.skipIf(skipped)(`psql and a server of PostgreSQL${problem === undefined ? "" : `: ${problem}`}`, () => {
    it("are here", () => assert.isUndefined(problem))

    it.live("psql verifies the proxy, and has its answers from the server behind it", () =>
      Effect.gen(function*() {
        const { port } = yield* serve(yield* Postgres.serve)
        const tls = `sslmode=verify-full sslrootcert=${certificate("ca.pem")}`
        const sum = "select sum(length(x)) from (select repeat('\u20ac', 1000) x from generate_series(1, 1000)) t"
        const large = yield* psql(port, tls, "select repeat('x', 3000000)", sum, "nonsense")
        assert.strictEqual(large.code, 0)
        assert.strictEqual(large.stdout, `${"x".repeat(3_000_000)}\n1000000\n`)
        assert.match(large.stderr, /^ERROR: {2}syntax error at or near "nonsense"/)
      }))
  })

  describe.skipIf(Peer.psql().skipped)(`psql${Peer.psql().note}`, () => {
    it.live("is told why, where it does not want TLS", () =>
      Effect.gen(function*() {
        const { port } = yield* serve(yield* Socket.refusing)
        const { code, stderr } = yield* psql(port, "sslmode=disable")
        assert.strictEqual(code, 2)
        assert.match(stderr, /FATAL: {2}this proxy wants TLS/)
      }))

    it.live("hears the end of a connection that leads nowhere", () =>
      Effect.gen(function*() {
        const { port } = yield* serve(yield* Socket.refusing)
        const { code, stderr } = yield* psql(port, "sslmode=require")
        assert.strictEqual(code, 2)
        assert.match(stderr, /SSL connection has been closed unexpectedly/)
      }))
  })
})
