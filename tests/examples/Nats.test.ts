import { assert, describe, it } from "@effect/vitest"
import { connect } from "@nats-io/transport-node"
import * as Effect from "effect/Effect"
import * as Example from "../support/Example.ts"
import * as Peer from "../support/Peer.ts"
import * as Process from "../support/Process.ts"
import * as Socket from "../support/Socket.ts"

const serve = Example.serve("nats/server.ts")

describe("example nats", () => {
  it.live("serves the client of NATS: subjects, wildcards, a bounded subscription, request and reply", () =>
    Effect.gen(function*() {
      const { port } = yield* serve
      yield* Effect.promise(async () => {
        const options = { servers: `127.0.0.1:${port}`, reconnect: false }
        const [one, two] = await Promise.all([connect(options), connect(options)])
        try {
          const heard: Array<string> = []
          const hear = (subject: string, max?: number) =>
            one.subscribe(subject, {
              ...(max === undefined ? {} : { max }),
              callback: (_, message) => void heard.push(`${subject} ${message.subject} ${message.string()}`)
            })
          hear("a.*")
          hear("a.>")
          hear("a.b", 1)
          one.subscribe("square", {
            callback: (_, message) => void message.respond(String(Number(message.string()) ** 2))
          })
          await one.flush()
          two.publish("a.b", "1\r\n\u20ac")
          two.publish("a.b", "2")
          two.publish("a.b.c", "3")
          two.publish("a", "4")
          assert.strictEqual((await two.request("square", "12", { timeout: 10_000 })).string(), "144")
          const first = "a.b 1\r\n\u20ac"
          assert.sameMembers(heard, [
            `a.* ${first}`,
            `a.> ${first}`,
            `a.b ${first}`,
            "a.* a.b 2",
            "a.> a.b 2",
            "a.> a.b.c 3"
          ])
        } finally {
          await Promise.all([one.close(), two.close()])
        }
      })
    }))

  it.live("ends a connection that says something else, or more than it may, and forgets its subscriptions", () =>
    Effect.gen(function*() {
      const { port } = yield* serve
      const said = (text: string) =>
        Effect.gen(function*() {
          const socket = yield* Socket.connect(port)
          yield* socket.write(text)
          return (yield* socket.ended).text.split("\r\n").slice(1)
        })
      assert.deepStrictEqual(yield* said("HELLO\r\n"), ["-ERR 'Unknown Protocol Operation'", ""])
      assert.deepStrictEqual(yield* said("SUB a 1\r\nPING\r\nPUB a 1048577\r\n"), [
        "PONG",
        "-ERR 'a frame of 1048579 bytes, 1048578 are allowed'",
        ""
      ])
      assert.deepStrictEqual(
        yield* said(
          "SUB a 1\r\nUNSUB 1\r\nSUB a 2\r\nUNSUB 2 1\r\nPUB a 0\r\n\r\nSUB a 2\r\nPUB a r 0\r\n\r\nQUIT\r\n"
        ),
        [
          "MSG a 2 0",
          "",
          "MSG a 2 r 0",
          "",
          "-ERR 'Unknown Protocol Operation'",
          ""
        ]
      )
    }))

  const nc = Peer.netcat()
  describe.skipIf(nc.skipped)(`nc${nc.note}`, () => {
    it("is here", () => assert.isUndefined(nc.problem))

    it.live("a subscriber that does not read is left behind, and nobody waits for it", () =>
      Effect.gen(function*() {
        const { port } = yield* serve
        const slow = yield* Process.start("nc", ["127.0.0.1", String(port)])
        yield* slow.write("SUB a 1\r\nPING\r\n")
        yield* slow.printed(/PONG/)
        yield* slow.signal("SIGSTOP")
        const publisher = yield* Socket.connect(port)
        const { length } = yield* publisher.received(1)
        const message = `PUB a 100000\r\n${"x".repeat(100_000)}\r\n`
        // More than the kernel keeps for the two of them.
        for (let index = 0; index < 200; index++) yield* publisher.write(message)
        yield* publisher.write("PING\r\n")
        assert.match((yield* publisher.received(length + 6)).slice(length), /^PONG\r\n$/)
        yield* slow.signal("SIGCONT")
        const { stdout } = yield* slow.ended
        assert.isBelow(stdout.split("MSG a 1").length, 200)
      }))
  })
})
