import { assert, describe, it } from "@effect/vitest"
import { type Client, ClientMetrics, Pool, type RequestError } from "@framewire/client"
import { MemoryNetwork } from "@framewire/core/testing"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import type * as Net from "node:net"
import { bounded, eventually, lines, MemoryServer, RawServer } from "./support/index.ts"

const { fork, inMemory, settle } = MemoryServer

const spaced = { schedule: Schedule.spaced("1 seconds"), linger: 0 } as const
const known = (error: RequestError.RequestError) => `${error.delivery} ${error.reason._tag}`
const failing = (client: Client.Requests<string, string>, text: string) =>
  Effect.map(Effect.flip(client.request(text)), known)
const range = (count: number) => Array.from({ length: count }, (_, index) => `${index}`)

/** Answers when it is told to, and knows which line asked. */
const patient = Effect.gen(function*() {
  const held: Array<{ readonly line: string; readonly connection: number; readonly answer: Effect.Effect<void> }> = []
  const server = yield* MemoryServer.make((line, say, { id }) =>
    Effect.sync(() => void held.push({ line, connection: id, answer: say(line) }))
  )
  const answerAll = Effect.suspend(() => Effect.forEach(held.splice(0), ({ answer }) => answer, { discard: true }))
  return { server, held, answerAll }
})

