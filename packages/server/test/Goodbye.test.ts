import { assert, describe, it } from "@effect/vitest"
import { Transport } from "@framewire/core"
import { Codec, Lines, Protocol } from "@framewire/framing"
import { type Handler, Server, type ServerEvent } from "@framewire/server"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { bounded, eventsOf, inMemory, lines, options, RawClient } from "./support/index.ts"

const memory = { address: { host: "127.0.0.1", port: 1 } } as const
const bytes = (text: string) => new TextEncoder().encode(text)
const settle = Effect.forEach(Array.from({ length: 50 }), () => Effect.yieldNow, { discard: true })

const echo = Server.respond(lines, Effect.succeed<string>, { goodbye: () => "bye" })

const exchange = Protocol.json({
  framing: Lines.make(),
  request: Schema.String,
  response: Schema.String,
  push: Schema.String
})

const steps = (events: ReadonlyArray<ServerEvent.ServerEvent>) =>
  events.flatMap((event) => event._tag === "Moved" && event.state._tag === "Draining" ? [event.state.step] : [])

/** What a client reads: the answer to one request, the goodbye, and the answer to a request that it sends after that. */
const conversation = (handler: Handler.Handler<unknown>, ask: (id: number) => string) =>
  bounded(Effect.gen(function*() {
    const server = yield* Server.make({ ...options, goodbye: "1 minute" }, handler)
    const client = yield* RawClient.connect(server.address, { finishes: true })
    client.write(ask(1))
    const answer = yield* client.received(1)
    const stopping = yield* Effect.forkChild(server.stop)
    yield* client.received(answer.length + 1)
    client.socket.end(ask(2))
    const read = yield* client.ended
    const { finished, open } = yield* Fiber.join(stopping)
    assert.deepStrictEqual([open, finished], [1, 1])
    return read.trimEnd().split("\n")
  }))

describe("Server.stop: goodbye", () => {
  for (const concurrency of [1, 4]) {
    const said = `in its turn and cuts nothing off, ${concurrency} at a time`
    it.live(`is said to a peer that has more than the write buffer still to read, ${said}`, () =>
      bounded(Effect.gen(function*() {
        const large = "x".repeat(8_000_000)
        const protocol = Protocol.symmetric(Codec.text(Lines.make({ limit: large.length })))
        const asked = yield* Deferred.make<void>()
        const server = yield* Server.make(
          { ...options, goodbye: "5 seconds", drainDeadline: "8 seconds" },
          Server.respond(
            protocol,
            (line) => line === "a" ? Effect.as(Deferred.succeed(asked, undefined), large) : Effect.succeed(line),
            { goodbye: () => "bye", concurrency }
          )
        )
        const client = yield* RawClient.connect(server.address, { finishes: true })
        client.socket.pause()
        client.write("a\n")
        yield* Deferred.await(asked)
        yield* Effect.sleep("50 millis")
        const stopping = yield* Effect.forkChild(server.stop)
        yield* Effect.sleep("50 millis")
        client.socket.resume()
        yield* client.received(large.length + 5)
        client.socket.end("b\n")
        assert.strictEqual((yield* client.ended).slice(large.length), "\nbye\nb\n")
        yield* Fiber.join(stopping)
      })))
  }

  it.effect("gives connections a chance to say goodbye, and answers what comes until it is over", () =>
    Effect.gen(function*() {
      const server = yield* Server.make({ ...memory, goodbye: "3 seconds" }, echo)
      const events = yield* eventsOf(server)
      const client = yield* Transport.connect(server.address)
      const read = Effect.map(client.receive, ([chunk]) => String.fromCharCode(...chunk))
      yield* client.send(bytes("one\n"))
      assert.strictEqual(yield* read, "one\n")
      const stopping = yield* Effect.forkChild(server.stop)
      yield* settle
      assert.strictEqual(yield* read, "bye\n")
      yield* TestClock.adjust("2999 millis")
      yield* client.send(bytes("two\n"))
      assert.strictEqual(yield* read, "two\n")
      yield* settle
      assert.deepStrictEqual(steps(events), ["announced", "emptying", "leaving"])
      yield* TestClock.adjust("1 millis")
      yield* settle
      assert.deepStrictEqual(steps(events), ["announced", "emptying", "leaving", "closing"])
      assert.isTrue(Exit.isFailure(yield* Effect.exit(read)))
      yield* client.close()
      const { durationMillis, finished } = yield* Fiber.join(stopping)
      assert.deepStrictEqual([durationMillis, finished], [3000, 1])
    }).pipe(inMemory))

  it.effect("is over when the last client has left", () =>
    Effect.gen(function*() {
      const server = yield* Server.make({ ...memory, goodbye: "10 seconds" }, echo)
      const client = yield* Transport.connect(server.address)
      const stopping = yield* Effect.forkChild(server.stop)
      yield* settle
      yield* TestClock.adjust("1 second")
      yield* client.close()
      const { durationMillis, finished } = yield* Fiber.join(stopping)
      assert.deepStrictEqual([durationMillis, finished], [1000, 1])
    }).pipe(inMemory))

  it.effect("is never longer than the deadline", () =>
    Effect.gen(function*() {
      const server = yield* Server.make({ ...memory, goodbye: "1 hour", drainDeadline: "5 seconds" }, echo)
      yield* Transport.connect(server.address)
      const stopping = yield* Effect.forkChild(server.stop)
      yield* settle
      yield* TestClock.adjust("5 seconds")
      const { durationMillis, reset } = yield* Fiber.join(stopping)
      assert.deepStrictEqual([durationMillis, reset], [5000, 1])
    }).pipe(inMemory))
})

