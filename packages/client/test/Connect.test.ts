import { assert, describe, it } from "@effect/vitest"
import { Client, Reconnect } from "@framewire/client"
import { TransportError } from "@framewire/core"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bounded, eventually, lines, MemoryServer, RawServer } from "./support/index.ts"

/** The address of somebody who listens, but with whom no connection can be made any more. */
const deaf = Effect.gen(function*() {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [join(import.meta.dirname, "support/deaf.ts")], { stdio: ["ignore", "pipe", "inherit"] })
    ),
    (it) => Effect.sync(() => it.kill("SIGKILL"))
  )
  const [port] = yield* Effect.promise(() => once(child.stdout, "data"))
  const address = { host: "127.0.0.1", port: Number(port) }
  let connected = 0
  yield* Effect.acquireRelease(
    Effect.sync(() => Array.from({ length: 10 }, () => Net.connect(address, () => connected++).on("error", () => {}))),
    (sockets) =>
      Effect.sync(() => {
        for (const socket of sockets) socket.destroy()
      })
  )
  // The backlog, and one.
  yield* eventually(() => connected >= 2)
  return address
})

const descriptors = () => readdirSync("/proc/self/fd").length

describe("Client.connect", () => {
  it.live("nobody listens: ConnectionRefused", () =>
    bounded(Effect.gen(function*() {
      const { address } = yield* Effect.scoped(RawServer.make())
      const error = yield* Effect.flip(Client.connect(lines, address))
      assert.instanceOf(error, TransportError.ConnectError)
      assert.strictEqual(error.reason._tag, "ConnectionRefused")
      assert.strictEqual(error.code, "ECONNREFUSED")
      // As an application would.
      const caught = yield* Client.connect(lines, address).pipe(
        Effect.as("connected"),
        Effect.catchReason("ConnectError", "ConnectionRefused", () => Effect.succeed("refused"))
      )
      assert.strictEqual(caught, "refused")
    })))

  it.live("nobody answers: TimedOut, and the socket is freed", () =>
    bounded(Effect.gen(function*() {
      const address = yield* deaf
      const before = descriptors()
      const error = yield* Effect.flip(Client.connect(lines, address, { timeout: "200 millis" }))
      assert.strictEqual(error._tag, "ConnectError")
      assert.strictEqual(error.reason._tag, "TimedOut")
      assert.strictEqual(error.retry, "after-backoff")
      yield* eventually(() => descriptors() <= before)
    })))

  it.live("interruption frees the socket at once", () =>
    bounded(Effect.gen(function*() {
      const address = yield* deaf
      const before = descriptors()
      const connecting = yield* Effect.forkChild(Client.connect(lines, address, { timeout: "1 minute" }))
      yield* eventually(() => descriptors() > before)
      yield* Fiber.interrupt(connecting)
      yield* eventually(() => descriptors() <= before)
    })))

  it.live("options that cannot be are refused, not thrown", () =>
    bounded(Effect.gen(function*() {
      const error = yield* Effect.flip(Client.connect(lines, { host: "127.0.0.1", port: 70_000 }))
      assert.strictEqual(error.reason._tag, "InvalidAddress")
    })))

  it.live("a Unix domain socket is an address as any other, also for those that connect again", () =>
    bounded(Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "framewire-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const server = yield* MemoryServer.make(MemoryServer.echo, { path: join(folder, "socket") })
      const client = yield* Client.connect(lines, server.address)
      assert.strictEqual(yield* client.request("a"), "a")
      const kept = yield* Reconnect.make(lines, server.address, { queue: true })
      assert.strictEqual(yield* kept.request("b"), "b")
    })))

  it.live("the scope closes the line", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make()
      const client = yield* Effect.scoped(Client.connect(lines, server.address))
      assert.strictEqual((yield* client.closed)._tag, "Graceful")
      assert.strictEqual((yield* Effect.flip(client.request("late"))).delivery, "NotSent")
      assert.deepStrictEqual(client.remote, server.address)
    })))
})
