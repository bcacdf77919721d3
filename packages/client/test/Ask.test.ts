import { assert, describe, it } from "@effect/vitest"
import { Client, type RequestError } from "@framewire/client"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type * as Net from "node:net"
import { bounded, eventually, lines, RawServer } from "./support/index.ts"

const range = (count: number) => Array.from({ length: count }, (_, index) => `${index}`)
const echo = (line: string, socket: Net.Socket) => socket.write(`${line}\n`)

const outcome = (exit: Exit.Exit<string, RequestError.RequestError>) => {
  if (Exit.isSuccess(exit)) return exit.value
  const error = exit.cause.reasons.find((it) => it._tag === "Fail")?.error
  return error === undefined ? "defect" : `${error.delivery} ${error.reason._tag}`
}

describe("Client.requestAll", () => {
  it.live("many are one write, and the outcomes are in their order", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({ onLine: echo })
      const client = yield* Client.connect(lines, server.address)
      const outcomes = yield* client.requestAll(range(500))
      assert.deepStrictEqual(outcomes.map(outcome), range(500))
      assert.strictEqual(server.chunks(), 1)
      assert.deepStrictEqual(yield* client.requestAll([]), [])
    })))

  it.live("each has its own outcome: one that is refused, those that the end of the line meets", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({
        onLine: (line, socket) => line === "2" ? socket.resetAndDestroy() : echo(line, socket)
      })
      const client = yield* Client.connect(lines, server.address, { maxInFlight: 3 })
      const outcomes = yield* client.requestAll(["0", "not\na line", "1", "2", "3", "4", "5"])
      assert.strictEqual(outcome(outcomes[1]!), "NotSent MessageError")
      const sent = outcomes.map(outcome).filter((it) => it.startsWith("MaybeSent"))
      assert.isAtLeast(sent.length, 1)
      // What the server saw is the judge.
      const arrived = new Set(server.lines())
      for (const [index, line] of ["0", "", "1", "2", "3", "4", "5"].entries()) {
        if (outcome(outcomes[index]!).startsWith("NotSent")) assert.isFalse(arrived.has(line))
      }
    })))

  it.live("those that the codec refuses take no place, and nothing of them is sent", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({ onLine: echo })
      const client = yield* Client.connect(lines, server.address, { maxInFlight: 2 })
      const outcomes = yield* client.requestAll(["a\n", "0", "b\n", "c\n", "1", "2", "d\n"])
      const refused = "NotSent MessageError"
      assert.deepStrictEqual(outcomes.map(outcome), [refused, "0", refused, refused, "1", "2", refused])
      assert.deepStrictEqual(server.lines(), ["0", "1", "2"])
      yield* client.drain
    })))

  it.live("more than may be in flight go one after the other, and interruption misaligns nothing", () =>
    bounded(Effect.gen(function*() {
      let most = 0
      const held: Array<() => void> = []
      const server = yield* RawServer.make({
        onLine: (line, socket) => {
          held.push(() => echo(line, socket))
          most = Math.max(most, held.length)
        }
      })
      const client = yield* Client.connect(lines, server.address, { maxInFlight: 4 })
      const all = yield* Effect.forkChild(client.requestAll(range(20)), { startImmediately: true })
      yield* eventually(() => held.length === 4)
      yield* Fiber.interrupt(all)
      const then = yield* Effect.forkChild(client.requestAll(["a", "b"]), { startImmediately: true })
      for (const answer of held.splice(0)) answer()
      yield* eventually(() => held.length === 2)
      for (const answer of held.splice(0)) answer()
      assert.deepStrictEqual((yield* Fiber.join(then)).map(outcome), ["a", "b"])
      assert.strictEqual(most, 4)
      assert.deepStrictEqual(server.lines(), ["0", "1", "2", "3", "a", "b"])
    })))
})

describe("Client.send", () => {
  it.live("waits for the kernel, not for the answer, which is nobody else's", () =>
    bounded(Effect.gen(function*() {
      const held: Array<() => void> = []
      const server = yield* RawServer.make({ onLine: (line, socket) => held.push(() => echo(line, socket)) })
      const client = yield* Client.connect(lines, server.address)
      yield* client.send("one way")
      const asked = yield* Effect.forkChild(client.request("asked"))
      yield* eventually(() => held.length === 2)
      for (const answer of held) answer()
      assert.strictEqual(yield* Fiber.join(asked), "asked")
      const error = yield* Effect.flip(client.send("two\nlines"))
      assert.strictEqual(error.delivery, "NotSent")
    })))

  it.live("after the end of the line it was not sent", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({ onConnection: (socket) => void socket.end() })
      const client = yield* Client.connect(lines, server.address)
      yield* client.closed
      const error = yield* Effect.flip(client.send("late"))
      assert.deepStrictEqual([error.delivery, error.reason._tag], ["NotSent", "LineClosed"])
    })))
})

describe("Client.drain", () => {
  it.live("what is in flight is answered, what waits for a place was not sent, and the client ends", () =>
    bounded(Effect.gen(function*() {
      const held: Array<() => void> = []
      const server = yield* RawServer.make({ onLine: (line, socket) => held.push(() => echo(line, socket)) })
      const client = yield* Client.connect(lines, server.address, { maxInFlight: 2 })
      const status = yield* Effect.forkChild(Stream.runCollect(client.status), { startImmediately: true })
      const all = yield* Effect.forkChild(client.requestAll(range(4)), { startImmediately: true })
      yield* eventually(() => held.length === 2)
      const draining = yield* Effect.forkChild(client.drain, { startImmediately: true })
      const late = yield* Effect.flip(client.request("late"))
      assert.deepStrictEqual([late.delivery, late.reason._tag], ["NotSent", "LineDraining"])
      for (const answer of held) answer()
      assert.deepStrictEqual((yield* Fiber.join(all)).map(outcome), [
        "0",
        "1",
        "NotSent LineDraining",
        "NotSent LineDraining"
      ])
      yield* Fiber.join(draining)
      assert.deepStrictEqual((yield* Fiber.join(status)).map(({ _tag }) => _tag), ["Ready", "Draining", "Closed"])
      assert.strictEqual((yield* client.closed)._tag, "Graceful")
    })))

  it.live("does not wait for ever", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make()
      const client = yield* Client.connect(lines, server.address, { drainTimeout: "50 millis" })
      const asked = yield* Effect.forkChild(Effect.flip(client.request("x")), { startImmediately: true })
      yield* eventually(() => server.lines().length === 1)
      yield* client.drain
      assert.strictEqual((yield* Fiber.join(asked)).delivery, "MaybeSent")
    })))
})
