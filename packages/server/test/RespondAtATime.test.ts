// Several requests at a time whose answers stay in order, and requests that cannot be read.
import { assert, describe, it } from "@effect/vitest"
import { Codec, FramingError, Lines, Protocol } from "@framewire/framing"
import { Server } from "@framewire/server"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { bounded, connections, eventually, lines, options, RawClient } from "./support/index.ts"

const malformed = (direction: "encode" | "decode") =>
  new FramingError.MessageError({ direction, reason: new FramingError.Malformed({ detail: "bad" }) })

/** Lines of which `bad` is none. */
const picky = Protocol.symmetric(Codec.transform(
  Codec.text(Lines.make()),
  (line) => {
    if (line === "bad") throw malformed("decode")
    return line
  },
  (line: string) => line
))
const sorry = () => "sorry"

class Failed extends Data.TaggedError("Failed") {}

describe("Server.respond, several at a time in order", () => {
  it.live("an answer that is ready waits for those in front of it", () =>
    bounded(Effect.gen(function*() {
      const last = yield* Deferred.make<void>()
      const server = yield* Server.make(
        options,
        Server.respond(lines, (text) => {
          if (text === "c") return Effect.as(Deferred.succeed(last, undefined), text)
          return text === "a" ? Effect.as(Deferred.await(last), text) : Effect.succeed(text)
        }, { concurrency: 3 })
      )
      const client = yield* RawClient.connect(server.address)
      client.write("a\nb\nc\n")
      assert.strictEqual(yield* client.received(6), "a\nb\nc\n")
    })))

  it.live("as many as were asked for, and never more", () =>
    bounded(Effect.gen(function*() {
      let running = 0
      let most = 0
      const server = yield* Server.make(
        options,
        Server.respond(lines, (text) =>
          Effect.gen(function*() {
            most = Math.max(most, ++running)
            yield* Effect.sleep("1 millis")
            running--
            return text
          }), { concurrency: 4 })
      )
      const client = yield* RawClient.connect(server.address)
      const requests = Array.from({ length: 30 }, (_, i) => `${i + 10}\n`).join("")
      client.write(requests)
      assert.strictEqual(yield* client.received(90), requests)
      assert.strictEqual(most, 4)
      client.socket.end("x\ny\n")
      assert.strictEqual(yield* client.ended, `${requests}x\ny\n`)
    })))

  for (const concurrency of [1, 4]) {
    const said = `behind the answers in front of it, ${concurrency} at a time`
    it.live(`an answer that is interrupted by itself ends the connection ${said}`, () =>
      bounded(Effect.gen(function*() {
        // As of a task that many wait for, and that somebody ends.
        const task = yield* Effect.forkChild(Effect.never)
        yield* Fiber.interrupt(task)
        const server = yield* Server.make(
          options,
          Server.respond(lines, (text) => {
            if (text === "bad") return Fiber.join(task)
            return text === "late" ? Effect.delay(Effect.succeed(text), "20 millis") : Effect.succeed(text)
          }, { concurrency })
        )
        for (const asked of ["late\na\n", "a\nlate\n", "a\nb\n"]) {
          const client = yield* RawClient.connect(server.address)
          client.write(`${asked}bad\nc\n`)
          assert.strictEqual(yield* client.ended, asked)
        }
        yield* eventually(() => connections(server) === 0)
      })))
  }

  it.live("a function that throws ends the connection behind the answers in front of it, as a defect does", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(
        options,
        Server.respond(lines, (text) => {
          if (text === "bad") throw new Error("no")
          return text === "late" ? Effect.delay(Effect.succeed(text), "20 millis") : Effect.succeed(text)
        }, { concurrency: 4 })
      )
      const client = yield* RawClient.connect(server.address)
      client.write("late\na\nbad\nc\n")
      assert.strictEqual(yield* client.ended, "late\na\n")
    })))

  it.live("a failure ends the connection behind the answers in front of it, however late they are", () =>
    bounded(Effect.gen(function*() {
      const failed = yield* Deferred.make<void>()
      const server = yield* Server.make(
        options,
        Server.respond(lines, (text) => {
          if (text === "a") return Effect.as(Effect.delay(Deferred.await(failed), "5 millis"), text)
          return text === "b" ? Effect.andThen(Deferred.succeed(failed, undefined), new Failed()) : Effect.succeed(text)
        }, { concurrency: 8 })
      )
      const client = yield* RawClient.connect(server.address)
      client.write("a\nb\nc\n")
      assert.strictEqual(yield* client.ended, "a\n")
      yield* eventually(() => connections(server) === 0)
    })))

  it("an option that cannot work is refused where it is given", () => {
    for (const concurrency of [0, -1, 1.5, Number.NaN]) {
      assert.throws(() => Server.respond(lines, Effect.succeed, { concurrency }), /concurrency is/)
    }
  })
})

describe("Server.respond, a message that is no request", () => {
  for (const concurrency of [1, 3]) {
    it.live(`is answered in its place, and the next is fine, ${concurrency} at a time`, () =>
      bounded(Effect.gen(function*() {
        const answer = (text: string) =>
          text === "later" ? Effect.delay(Effect.succeed(text), "5 millis") : Effect.succeed(text)
        const server = yield* Server.make(options, Server.respond(picky, answer, { concurrency, refuse: sorry }))
        const client = yield* RawClient.connect(server.address)
        client.write("a\nbad\nlater\nbad\nbad\nb\n")
        assert.strictEqual(yield* client.received(28), "a\nsorry\nlater\nsorry\nsorry\nb\n")
      })))

    it.live(`ends the connection behind the answers before, where there is no answer to it, ${concurrency} at a time`, () =>
      bounded(Effect.gen(function*() {
        const answer = (text: string) => Effect.delay(Effect.succeed(text), "2 millis")
        const server = yield* Server.make(options, Server.respond(picky, answer, { concurrency }))
        const client = yield* RawClient.connect(server.address)
        client.write("a\nb\nbad\nc\n")
        assert.strictEqual(yield* client.ended, "a\nb\n")
      })))

    it.live(`is told from a handler that fails alike, ${concurrency} at a time`, () =>
      bounded(Effect.gen(function*() {
        const answer = (text: string) => text === "no" ? Effect.fail(malformed("decode")) : Effect.succeed(text)
        const server = yield* Server.make(options, Server.respond(picky, answer, { concurrency, refuse: sorry }))
        const client = yield* RawClient.connect(server.address)
        client.write("a\nno\nb\n")
        assert.strictEqual(yield* client.ended, "a\n")
      })))
  }

  it.live("is an error reply of an exchange in order", () =>
    bounded(Effect.gen(function*() {
      const text = Codec.text(Lines.make())
      const exchange = Protocol.inOrder<string, string, string>({
        call: Codec.transform(
          picky.server,
          (request) => ({ _tag: "Request", id: 0, request }),
          (call: Protocol.Call<string>) => call._tag === "Request" ? call.request : ""
        ),
        reply: Codec.transform(
          text,
          (response): Protocol.Reply<string, string> => ({ _tag: "Response", id: 0, response }),
          (reply: Protocol.Reply<string, string>) =>
            reply._tag === "Response" ? reply.response : reply._tag === "Failure" ? `error ${reply.error}` : ""
        )
      })
      const server = yield* Server.make(options, Server.respond(exchange, Effect.succeed, { refuse: sorry }))
      const client = yield* RawClient.connect(server.address)
      client.write("a\nbad\nb\n")
      assert.strictEqual(yield* client.received(16), "a\nerror sorry\nb\n")
    })))
})
