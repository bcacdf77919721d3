import { assert, describe, it } from "@effect/vitest"
import type { Connection } from "@framewire/core"
import { Codec, Lines } from "@framewire/framing"
import { Server } from "@framewire/server"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import { bounded, connections, eventually, lines, options, RawClient } from "./support/index.ts"

describe("Server.forEach", () => {
  it.live("runs for each message, one after the other, and answers as often as it likes", () =>
    bounded(Effect.gen(function*() {
      let running = 0
      const server = yield* Server.make(
        options,
        Server.forEach(lines.server, (text, framed) =>
          Effect.gen(function*() {
            assert.strictEqual(++running, 1)
            yield* Effect.yieldNow
            yield* framed.sendAll(Array.from({ length: Number(text) }, () => text))
            running--
          }))
      )
      const client = yield* RawClient.connect(server.address)
      client.socket.end("2\n0\n1\n3\n")
      assert.strictEqual(yield* client.ended, "2\n2\n1\n3\n3\n3\n")
    })))

  it.live("a failure ends the connection", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(
        options,
        Server.forEach(lines.server, (text, framed) =>
          Effect.gen(function*() {
            if (text === "bad") return yield* Effect.fail("no")
            yield* framed.send(text)
          }))
      )
      const client = yield* RawClient.connect(server.address)
      client.write("a\nbad\nb\n")
      assert.strictEqual(yield* client.ended, "a\n")
    })))

  it.live("a frame over the limit ends the connection after the messages before", () =>
    bounded(Effect.gen(function*() {
      const seen: Array<string> = []
      const codec = Codec.text(Lines.make({ limit: 3 }))
      const server = yield* Server.make(
        options,
        Server.forEach(codec, (text) => Effect.sync(() => void seen.push(text)))
      )
      const client = yield* RawClient.connect(server.address)
      client.write("a\nabc\nabcd\na\n")
      yield* client.ended
      assert.deepStrictEqual(seen, ["a", "abc"])
    })))
})

describe("a handler that is a function of the connection", () => {
  it.live("has the connection in its scope and ends it by ending", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(options, (connection: Connection.Connection) =>
        Effect.gen(function*() {
          yield* Effect.addFinalizer(() => Effect.ignore(connection.send(new TextEncoder().encode("bye"))))
          const [chunk] = yield* connection.receive
          yield* connection.send(chunk)
        }).pipe(Pull.catchDone(() => Effect.void)))
      const client = yield* RawClient.connect(server.address)
      client.write("hello")
      assert.strictEqual(yield* client.ended, "hellobye")
      client.socket.end()
      assert.strictEqual(yield* client.closed, "end")
      yield* eventually(() => connections(server) === 0)
    })))

  it.live("its finalizers see how it ended", () =>
    bounded(Effect.gen(function*() {
      const seen = Deferred.makeUnsafe<Exit.Exit<unknown, unknown>>()
      const server = yield* Server.make(options, () =>
        Effect.andThen(
          Effect.addFinalizer((exit) => Deferred.succeed(seen, exit)),
          Effect.fail("no")
        ))
      yield* RawClient.connect(server.address)
      const exit = yield* Deferred.await(seen)
      assert.deepStrictEqual(exit, Exit.fail("no"))
    })))

  it.live("a defect of its finalizers ends its connection, and no other", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(options, (connection: Connection.Connection) =>
        Effect.andThen(
          Effect.addFinalizer(() => Effect.die("no")),
          Effect.exit(connection.receive)
        ))
      const other = yield* RawClient.connect(server.address)
      const client = yield* RawClient.connect(server.address, { finishes: true })
      client.write("hello")
      yield* client.ended
      yield* eventually(() => connections(server) === 1)
      other.socket.end()
      yield* other.ended
    })))

  it.live("interruption from inside ends its connection, and no other", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(options, () => Effect.failCause(Cause.interrupt()))
      for (let i = 0; i < 3; i++) {
        const client = yield* RawClient.connect(server.address, { finishes: true })
        yield* client.ended
      }
      yield* eventually(() => connections(server) === 0)
    })))
})
