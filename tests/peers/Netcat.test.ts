// netcat is the plainest peer there is: bytes in, bytes out, and with -N a FIN when its input ends.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Command from "../support/Command.ts"
import * as Peer from "../support/Peer.ts"
import * as Process from "../support/Process.ts"

/** `nc -l` on a free port of 127.0.0.1, which it sends this to and then FIN. */
const listen = (...options: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const peer = yield* Process.start("nc", ["-v", "-n", "-l", ...options, "127.0.0.1", "0"])
    const [, port] = yield* peer.printed(/^Listening on \S+ (\d+)\n/)
    return { ...peer, port: Number(port) }
  })

const nc = Peer.netcat()

describe.skipIf(nc.skipped)(`netcat${nc.note}`, () => {
  it("is here", () => assert.isUndefined(nc.problem))

  it.live("gets its lines back from serve echo, then FIN", () =>
    Effect.gen(function*() {
      const { port } = yield* Command.serve("lines")
      assert.deepStrictEqual(yield* Process.run("nc", ["-N", "127.0.0.1", String(port)], "one\n\ntwo\r\nlast"), {
        code: 0,
        stdout: "one\n\ntwo\nlast\n",
        stderr: ""
      })
    }))

  it.live("gets its bytes back from serve echo with a length in front, then FIN", () =>
    Effect.gen(function*() {
      const { port } = yield* Command.serve("u16be")
      const frames = "\0\x03one\0\0\0\x03two"
      assert.deepStrictEqual(yield* Process.run("nc", ["-N", "127.0.0.1", String(port)], frames), {
        code: 0,
        stdout: frames,
        stderr: ""
      })
    }))

  it.live("is told by FIN that serve echo drains, and got every answer before", () =>
    Effect.gen(function*() {
      const serving = yield* Command.serve("lines", "--delay", "500")
      const client = yield* Process.start("nc", ["-N", "127.0.0.1", String(serving.port)])
      yield* client.write("one\ntwo\n")
      yield* client.printed(/^one\n/)
      yield* serving.signal("SIGTERM")
      yield* client.printed(/^one\ntwo\n/)
      yield* client.end
      assert.deepStrictEqual(yield* client.ended, { code: 0, stdout: "one\ntwo\n", stderr: "" })
      const { code } = yield* serving.ended
      assert.strictEqual(code, 0)
    }))

  it.live("serves connect: each gets the lines of the other, whoever sends FIN first", () =>
    Effect.gen(function*() {
      for (const first of ["nc", "connect"] as const) {
        const peer = yield* listen("-N")
        const client = yield* Command.start("connect", `127.0.0.1:${peer.port}`, "--framing", "lines")
        yield* peer.write("from nc\n")
        yield* client.write("from connect\n")
        yield* client.printed(/^from nc\n/)
        yield* peer.printed(/^from connect\n/)
        yield* first === "nc" ? peer.end : client.end
        if (first === "connect") {
          // The FIN of connect is out: nc may still send.
          yield* peer.write("and more")
          yield* peer.end
        }
        assert.deepStrictEqual(yield* client.ended, {
          code: 0,
          stdout: first === "nc" ? "from nc\n" : "from nc\nand more\n",
          stderr: ""
        })
        const { code, stdout } = yield* peer.ended
        assert.deepStrictEqual([code, stdout], [0, "from connect\n"])
      }
    }))
})
