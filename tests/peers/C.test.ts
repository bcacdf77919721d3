// The system calls themselves: C programs of the two sides, compiled here.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Command from "../support/Command.ts"
import * as Peer from "../support/Peer.ts"
import * as Process from "../support/Process.ts"

/** Compiles a program of this folder, into a place that goes with the test. */
const compile = (name: "client" | "server") =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "framewire-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true }))
    )
    const program = join(folder, name)
    const compiled = yield* Process.run("gcc", ["-Wall", "-Werror", "-o", program, `tests/peers/${name}.c`])
    assert.deepStrictEqual(compiled, { code: 0, stdout: "", stderr: "" })
    return program
  })

const gcc = Peer.gcc()

describe.skipIf(gcc.skipped)(`C${gcc.note}`, () => {
  it("is here", () => assert.isUndefined(gcc.problem))

  it.live("socket, connect, send, recv: gets its lines back from serve echo", () =>
    Effect.gen(function*() {
      const client = yield* compile("client")
      const { port } = yield* Command.serve("lines")
      assert.deepStrictEqual(yield* Process.run(client, [String(port), "one", "", "two"]), {
        code: 0,
        stdout: "one\n\ntwo\n",
        stderr: ""
      })
    }))

  it.live("the same on port 8888, where serve echo listens when it is told no port", (context) =>
    Effect.gen(function*() {
      const client = yield* compile("client")
      const server = yield* Command.start("serve", "echo", "--framing", "lines")
      const [listening] = yield* server.printed(/^listening .*\n|^framewire: .* the address is in use\n/)
      if (!listening.startsWith("listening")) return context.skip("port 8888 is in use")
      assert.strictEqual(listening, "listening 127.0.0.1:8888\n")
      assert.deepStrictEqual(yield* Process.run(client, ["8888", "hello"]), { code: 0, stdout: "hello\n", stderr: "" })
    }))

  it.live("socket, bind, listen, accept, recv, send: connect gets its lines back, and what comes after its FIN", () =>
    Effect.gen(function*() {
      const server = yield* Process.start(yield* compile("server"), [])
      const [, port] = yield* server.printed(/^listening (\d+)\n/)
      assert.deepStrictEqual(yield* Command.connect(Number(port), "lines", "one\n\ntwo"), {
        code: 0,
        stdout: "one\n\ntwo\ngoodbye\n",
        stderr: ""
      })
      const { code, stderr } = yield* server.ended
      assert.deepStrictEqual([code, stderr], [0, ""])
    }))
})
