import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Example from "../support/Example.ts"
import * as Peer from "../support/Peer.ts"
import * as Process from "../support/Process.ts"
import * as Socket from "../support/Socket.ts"

const serve = Example.serve("memcached/server.ts")
const peer = Peer.memcached()

/** What comes back for this, until the server ends the connection. */
const said = (port: number, ...sent: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const socket = yield* Socket.connect(port)
    for (const part of sent) yield* socket.write(part)
    return (yield* socket.ended).text.split("\r\n")
  })

describe("example memcached", () => {
  it.live("answers a batch in order, says nothing where nothing is wanted, and ends with quit", () =>
    Effect.gen(function*() {
      const { port } = yield* serve
      const set = "set a 7 0 5\r\nx\r\ny\n\r\nset b 0 0 0 noreply\r\n\r\nget a b c\r\n"
      assert.deepStrictEqual(
        yield* said(port, set, "delete b\r\ndelete b\r\nincr a 1\r\nadd c 0 0 4\r\nquit\r\nquit\r\n"),
        ["STORED", "VALUE a 7 5", "x", "y\n", "VALUE b 0 0", "", "END", "DELETED", "NOT_FOUND", "ERROR", "ERROR", ""]
      )
    }))

  it.live("has room for so many values, and for those that it has already", () =>
    Effect.gen(function*() {
      const { port } = yield* serve
      const sets = Array.from({ length: 257 }, (_, index) => `set ${index} 0 0 1\r\nx\r\n`)
      const lines = yield* said(port, ...sets, "set 0 0 0 1\r\ny\r\nquit\r\n")
      assert.deepStrictEqual(lines.slice(-4), ["STORED", "SERVER_ERROR out of memory storing object", "STORED", ""])
    }))

  it.live("refuses what it cannot tell the end of, and what is too large, before it is there", () =>
    Effect.gen(function*() {
      const { port } = yield* serve
      const last = (text: string) => Effect.map(said(port, "version\r\n", text), (lines) => lines.slice(1).join("|"))
      assert.match(yield* last("set a 0 0 -1\r\n"), /^CLIENT_ERROR the length is invalid: -1\|$/)
      assert.match(yield* last("set a 0 0 1048577\r\n"), /^CLIENT_ERROR the length is invalid: 1048577\|$/)
      assert.match(yield* last("set a 0 0 1\r\nab\r\n"), /^CLIENT_ERROR the frame is malformed: no CRLF\|$/)
      assert.match(yield* last("x".repeat(2049)), /^CLIENT_ERROR .+2048.*\|$/)
    }))

  describe.skipIf(peer.skipped)(`libmemcached${peer.note}`, () => {
    it("is here", () => assert.isUndefined(peer.problem))

    it.live("stores, reads, counts and removes", () =>
      Effect.gen(function*() {
        const home = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "framewire-memcached-"))),
          (home) => Effect.sync(() => rmSync(home, { recursive: true }))
        )
        const value = "a line\n\u20ac\r\n".repeat(50_000)
        writeFileSync(join(home, "key"), value)
        const { port } = yield* serve
        const run = (program: string, ...args: ReadonlyArray<string>) =>
          Process.run(program, [`--servers=127.0.0.1:${port}`, ...args])
        const good = (stdout: string) => ({ code: 0, stdout, stderr: "" })
        assert.deepStrictEqual(yield* run("memccp", join(home, "key")), good(""))
        // It ends what it prints in a newline of its own.
        assert.deepStrictEqual(yield* run("memccat", "key"), good(`${value}\n`))
        assert.match((yield* run("memcstat")).stdout, /curr_items: 1\n/)
        assert.deepStrictEqual(yield* run("memcrm", "key"), good(""))
        assert.strictEqual((yield* run("memccat", "key")).code, 1)
      }))
  })
})
