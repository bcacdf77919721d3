import { assert, describe, it } from "@effect/vitest"
import { Client, type RequestError } from "@framewire/client"
import { Lines, Protocol } from "@framewire/framing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as Net from "node:net"
import { bounded, eventually, RawServer } from "./support/index.ts"

const protocol = Protocol.json({
  framing: Lines.make(),
  request: Schema.String,
  response: Schema.String,
  error: Schema.Struct({ code: Schema.Int }),
  push: Schema.Int
})

interface Said {
  readonly _tag: string
  readonly id: number
  readonly request?: string
}

const said = (line: string) => JSON.parse(line) as Said
const say = (socket: Net.Socket, ...replies: ReadonlyArray<object>) =>
  socket.write(replies.map((reply) => `${JSON.stringify(reply)}\n`).join(""))
const response = (id: number | string, response: string) => ({ _tag: "Response", id, response })
const every = { concurrency: "unbounded" } as const

const failing = (client: Client.Client<string, string, unknown, number>) =>
  Effect.map(Effect.flip(client.request("x")), (error) => {
    const { delivery, reason } = error as RequestError.RequestError
    return `${delivery} ${reason._tag}`
  })

describe("Client.request by id", () => {
  it.live("answers in any order are each its own request's", () =>
    bounded(Effect.gen(function*() {
      const asked: Array<Said> = []
      const server = yield* RawServer.make({
        onLine: (line, socket) => {
          asked.push(said(line))
          if (asked.length === 50) {
            say(
              socket,
              ...asked.toReversed().map(({ id, request }) => response(id, `${request}!`))
            )
          }
        }
      })
      const client = yield* Client.connect(protocol, server.address)
      const texts = Array.from({ length: 50 }, (_, index) => `${index}`)
      assert.deepStrictEqual(
        yield* Effect.forEach(texts, client.request, every),
        texts.map((text) => `${text}!`)
      )
      assert.strictEqual(new Set(asked.map(({ id }) => id)).size, 50)
      assert.strictEqual(server.chunks(), 1)
    })))

  it.live("an interrupted request says so once, behind its request, and keeps its id until the reply", () =>
    bounded(Effect.gen(function*() {
      let socket: Net.Socket | undefined
      const server = yield* RawServer.make({ onConnection: (it) => void (socket = it) })
      const client = yield* Client.connect({ ...protocol, maxId: 2 }, server.address)
      const first = yield* Effect.forkChild(client.request("first"), { startImmediately: true })
      yield* Fiber.interrupt(first)
      const second = yield* Effect.forkChild(client.request("second"), { startImmediately: true })
      const third = yield* Effect.forkChild(client.request("third"), { startImmediately: true })
      yield* eventually(() => server.lines().length >= 3)
      yield* Effect.sleep("20 millis")
      assert.deepStrictEqual(server.lines().map(said).map(({ _tag, id }) => [_tag, id]), [
        ["Request", 1],
        ["Cancel", 1],
        ["Request", 2]
      ])
      assert(socket !== undefined)
      say(socket, { _tag: "Cancelled", id: 1 })
      yield* eventually(() => server.lines().length === 4)
      assert.deepInclude(said(server.lines()[3]!), { _tag: "Request", id: 1, request: "third" })
      say(socket, response(1, "3"), response(2, "2"))
      assert.deepStrictEqual(yield* Effect.all([Fiber.join(second), Fiber.join(third)]), ["2", "3"])
    })))

  it.live("a protocol without cancel says nothing", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make()
      const client = yield* Client.connect({ ...protocol, cancels: false }, server.address)
      const fiber = yield* Effect.forkChild(client.request("a"), { startImmediately: true })
      yield* eventually(() => server.lines().length === 1)
      yield* Fiber.interrupt(fiber)
      yield* Effect.sleep("20 millis")
      assert.lengthOf(server.lines(), 1)
    })))

  it.live("the protocol's error is the failure; one that was given up unasked is not an answer", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({
        onLine: (line, socket) => {
          const { id, request } = said(line)
          say(socket, request === "no" ? { _tag: "Failure", id, error: { code: 5 } } : { _tag: "Cancelled", id })
        }
      })
      const client = yield* Client.connect(protocol, server.address)
      assert.deepStrictEqual(yield* Effect.flip(client.request("no")), { code: 5 })
      assert.strictEqual(yield* failing(client), "Answered RequestCancelled")
      assert.deepStrictEqual(yield* Effect.flip(client.request("no")), { code: 5 })
    })))

  const drops: Record<string, readonly [(id: number) => string, string]> = {
    "an answer to no request": [(id) => JSON.stringify(response(id + 1, "")), "MaybeSent UnexpectedAnswer"],
    "an answer whose id is of another kind": [
      (id) => JSON.stringify(response(`${id}`, "")),
      "MaybeSent UnexpectedAnswer"
    ],
    "a reply that the codec refuses": [() => "nonsense", "MaybeSent MessageError"]
  }
  for (const [name, [reply, expected]] of Object.entries(drops)) {
    it.live(`${name} ends the line`, () =>
      bounded(Effect.gen(function*() {
        const server = yield* RawServer.make({
          onLine: (line, socket) => void socket.write(`${reply(said(line).id)}\n`)
        })
        const client = yield* Client.connect(protocol, server.address)
        assert.strictEqual(yield* failing(client), expected)
        assert.strictEqual(yield* failing(client), expected.replace("MaybeSent", "NotSent"))
        yield* client.closed
        assert.deepStrictEqual(yield* Stream.runCollect(client.pushes), [])
      })))
  }

  it.live("pushes are kept until they are taken, and too many end the line", () =>
    bounded(Effect.gen(function*() {
      for (const count of [3, 4]) {
        const pushes = Array.from({ length: count }, (_, push) => ({ _tag: "Push", push }))
        const server = yield* RawServer.make({
          onLine: (line, socket) => say(socket, ...pushes, response(said(line).id, "a"))
        })
        const client = yield* Client.connect(protocol, server.address, { maxPushes: 3 })
        if (count === 3) {
          assert.strictEqual(yield* client.request("x"), "a")
          assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(client.pushes, 3)), [0, 1, 2])
        } else {
          assert.strictEqual(yield* failing(client), "MaybeSent PushesUnread")
          // What had come is still there.
          assert.deepStrictEqual(yield* Stream.runCollect(client.pushes), [0, 1, 2])
        }
      }
    })))
})
