// dig asks over TCP as every resolver does: two length bytes before each message, several on one connection.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { readFileSync } from "node:fs"
import * as Peer from "../support/Peer.ts"
import * as Process from "../support/Process.ts"
import * as Socket from "../support/Socket.ts"

const example = "examples/dns/server.ts"

/** The server of the example, once it accepts connections: it prints nothing. */
const serve = Effect.gen(function*() {
  const port = yield* Socket.freePort
  const code = `process.env.PORT = "${port}"; await import("./${example}")`
  yield* Process.start(process.execPath, ["--conditions=@framewire/source", "--input-type=module", "-e", code])
  const probe = yield* Socket.connect(port).pipe(
    Effect.retry(Schedule.spaced("20 millis")),
    Effect.timeout("10 seconds")
  )
  yield* probe.end
  return (...args: ReadonlyArray<string>) =>
    Process.run("dig", ["+tcp", "+tries=1", "+time=10", "@127.0.0.1", "-p", String(port), ...args])
})

const peer = Peer.dig()

it("the DNS server of the examples has 40 lines at most", () => {
  assert.isAtMost(readFileSync(example, "utf8").trimEnd().split("\n").length, 40)
})

describe.skipIf(peer.skipped)(`dig${peer.note}`, () => {
  it("is here", () => assert.isUndefined(peer.problem))

  it.live("+tcp gets an answer from the DNS server of the examples", () =>
    Effect.gen(function*() {
      const dig = yield* serve
      assert.deepStrictEqual(yield* dig("+short", "www.framewire.test"), {
        code: 0,
        stdout: "192.0.2.80\n",
        stderr: ""
      })
      const { code, stdout } = yield* dig("+noall", "+comments", "+answer", "WWW.framewire.TEST")
      assert.strictEqual(code, 0)
      assert.match(stdout, /status: NOERROR.*flags: qr aa rd; QUERY: 1, ANSWER: 1,/s)
      assert.match(stdout, /^WWW\.framewire\.TEST\.\s+60\s+IN\s+A\s+192\.0\.2\.80$/m)
    }))

  it.live("+keepopen asks several times on one connection, and each is answered: what is there, what is not", () =>
    Effect.gen(function*() {
      const dig = yield* serve
      const names = [
        "framewire.test",
        "A",
        "nobody.framewire.test",
        "A",
        "framewire.test",
        "AAAA",
        "framewire.test",
        "A"
      ]
      const { code, stdout } = yield* dig("+keepopen", "+noall", "+comments", ...names)
      assert.strictEqual(code, 0)
      const answers = Array.from(stdout.matchAll(/status: (\w+),[^;]*;; flags[^;]*; QUERY: 1, ANSWER: (\d)/g))
      assert.deepStrictEqual(answers.map(([, status, count]) => [status, count]), [
        ["NOERROR", "1"],
        ["NXDOMAIN", "0"],
        ["NOERROR", "0"],
        ["NOERROR", "1"]
      ])
    }))
})
