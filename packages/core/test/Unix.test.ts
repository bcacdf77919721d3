import { assert, describe, it } from "@effect/vitest"
import { type Address, Transport } from "@framewire/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  bounded,
  bytes,
  descriptors,
  eventually,
  failure,
  freedAtOnce,
  reasonOf,
  receiveAll,
  received,
  turn
} from "./support/index.ts"

const path = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "framewire-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
).pipe(Effect.map((directory): Address.UnixAddress => ({ path: join(directory, "socket") })))

/** Both ends, ours. */
const pair = Effect.gen(function*() {
  const address = yield* path
  const listener = yield* Transport.listen(address, { linger: "5 seconds" })
  const client = yield* Transport.connect(address, { linger: "5 seconds" })
  const server = yield* listener.accept
  yield* freedAtOnce(client)
  yield* freedAtOnce(server)
  return { address, listener, client, server }
})

describe("a Unix domain socket", () => {
  it.live("has its path as its address at both ends", () =>
    bounded(Effect.gen(function*() {
      const { address, client, listener, server } = yield* pair
      for (const each of [listener.address, client.local, client.remote, server.local, server.remote]) {
        assert.deepStrictEqual(each, address)
      }
    })))

  it.live("echoes", () =>
    bounded(Effect.gen(function*() {
      const { client, server } = yield* pair
      yield* Effect.forkChild(Effect.forever(Effect.flatMap(server.receive, (chunks) => server.sendAll(chunks))))
      for (const text of ["one", "two", "three"]) {
        yield* client.sendAll([bytes(text), bytes("!")])
        assert.strictEqual(yield* received(client), `${text}!`)
      }
    })))

  it.live("half-closes both ways", () =>
    bounded(Effect.gen(function*() {
      const { client, server } = yield* pair
      yield* client.send(bytes("request"))
      yield* client.shutdownWrite
      assert.deepStrictEqual(yield* receiveAll(server), { text: "request", end: "end" })
      yield* server.send(bytes("late reply"))
      const close = yield* Effect.forkChild(server.close(), { startImmediately: true })
      assert.deepStrictEqual(yield* receiveAll(client), { text: "late reply", end: "end" })
      assert.strictEqual(reasonOf(yield* client.closed), "Graceful by self")
      assert.strictEqual(reasonOf(yield* Fiber.join(close)), "Graceful by peer")
    })))

  it.live("abort: there is no RST, and the peer sees the end", () =>
    bounded(Effect.gen(function*() {
      const { client, server } = yield* pair
      yield* client.send(bytes("sent"))
      assert.strictEqual(reasonOf(yield* client.abort), "Aborted")
      assert.deepStrictEqual(yield* receiveAll(server), { text: "sent", end: "end" })
      const error = yield* failure(Effect.forever(Effect.andThen(server.send(bytes("x")), turn)))
      assert.strictEqual(error.reason._tag, "BrokenPipe")
      assert.strictEqual((yield* failure(client.send(bytes("x")))).reason._tag, "ConnectionClosed")
    })))

  it.live("abort with unread bytes: the peer is told", () =>
    bounded(Effect.gen(function*() {
      const { client, server } = yield* pair
      yield* server.send(bytes("unread"))
      yield* client.abort
      assert.strictEqual((yield* receiveAll(server)).end, "ConnectionReset")
    })), process.platform === "linux" ? {} : { skip: true })

  it.live("abort in the turn of shutdownWrite frees it", () =>
    bounded(Effect.gen(function*() {
      const { client } = yield* pair
      yield* Effect.all([Effect.exit(client.shutdownWrite), client.abort], { concurrency: "unbounded" })
      assert.strictEqual(reasonOf(yield* client.closed), "Aborted")
    })))

  it.live("a send that waits settles when the scope closes", () =>
    bounded(Effect.gen(function*() {
      const { client } = yield* pair
      const send = yield* Effect.forkChild(failure(client.send(new Uint8Array(20_000_000))), { startImmediately: true })
      yield* turn
      assert.isUndefined(send.pollUnsafe())
      assert.strictEqual(reasonOf(yield* client.close({ linger: "20 millis" })), "LingerExpired")
      assert.strictEqual((yield* Fiber.join(send)).reason._tag, "ConnectionClosed")
    })))

  it.live("the listener's scope removes the path and frees every descriptor", () =>
    bounded(Effect.gen(function*() {
      const open = descriptors()
      const address = yield* path
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Transport.listen(address)
        assert.isTrue(existsSync(address.path))
        // Nobody accepts it.
        yield* Transport.connect(address, { linger: 0 })
      }))
      assert.isFalse(existsSync(address.path))
      yield* eventually(() => descriptors() <= open)
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(Effect.scoped(Transport.listen(address)))))
    })))

  it.live("drains", () =>
    bounded(Effect.gen(function*() {
      const address = yield* path
      const listener = yield* Transport.listen(address, { linger: 0 })
      const clients = yield* Effect.forEach(
        Array.from({ length: 20 }),
        () => Transport.connect(address, { linger: 0 }),
        { concurrency: "unbounded" }
      )
      yield* listener.drain
      assert.isFalse(existsSync(address.path))
      for (let i = 0; i < 20; i++) yield* Effect.flatMap(listener.accept, (server) => server.send(bytes("served")))
      for (const client of clients) assert.strictEqual(yield* received(client), "served")
    })))
})