describe("Server.respond: goodbye", () => {
  it.live("a line between two answers", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* conversation(echo, (id) => `ask ${id}\n`), ["ask 1", "bye", "ask 2"])
    }))

  for (const answers of ["in-order", "by-id"] as const) {
    it.live(`a push of an exchange, ${answers}`, () =>
      Effect.gen(function*() {
        const handler = Server.respond({ ...exchange, answers }, Effect.succeed<string>, { goodbye: () => "bye" })
        const ask = (id: number) => `${JSON.stringify({ _tag: "Request", id, request: "a" })}\n`
        const said = yield* conversation(handler, ask)
        assert.deepStrictEqual(said.map((line) => JSON.parse(line)), [
          { _tag: "Response", id: 1, response: "a" },
          { _tag: "Push", push: "bye" },
          { _tag: "Response", id: 2, response: "a" }
        ])
      }))
  }

  it.live("does not wait for an answer that is being made, which follows it", () =>
    bounded(Effect.gen(function*() {
      const gate = Deferred.makeUnsafe<void>()
      const server = yield* Server.make(
        { ...options, goodbye: "1 minute" },
        Server.respond(lines, (text) => Effect.as(Deferred.await(gate), text), { goodbye: () => "bye" })
      )
      const client = yield* RawClient.connect(server.address, { finishes: true })
      client.write("slow\n")
      yield* Effect.sleep("20 millis")
      const stopping = yield* Effect.forkChild(server.stop)
      assert.strictEqual(yield* client.received(4), "bye\n")
      client.socket.end()
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* client.ended, "bye\nslow\n")
      assert.strictEqual((yield* Fiber.join(stopping)).finished, 1)
    })))

  it.live("one that the codec refuses ends the connection, and no other", () =>
    bounded(Effect.gen(function*() {
      let first = true
      const server = yield* Server.make(
        { ...options, goodbye: "1 minute" },
        Server.respond(lines, Effect.succeed<string>, {
          goodbye: () => {
            const text = first ? "two\nlines" : "bye"
            first = false
            return text
          }
        })
      )
      const refused = yield* RawClient.connect(server.address, { finishes: true })
      const other = yield* RawClient.connect(server.address, { finishes: true })
      for (const client of [refused, other]) {
        client.write("hello\n")
        yield* client.received(6)
      }
      const stopping = yield* Effect.forkChild(server.stop)
      assert.strictEqual(yield* refused.ended, "hello\n")
      assert.strictEqual(yield* other.received(10), "hello\nbye\n")
      other.socket.end()
      assert.strictEqual((yield* Fiber.join(stopping)).finished, 2)
    })))
})
