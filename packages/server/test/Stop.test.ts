import { assert, describe, it } from "@effect/vitest"
import type { Connection } from "@framewire/core"
import { type DrainReport, Server } from "@framewire/server"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import {
  bounded,
  capricious,
  connections,
  descriptors,
  eventually,
  lines,
  options,
  portOf,
  RawClient
} from "./support/index.ts"

const echo = Server.respond(lines, Effect.succeed<string>)

/** Connects, asks and is answered, so that the server has surely taken it. */
const talking = (server: Server.Server["Service"], how?: Parameters<typeof RawClient.connect>[1]) =>
  Effect.gen(function*() {
    const client = yield* RawClient.connect(server.address, how)
    client.write("hello\n")
    yield* client.received(6)
    return client
  })

/** Suspends until nobody listens there; whoever still gets in leaves at once. */
const refused = (server: Server.Server["Service"]): Effect.Effect<void> =>
  Effect.scoped(RawClient.connect(server.address)).pipe(
    Effect.exit,
    Effect.flatMap((exit) => Exit.isFailure(exit) ? Effect.void : refused(server))
  )

const sums = ({ finished, interrupted, open, reset }: DrainReport.DrainReport) =>
  finished + interrupted + reset === open

describe("Server.stop", () => {
  it.live("stop accepts no new connection and finishes the in-flight one", () =>
    bounded(Effect.gen(function*() {
      const asked = Deferred.makeUnsafe<void>()
      const gate = Deferred.makeUnsafe<void>()
      const server = yield* Server.make(
        options,
        Server.respond(lines, (text) =>
          Effect.as(Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(gate)), text))
      )
      const client = yield* RawClient.connect(server.address, { finishes: true })
      // The second one has arrived with the first, and is answered too.
      client.write("one\ntwo\n")
      yield* Deferred.await(asked)
      const stopping = yield* Effect.forkChild(server.stop)
      yield* refused(server)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* client.ended, "one\ntwo\n")
      assert.strictEqual(yield* client.closed, "end")
      const report = yield* Fiber.join(stopping)
      assert.deepStrictEqual([report.finished, report.reset], [report.open, 0])
      assert.strictEqual(yield* Effect.flip(RawClient.connect(server.address)), "ECONNREFUSED")
    })))

  it.live("an idle connection is closed gracefully at once", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make({ ...options, drainDeadline: "1 minute" }, echo)
      const clients = yield* Effect.forEach(Array.from({ length: 20 }), () => talking(server, { finishes: true }))
      const report = yield* server.stop
      for (const client of clients) {
        assert.strictEqual(yield* client.ended, "hello\n")
        assert.strictEqual(yield* client.closed, "end")
      }
      assert.deepStrictEqual({ ...report, durationMillis: 0 }, {
        accepted: 20,
        rejected: 0,
        open: 20,
        finished: 20,
        interrupted: 0,
        reset: 0,
        durationMillis: 0
      })
      assert.isBelow(report.durationMillis, 1000)
      assert.strictEqual(connections(server), 0)
    })))

  it.live("a server without connections stops at once, and its port is free", () =>
    bounded(Effect.gen(function*() {
      const first = yield* Server.make({ ...options, drainDeadline: "1 minute" }, echo)
      const report = yield* first.stop
      assert.deepStrictEqual([report.accepted, report.open, report.finished, report.reset], [0, 0, 0, 0])
      const second = yield* Server.make({ ...options, address: first.address }, echo)
      yield* talking(second)
    })))

  // Who connected, and asked, while the loop was busy is still in the kernel when the stop begins.
  it.live("kernel-queued connections are served, not reset", () =>
    bounded(Effect.gen(function*() {
      const count = 100
      const server = yield* Server.make(options, echo)
      const child = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn(process.execPath, [join(import.meta.dirname, "support/crowd.ts"), `${portOf(server)}`, `${count}`], {
            stdio: ["pipe", "pipe", "inherit"]
          })
        ),
        (it) => Effect.sync(() => it.kill())
      )
      const printed = createInterface(child.stdout)
      yield* Effect.promise(() => once(printed, "line"))
      const seen = yield* Effect.forkChild(
        Effect.promise<Array<string>>(() => once(printed, "line").then(([line]) => JSON.parse(line))),
        { startImmediately: true }
      )
      child.stdin.write("go\n")
      yield* Effect.sync(() => blockUntil(() => askingAt(portOf(server)) === count))
      const report = yield* server.stop
      assert.deepStrictEqual(yield* Fiber.join(seen), Array.from({ length: count }, (_, index) => `${index}\n`))
      assert.deepStrictEqual([report.accepted, report.open, report.finished, report.reset], [count, count, count, 0])
    })))

  it.live("a request that waits in the kernel is answered, though its handler begins to read after the stop", () =>
    bounded(Effect.gen(function*() {
      const gate = Deferred.makeUnsafe<void>()
      const server = yield* Server.make(
        options,
        (connection: Connection.Connection) => Effect.andThen(Deferred.await(gate), echo(connection))
      )
      const client = yield* RawClient.connect(server.address, { finishes: true })
      client.write("hello\n")
      yield* eventually(() => askingAt(portOf(server)) === 1)
      const stopping = yield* Effect.forkChild(server.stop)
      yield* refused(server)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* client.ended, "hello\n")
      assert.strictEqual((yield* Fiber.join(stopping)).reset, 0)
    })))

  it.live("stop while connections keep arriving", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(options, echo)
      const seen: Record<string, number> = {}
      const before = descriptors()
      const visit: Effect.Effect<void> = Effect.scoped(Effect.gen(function*() {
        const client = yield* RawClient.connect(server.address)
        client.socket.end("hello\n")
        return yield* client.ended
      })).pipe(
        Effect.match({ onSuccess: (text) => text, onFailure: (code) => code }),
        Effect.flatMap((what) => {
          seen[what] = (seen[what] ?? 0) + 1
          return what === "ECONNREFUSED" ? Effect.void : visit
        })
      )
      const visitors = yield* Effect.forkChild(Effect.all(Array.from({ length: 50 }, () => visit), {
        concurrency: "unbounded",
        discard: true
      }))
      yield* eventually(() => (seen["hello\n"] ?? 0) > 100)
      const report = yield* server.stop
      yield* Fiber.join(visitors)
      assert.isTrue(sums(report), JSON.stringify(report))
      assert.strictEqual(report.reset, 0)
      assert.isBelow(report.durationMillis, 2000)
      // Answered, turned away after the stop, or met by the kernel while the port was closed.
      assert.deepStrictEqual(
        Object.keys(seen).filter((it) => !["hello\n", "", "ECONNREFUSED", "ECONNRESET"].includes(it)),
        []
      )
      assert.strictEqual(seen["ECONNREFUSED"], 50)
      yield* eventually(() => descriptors() <= before)
    })))

  it.live("a part of a request that has arrived is not taken for a request", () =>
    bounded(Effect.gen(function*() {
      const asked: Array<string> = []
      const server = yield* Server.make(
        options,
        Server.respond(lines, (text) =>
          Effect.sync(() => {
            asked.push(text)
            return text
          }))
      )
      const client = yield* RawClient.connect(server.address, { finishes: true })
      client.write("hello\n")
      yield* client.received(6)
      client.write("DELETE /a")
      yield* server.stop
      assert.deepStrictEqual(asked, ["hello"])
    })))

  it.live("a peer that never reads is reset at the deadline", () =>
    bounded(Effect.gen(function*() {
      const big = "x".repeat(500_000)
      const before = descriptors()
      const server = yield* Server.make(
        { ...options, drainDeadline: "200 millis" },
        Server.respond(lines, () => Effect.succeed(big))
      )
      const client = yield* RawClient.connect(server.address, { reads: false })
      client.write("1\n".repeat(50))
      const polite = yield* RawClient.connect(server.address, { finishes: true })
      polite.write("1\n")
      yield* polite.received(500_001)
      const report = yield* server.stop
      assert.deepStrictEqual([report.open, report.finished, report.reset], [2, 1, 1])
      assert.isAtLeast(report.durationMillis, 199)
      assert.isBelow(report.durationMillis, 1500)
      client.socket.resume()
      assert.strictEqual(yield* client.closed, "ECONNRESET")
      assert.strictEqual(yield* polite.closed, "end")
      yield* eventually(() => descriptors() <= before)
    })))

  it.live("handler that ignores the socket does not leak it", () =>
    bounded(Effect.gen(function*() {
      const before = descriptors()
      const server = yield* Server.make({ ...options, linger: "50 millis" }, () => Effect.void)
      const clients = yield* Effect.forEach(Array.from({ length: 20 }), () => RawClient.connect(server.address))
      for (const { ended } of clients) assert.strictEqual(yield* ended, "")
      // None of the clients closes, so that what is left is theirs, and the listener.
      yield* eventually(() => connections(server) === 0 && descriptors() <= before + clients.length + 1)
      assert.strictEqual((yield* server.stop).open, 0)
    })))

  it.live("scope close is bounded even if every handler is uninterruptible", () =>
    bounded(Effect.gen(function*() {
      const before = descriptors()
      const scope = yield* Scope.make()
      const gate = Deferred.makeUnsafe<void>()
      const server = yield* Scope.provide(
        Server.make({ ...options, drainDeadline: "100 millis" }, () => Effect.uninterruptible(Deferred.await(gate))),
        scope
      )
      const clients = yield* Effect.forEach(Array.from({ length: 5 }), () => RawClient.connect(server.address))
      yield* eventually(() => connections(server) === 5)
      yield* Effect.timeout(Scope.close(scope, Exit.void), "2 seconds")
      const report = yield* server.stopped
      assert.deepStrictEqual([report.open, report.finished, report.reset], [5, 0, 5])
      for (const client of clients) assert.strictEqual(yield* client.closed, "ECONNRESET")
      yield* eventually(() => descriptors() <= before)
      yield* Deferred.succeed(gate, undefined)
      yield* eventually(() => connections(server) === 0)
    })))

  it.live("a handler's finalizers that never end do not hold the stop", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make({ ...options, drainDeadline: "50 millis" }, () =>
        Effect.andThen(Effect.addFinalizer(() => Effect.never), Effect.never))
      const client = yield* RawClient.connect(server.address)
      yield* eventually(() =>
        connections(server) === 1
      )
      assert.strictEqual((yield* server.stop).reset, 1)
      assert.strictEqual(yield* client.closed, "ECONNRESET")
    })))

  it.live("a handler is interrupted at the deadline, not before", () =>
    bounded(Effect.gen(function*() {
      const ended = Deferred.makeUnsafe<Exit.Exit<unknown, unknown>>()
      const server = yield* Server.make(
        { ...options, drainDeadline: "100 millis" },
        (connection: Connection.Connection) =>
          Effect.andThen(Effect.exit(connection.receive), Effect.never).pipe(
            Effect.onExit((exit) => Deferred.succeed(ended, exit))
          )
      )
      yield* RawClient.connect(server.address)
      yield* eventually(() => connections(server) === 1)
      const stopping = yield* Effect.forkChild(server.stop)
      const exit = yield* Deferred.await(ended)
      assert.isTrue(Exit.hasInterrupts(exit))
      assert.isAtLeast((yield* Fiber.join(stopping)).durationMillis, 99)
    })))

  it.live("second shutdown call joins the first", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(options, echo)
      yield* talking(server, { finishes: true })
      const [first, second, third] = yield* Effect.all([server.stop, server.stop, server.stopped], {
        concurrency: "unbounded"
      })
      assert.strictEqual(first, second)
      assert.strictEqual(first, third)
      assert.strictEqual(yield* server.stop, first)
    })))

  it.live("a stop that is interrupted, at whatever step, goes on", () =>
    bounded(Effect.gen(function*() {
      for (let seed = 0; seed < 50; seed++) {
        const server = yield* Server.make(options, echo)
        const client = yield* talking(server, { finishes: true })
        const stopping = yield* Effect.forkChild(
          capricious(seed)(server.stop),
          { startImmediately: true }
        )
        for (let i = 0; i < seed % 5; i++) yield* Effect.yieldNow
        yield* Fiber.interrupt(stopping)
        assert.strictEqual((yield* server.stop).reset, 0)
        assert.strictEqual(yield* client.closed, "end")
      }
    })))

  it.live("drain report counts add up", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(
        { ...options, maxConnections: 30, drainDeadline: "150 millis" },
        Server.respond(lines, (text) => text === "hang" ? Effect.never : Effect.succeed(text))
      )
      // 10 come and go, 8 stay, 12 hang, 5 are turned away.
      yield* Effect.forEach(Array.from({ length: 10 }), () =>
        Effect.gen(function*() {
          const client = yield* talking(server)
          client.socket.end()
          yield* client.closed
        }))
      yield* eventually(() => connections(server) === 0)
      yield* Effect.forEach(Array.from({ length: 8 }), () => talking(server, { finishes: true }))
      for (let i = 0; i < 12; i++) (yield* talking(server)).write("hang\n")
      yield* eventually(() => connections(server) === 20)
      const gone = yield* Effect.forEach(Array.from({ length: 10 }), () => talking(server, { finishes: true }))
      for (let i = 0; i < 5; i++) yield* (yield* RawClient.connect(server.address)).ended
      // These leave while the stop begins.
      for (const { socket } of gone) socket.end()
      const report = yield* server.stop
      const { accepted, open, rejected, reset } = report
      assert.deepStrictEqual([accepted, rejected, reset], [40, 5, 12])
      assert.isTrue(sums(report) && open >= 20 && open <= 30, JSON.stringify(report))
    })))

  it.live("a handler that stops its server is answered at the deadline at the latest", () =>
    bounded(Effect.gen(function*() {
      const handed = Deferred.makeUnsafe<Server.Server["Service"]>()
      const server = yield* Server.make(
        { ...options, drainDeadline: "100 millis" },
        Server.respond(lines, (text) => Effect.as(Effect.flatMap(Deferred.await(handed), ({ stop }) => stop), text))
      )
      yield* Deferred.succeed(handed, server)
      const client = yield* RawClient.connect(server.address)
      client.write("stop\n")
      assert.strictEqual((yield* server.stopped).reset, 1)
      assert.strictEqual(yield* client.closed, "ECONNRESET")
    })))
})