describe("Pool", () => {
  it.live("100 000 at once over 4 lines: each has its answer, no line has more than it may", () =>
    bounded(Effect.gen(function*() {
      const inFlight = new Map<Net.Socket, number>()
      let most = 0
      const server = yield* RawServer.make({
        onLine: (line, socket) => {
          const now = (inFlight.get(socket) ?? 0) + 1
          most = Math.max(most, now)
          inFlight.set(socket, now)
          setImmediate(() => {
            inFlight.set(socket, inFlight.get(socket)! - 1)
            socket.write(`${line}\n`)
          })
        }
      })
      const client = yield* Pool.make(lines, server.address, {
        maxInFlight: 256,
        maxWaiting: 100_000,
        waitTimeout: 10_000
      })
      // Before there is a line, the queue is the limit.
      assert.strictEqual(yield* client.request("first"), "first")
      const outcomes = yield* client.requestAll(range(100_000))
      assert.isTrue(outcomes.every((it, n) => Exit.isSuccess(it) && it.value === `${n}`))
      assert.lengthOf(server.sockets, 4)
      assert.isAtMost(most, 256)
    })))

  it.live("100 000 that a server holds back: no more of them are encoded and sent than the lines may have in flight", () =>
    bounded(Effect.gen(function*() {
      const held: Array<() => void> = []
      let isPatient = true
      const server = yield* RawServer.make({
        onLine: (line, socket) => {
          const answer = () => socket.write(`${line}\n`)
          if (isPatient && line !== "first") held.push(answer)
          else answer()
        }
      })
      const client = yield* Pool.make(lines, server.address, {
        name: "held",
        maxInFlight: 256,
        maxWaiting: 100_000,
        waitTimeout: 10_000
      })
      assert.strictEqual(yield* client.request("first"), "first")
      const waiting = Metric.withAttributes(ClientMetrics.pendingRequests, { "client.name": "held" })
      const all = yield* Effect.forkChild(client.requestAll(range(100_000)), { startImmediately: true })
      yield* eventually(() => held.length === 4 * 256)
      assert.strictEqual((yield* Metric.value(waiting)).value, 100_000 - 4 * 256)
      const last = yield* Effect.forkChild(client.requestAll(range(4 * 256)), { startImmediately: true })
      const more = yield* Effect.flip(client.request("more"))
      assert.deepStrictEqual([more.delivery, more.reason._tag], ["NotSent", "QueueFull"])
      // Its buffers are what the requests that are there take, and the next are encoded as those are answered.
      assert.lengthOf(held, 4 * 256)
      isPatient = false
      for (const answer of held) answer()
      const outcomes = yield* Fiber.join(all)
      assert.isTrue(outcomes.every((it, n) => Exit.isSuccess(it) && it.value === `${n}`))
      assert.isTrue((yield* Fiber.join(last)).every(Exit.isSuccess))
      assert.strictEqual((yield* Metric.value(waiting)).value, 0)
    })))

  it.effect("a request goes to the line with the fewest in flight", () =>
    inMemory(Effect.gen(function*() {
      const { answerAll, held, server } = yield* patient
      const client = yield* Pool.make(lines, server.address, spaced)
      yield* settle
      const all = yield* fork(client.requestAll(range(12)))
      yield* settle
      const counts = new Map<number, number>()
      for (const { connection } of held) counts.set(connection, (counts.get(connection) ?? 0) + 1)
      assert.deepStrictEqual([...counts.values()], [3, 3, 3, 3])
      yield* answerAll
      assert.isTrue((yield* Fiber.join(all)).every(Exit.isSuccess))
    })))

  it.effect("grows when all are full, and shrinks when they are idle", () =>
    inMemory(Effect.gen(function*() {
      const { answerAll, held, server } = yield* patient
      const client = yield* Pool.make(lines, server.address, {
        ...spaced,
        minSize: 1,
        size: 3,
        maxInFlight: 2,
        idleTimeout: "1 minutes"
      })
      yield* settle
      assert.lengthOf(server.connections, 1)
      const all = yield* fork(client.requestAll(range(5)))
      yield* settle
      assert.lengthOf(server.connections, 3)
      assert.lengthOf(held, 5)
      yield* answerAll
      assert.isTrue((yield* Fiber.join(all)).every(Exit.isSuccess))
      yield* TestClock.adjust("3 minutes")
      yield* settle
      const states = yield* Effect.forEach(server.connections, ({ state }) => state)
      assert.strictEqual(states.filter(({ _tag }) => _tag === "Open").length, 1)
      // Nothing is dialled for those that are gone.
      yield* TestClock.adjust("1 minutes")
      assert.lengthOf(server.connections, 3)
    })))

  it.effect("an old line answers what it has, and another takes its place", () =>
    inMemory(Effect.gen(function*() {
      const { held, server } = yield* patient
      const client = yield* Pool.make(lines, server.address, {
        ...spaced,
        size: 1,
        maxAge: "1 minutes",
        requestTimeout: "5 minutes",
        drainTimeout: "5 minutes"
      })
      yield* settle
      yield* TestClock.adjust("47 seconds")
      assert.lengthOf(server.connections, 1)
      const slow = yield* fork(client.request("slow"))
      yield* TestClock.adjust("15 seconds")
      yield* settle
      assert.lengthOf(server.connections, 2)
      const next = yield* fork(client.request("next"))
      yield* settle
      // A drain waits for both.
      const draining = yield* fork(client.drain)
      yield* settle
      assert.isUndefined(draining.pollUnsafe())
      const [first, second] = held
      yield* second!.answer
      yield* settle
      assert.isUndefined(draining.pollUnsafe())
      yield* first!.answer
      yield* Fiber.join(draining)
      assert.deepStrictEqual(yield* Effect.all([Fiber.join(slow), Fiber.join(next)]), ["slow", "next"])
      yield* settle
      assert.strictEqual((yield* server.connections[0]!.state)._tag, "Closed")
    })))

  it.effect("so many wait, for so long", () =>
    inMemory(Effect.gen(function*() {
      const { server } = yield* patient
      const client = yield* Pool.make(lines, server.address, {
        ...spaced,
        size: 1,
        maxInFlight: 1,
        maxWaiting: 2,
        waitTimeout: "3 seconds"
      })
      yield* settle
      yield* fork(Effect.ignore(client.request("held")))
      const waiting = yield* Effect.forEach(["a", "b"], (it) => fork(failing(client, it)))
      assert.strictEqual(yield* failing(client, "c"), "NotSent QueueFull")
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* Effect.forEach(waiting, Fiber.join), [
        "NotSent QueueTimedOut",
        "NotSent QueueTimedOut"
      ])
    })))

  it.effect("a line that was silent has to answer a ping before it has a request", () =>
    inMemory(Effect.gen(function*() {
      const network = yield* MemoryNetwork.MemoryNetwork
      const server = yield* MemoryServer.make(MemoryServer.echo)
      const client = yield* Pool.make(lines, server.address, {
        ...spaced,
        size: 2,
        checkAfter: "5 seconds",
        heartbeat: { ping: "ping", interval: "1 minutes" }
      })
      yield* settle
      assert.strictEqual(yield* client.request("a"), "a")
      assert.deepStrictEqual(server.log, ["a"])
      yield* TestClock.adjust("6 seconds")
      yield* network.vanish(server.connections[0]!)
      const outcomes = yield* fork(client.requestAll(range(10)))
      yield* settle
      assert.isTrue((yield* Fiber.join(outcomes)).every(Exit.isSuccess))
      assert.deepStrictEqual(server.log.filter((it) => it === "ping"), ["ping"])
    })))

  it.live("a line that always has to answer a ping before is asked once for each request", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({ onLine: (line, socket) => socket.write(`${line}\n`) })
      const client = yield* Pool.make(lines, server.address, { size: 1, checkAfter: 0, heartbeat: { ping: "PING" } })
      for (const it of ["a", "b"]) {
        assert.strictEqual(yield* client.request(it), it)
        yield* Effect.sleep("5 millis")
      }
      assert.isBelow(server.lines().length, 20)
    })))

  it.live("a line that may not be idle at all is drained when it is, and looked at now and then", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({
        onLine: (line, socket) => void setTimeout(() => socket.write(`${line}\n`), 300)
      })
      const client = yield* Pool.make(lines, server.address, { minSize: 0, idleTimeout: 0 })
      const before = process.cpuUsage()
      assert.strictEqual(yield* client.request("a"), "a")
      assert.isBelow(process.cpuUsage(before).user, 150_000)
      yield* eventually(() => server.sockets[0]?.readableEnded === true)
    })))

  it.effect("an endpoint that fails again and again is left alone for a while, the only one never", () =>
    inMemory(Effect.gen(function*() {
      const good = yield* MemoryServer.make(
        (line, say, connection) => line === "close" ? Effect.asVoid(connection.abort) : say(line),
        { host: "good", port: 7 }
      )
      const bad = yield* MemoryServer.make((_, say) => say("sick"), { host: "bad", port: 7 })
      const session = (line: Client.Requests<string, string>) =>
        Effect.flatMap(line.request("well"), (state) => state === "well" ? Effect.void : Effect.fail(state))
      const options = {
        ...spaced,
        size: 1,
        maxFailures: 2,
        ejectionTime: "1 hours",
        session,
        maxAge: "Infinity"
      } as const
      const client = yield* Pool.make(lines, [bad.address, good.address], options)
      const rounds = (count: number) =>
        Effect.forEach(range(count), () =>
          Effect.gen(function*() {
            yield* settle
            yield* fork(Effect.ignore(client.request("close")))
            yield* settle
            yield* TestClock.adjust("1 seconds")
          }))
      yield* rounds(6)
      assert.lengthOf(bad.log, 2)
      assert.isAbove(good.log.length, 6)
      yield* TestClock.adjust("1 hours")
      yield* rounds(4)
      assert.lengthOf(bad.log, 3)
      const only = yield* Pool.make(lines, bad.address, options)
      yield* fork(Effect.ignore(only.request("waits")))
      for (let i = 0; i < 10; i++) {
        yield* settle
        yield* TestClock.adjust("1 seconds")
      }
      assert.isAbove(bad.log.length, 10)
    })))

  it.live("closes all of its lines at once: peers that never finish cost one linger, not one each", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({ finishes: false })
      const scope = yield* Scope.make()
      yield* Scope.provide(Pool.make(lines, server.address, { size: 8, linger: "300 millis" }), scope)
      yield* eventually(() => server.sockets.length === 8)
      const [closing] = yield* Effect.timed(Scope.close(scope, Exit.void))
      assert.isBelow(Duration.toMillis(closing), 1200)
    })))

  it.effect("drains all of its lines", () =>
    inMemory(Effect.gen(function*() {
      const { answerAll, held, server } = yield* patient
      const client = yield* Pool.make(lines, server.address, { ...spaced, size: 2 })
      yield* settle
      const all = yield* fork(client.requestAll(range(4)))
      yield* settle
      const draining = yield* fork(client.drain)
      assert.strictEqual(yield* failing(client, "late"), "NotSent LineDraining")
      assert.lengthOf(held, 4)
      yield* answerAll
      yield* settle
      assert.isTrue((yield* Fiber.join(all)).every(Exit.isSuccess))
      yield* Fiber.join(draining)
      assert.strictEqual((yield* client.closed)._tag, "Graceful")
      assert.lengthOf(server.connections, 2)
    })))
})
