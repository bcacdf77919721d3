import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Example from "./support/Example.ts"
import * as Peer from "./support/Peer.ts"
import * as Process from "./support/Process.ts"
import * as Socket from "./support/Socket.ts"

describe("examples", () => {
  it.live("echo: the ten lines of the README answer, and drain on SIGTERM", () =>
    Effect.gen(function*() {
      const { port, ...server } = yield* Example.serve("echo/server.ts")
      const client = yield* Socket.connect(port)
      yield* client.write("hello\r\nworld\n")
      assert.strictEqual(yield* client.received(12), "hello\nworld\n")
      yield* server.signal("SIGTERM")
      const { by } = yield* client.ended
      assert.strictEqual(by, "FIN")
      yield* client.end
      assert.strictEqual((yield* server.ended).code, 130)
    }).pipe(Effect.scoped))

  const nc = Peer.netcat()
  it.live.skipIf(nc.skipped)(`echo: nc gets its lines back${nc.note}`, () =>
    Effect.gen(function*() {
      assert.isUndefined(nc.problem)
      const { port } = yield* Example.serve("echo/server.ts")
      const ended = yield* Process.run("nc", ["-N", "127.0.0.1", String(port)], "hello\n\u20ac")
      assert.deepStrictEqual(ended, { code: 0, stdout: "hello\n\u20ac\n", stderr: "" })
    }).pipe(Effect.scoped))

  it.live("request: both ends of one protocol", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* Example.run("request/main.ts")
      assert.deepStrictEqual([code, stdout, stderr], [0, "6 42\n", ""])
    }))

  it.live("effect-schema: definitions of the old package are messages on our codecs", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* Example.run("effect-schema/main.ts")
      assert.match(
        stdout,
        /^7 2024-02-29T12:00:00\.000Z \[ \{ article: 'tea', count: 1 \} \]\nthe frame is malformed: /
      )
      assert.match(stdout, /Expected Positive, actual 0, in frame 1, at byte 83 of the stream\n$/)
      assert.deepStrictEqual([code, stderr], [0, ""])
    }))

  it.live("multiplex: a greeting, and requests by id", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* Example.run("multiplex/main.ts")
      assert.deepStrictEqual([code, stderr], [0, ""])
      const [one, two, ...rest] = stdout.trimEnd().split("\n")
      assert.sameMembers([one, two], ["Rome: 4", "Atlantis: unknown"])
      assert.deepStrictEqual(rest, [
        "Oslo: 4",
        "wind in Rome",
        "wind in Oslo",
        "version 1 is refused, the oldest is 2"
      ])
    }))
})