describe("Server.run", () => {
  it.live("drains when it is interrupted", () =>
    bounded(Effect.gen(function*() {
      // A path, because nobody can ask run for the port that it got.
      const path = join(tmpdir(), `framewire-${process.pid}-${Date.now()}.sock`)
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(path, { force: true })))
      const asked = Deferred.makeUnsafe<void>()
      const running = yield* Effect.forkChild(Server.run(
        { ...options, address: { path } },
        Server.respond(lines, (text) =>
          Effect.as(Effect.andThen(Deferred.succeed(asked, undefined), Effect.sleep("100 millis")), text))
      ))
      const client = yield* Effect.retry(RawClient.connect({ path }, { finishes: true }), {
        while: () =>
          Effect.as(Effect.sleep("2 millis"), true)
      })
      client.write("hello\n")
      yield* Deferred.await(asked)
      yield* Fiber.interrupt(running)
      assert.strictEqual(yield* client.ended, "hello\n")
      assert.strictEqual(yield* client.closed, "end")
      assert.strictEqual(yield* Effect.flip(RawClient.connect({ path })), "ENOENT")
    })))
})

/** Holds the event loop. */
const blockUntil = (isSo: () => boolean): void => {
  const cell = new Int32Array(new SharedArrayBuffer(4))
  for (let i = 0; i < 1000 && !isSo(); i++) Atomics.wait(cell, 0, 0, 5)
}

/** Connections to the port that wait in the kernel with bytes to be read. */
const askingAt = (port: number): number => {
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`
  return readFileSync("/proc/net/tcp", "utf8").split("\n").filter((line) => {
    const [, from = "", , state, queues = ""] = line.trim().split(/\s+/)
    return from.endsWith(local) && state === "01" && !queues.endsWith(":00000000")
  }).length
}
