import { assert, describe, it } from "@effect/vitest"
import { Client } from "@framewire/client"
import { Delegate, Transport } from "@framewire/core"
import { Codec, Lines, Protocol } from "@framewire/framing"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import type * as Net from "node:net"
import { bounded, capricious, eventually, lines, RawServer } from "./support/index.ts"

const echo = (line: string, socket: Net.Socket) => socket.write(`${line}\n`)
const range = (count: number) => Array.from({ length: count }, (_, index) => index)
const every = { concurrency: "unbounded" } as const

describe("Client.request", () => {
  it.live("many fibers get each its own answer", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({ onLine: echo })
      const client = yield* Client.connect(lines, server.address)
      const answers = yield* Effect.forEach(
        range(500),
        (n) => Effect.forEach(["a", "b", "c"], (part) => client.request(`${n}${part}`)),
        every
      )
      assert.deepStrictEqual(answers, range(500).map((n) => [`${n}a`, `${n}b`, `${n}c`]))
    })))

  it.live("requests of one turn are one write, and arrive in order", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({ onLine: echo })
      const client = yield* Client.connect(lines, server.address)
      for (let round = 1; round <= 5; round++) {
        yield* Effect.forEach(range(100), (n) => client.request(`${n}`), every)
        assert.strictEqual(server.chunks(), round)
      }
      assert.deepStrictEqual(server.lines(), range(5).flatMap(() => range(100).map(String)))
    })))

  it.live("what is asked on sixteen answers goes out before the rest of them is taken: the server works meanwhile", () =>
    bounded(Effect.gen(function*() {
      const rounds = 3
      const happened: Array<string> = []
      const asked: Array<string> = []
      const server = yield* RawServer.make({
        onLine: (line, socket) => {
          if (asked.push(line) % 64 === 0) socket.write(asked.slice(-64).map((line) => `${line}\n`).join(""))
        }
      })
      const sent = (chunks: ReadonlyArray<Uint8Array>) =>
        happened.push(`sent ${Buffer.concat(chunks).toString().split("\n").length - 1}`)
      const observed = Effect.updateService(Transport.Transport, (transport) => ({
        ...transport,
        connect: (address, options) =>
          Effect.map(transport.connect(address, options), (connection) => Delegate.observe(connection, { sent }))
      }))
      const client = yield* observed(Client.connect(lines, server.address))
      const ask = Effect.forEach(
        range(rounds),
        (round) => Effect.andThen(client.request(`${round}`), Effect.sync(() => happened.push("took")))
      )
      yield* Effect.forEach(range(64), () => ask, every)
      const took16 = Array.from({ length: 16 }, () => "took")
      const turn = range(4).flatMap(() => [...took16, "sent 16"])
      assert.deepStrictEqual(happened, ["sent 64", ...turn, ...turn, ...range(4).flatMap(() => took16)])
    })))

  it.live("answers in whatever pieces they come", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({
        onLine: (line, socket) => {
          for (const char of `${line}\n`) socket.write(char)
        }
      })
      const client = yield* Client.connect(lines, server.address)
      assert.deepStrictEqual(
        yield* Effect.forEach(range(20), (n) => client.request(`${n}`), every),
        range(20).map(String)
      )
    })))

  it.live("an interrupted request misaligns no answer", () =>
    bounded(Effect.gen(function*() {
      const held: Array<() => void> = []
      const server = yield* RawServer.make({ onLine: (line, socket) => held.push(() => echo(line, socket)) })
      const client = yield* Client.connect(lines, server.address)
      const fibers = yield* Effect.forEach(range(10), (n) => Effect.forkChild(client.request(`${n}`)))
      yield* eventually(() => held.length === 10)
      // Sent ones, and some that are not even in the kernel yet.
      yield* Fiber.interruptAll([fibers[0]!, fibers[3]!, fibers[9]!])
      const late = yield* Effect.forkChild(client.request("late"), { startImmediately: true })
      yield* Fiber.interrupt(late)
      const last = yield* Effect.forkChild(client.request("last"))
      yield* eventually(() => held.length === 12)
      for (const answer of held) answer()
      for (const n of [1, 2, 4, 5, 6, 7, 8]) assert.strictEqual(yield* Fiber.join(fibers[n]!), `${n}`)
      assert.strictEqual(yield* Fiber.join(last), "last")
    })))

  it.live("at most maxInFlight wait for answers; others wait their turn", () =>
    bounded(Effect.gen(function*() {
      const held: Array<() => void> = []
      const server = yield* RawServer.make({ onLine: (line, socket) => held.push(() => echo(line, socket)) })
      const client = yield* Client.connect(lines, server.address, { maxInFlight: 3 })
      const all = yield* Effect.forkChild(Effect.forEach(range(30), (n) => client.request(`${n}`), every))
      for (let answered = 0; answered < 30; answered++) {
        yield* eventually(() => held.length >= Math.min(30, answered + 3))
        // A turn more in which too many could come.
        yield* Effect.sleep("1 millis")
        assert.isAtMost(held.length, answered + 3)
        held[answered]!()
      }
      assert.deepStrictEqual(yield* Fiber.join(all), range(30).map(String))
      assert.deepStrictEqual(server.lines(), range(30).map(String))
    })))

  it.live("one in flight is one, and who waits is not overtaken by who comes again", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({ onLine: echo })
      const client = yield* Client.connect(lines, server.address, { maxInFlight: 1 })
      const greedy = yield* Effect.forkChild(Effect.forever(client.request("greedy")))
      yield* eventually(() => server.lines().length > 0)
      assert.strictEqual(yield* client.request("modest"), "modest")
      assert.isBelow(server.lines().indexOf("modest"), 1000)
      yield* Fiber.interrupt(greedy)
    })))

  it.live("interrupted requests take no place for ever, wherever the runtime yields", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({ onLine: echo })
      for (let seed = 0; seed < 100; seed++) {
        yield* Effect.gen(function*() {
          const client = yield* Client.connect(lines, server.address, { maxInFlight: 2 })
          for (let i = 0; i < 12; i++) {
            const fibers = yield* Effect.forEach(
              range(4),
              (n) => Effect.forkChild(client.request(`${n}`), { startImmediately: n % 2 === 0 })
            )
            for (let j = 0; j < i; j++) yield* Effect.yieldNow
            yield* Fiber.interruptAll(fibers)
          }
          assert.strictEqual(yield* client.request("then"), "then")
        }).pipe(Effect.scoped, capricious(seed))
      }
    })))

  it.live("no request is left unsent, wherever the runtime yields", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({ onLine: echo })
      for (let seed = 0; seed < 100; seed++) {
        yield* Effect.gen(function*() {
          const client = yield* Client.connect(lines, server.address)
          const ask = Effect.forEach(range(10), (n) => Effect.andThen(Effect.yieldNow, client.request(`${n}`)))
          yield* Effect.all([ask, ask, ask], every)
        }).pipe(Effect.scoped, capricious(seed))
      }
    })))

  it.live("a request that the codec refuses was not sent, and others go on", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({ onLine: echo })
      const client = yield* Client.connect(lines, server.address, { maxInFlight: 1 })
      const [before, error, after] = yield* Effect.all(
        [client.request("before"), Effect.flip(client.request("two\nlines")), client.request("after")],
        every
      )
      assert.deepStrictEqual([before, after], ["before", "after"])
      assert.strictEqual(error.delivery, "NotSent")
      assert.strictEqual(error.reason._tag, "MessageError")
      assert.strictEqual(server.text(), "before\nafter\n")
    })))

  it.live("an encoder that throws is that request's defect, and others go on", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({ onLine: echo })
      const codec = Codec.transform(lines.client, (text) => text, (text: string) => {
        if (text === "bad") throw new Error("no")
        return text
      })
      const client = yield* Client.connect(Protocol.symmetric(codec), server.address, { maxInFlight: 1 })
      for (let i = 0; i < 3; i++) {
        assert.isTrue(Exit.hasDies(yield* Effect.exit(client.request("bad"))))
        assert.strictEqual(yield* client.request("good"), "good")
      }
    })))

  it.live("an answer that the codec refuses is that request's failure, and others go on", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({
        onLine: (line, socket) => socket.write(line === "2" ? "nonsense\n" : `${line}\n`)
      })
      const protocol = Protocol.symmetric(Codec.json(Schema.Number)(Lines.make()))
      const client = yield* Client.connect(protocol, server.address, { maxInFlight: 2 })
      const exits = yield* Effect.forEach(range(5), (n) => Effect.result(client.request(n)), every)
      assert.deepStrictEqual(
        exits.map((it) => it._tag === "Success" ? it.success : [it.failure.delivery, it.failure.reason._tag]),
        [0, 1, ["Answered", "MessageError"], 3, 4]
      )
    })))
})
