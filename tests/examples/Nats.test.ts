import { assert, describe, it } from "@effect/vitest"
import { connect } from "@nats-io/transport-node"
import * as Effect from "effect/Effect"
import * as Example from "../support/Example.ts"
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
      assert.deepStrictEqual(yield* said("SUB a 1\r\nPING\r\nPUB a 1048577\r\n"), ["PONG", ""])
      assert.deepStrictEqual(yield* said("SUB a 1\r\nUNSUB 1\r\nSUB a 2\r\nSUB a 2\r\nPUB a r 0\r\n\r\nQUIT\r\n"), [
        "MSG a 2 r 0",
        "",
        "-ERR 'Unknown Protocol Operation'",
        ""
      ])
    }))
})
