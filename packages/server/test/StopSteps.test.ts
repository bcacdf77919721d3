// The steps of a stop, one by one: time is TestClock's where only time is asked for.
import { assert, describe, it } from "@effect/vitest"
import { type Connection, Transport } from "@framewire/core"
import { MemoryTransport } from "@framewire/core/testing"
import { Server, type ServerEvent } from "@framewire/server"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Pull from "effect/Pull"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { bounded, connections, eventually, lines, options, RawClient } from "./support/index.ts"

const echo = Server.respond(lines, Effect.succeed<string>)
const memory = { address: { host: "127.0.0.1", port: 1 } } as const
/** What a test leaves open closes before the network does. */
const inMemory = <A, E>(body: Effect.Effect<A, E, Scope.Scope | Transport.Transport>): Effect.Effect<A, E> =>
  Effect.provide(Effect.scoped(body), Layer.fresh(MemoryTransport.layer()))

const bytes = (text: string) => new TextEncoder().encode(text)

/** Lets everything go on that waits for no time. */
const settle = Effect.forEach(Array.from({ length: 50 }), () => Effect.yieldNow, { discard: true })

/** A client in memory that has been answered once. */
const talking = (server: Server.Server["Service"]) =>
  Effect.gen(function*() {
    const client = yield* Transport.connect(server.address)
    yield* client.send(bytes("hello\n"))
    yield* client.receive
    return client
  })

/** From now on; complete when the server has stopped. */
const recorded = (server: Server.Server["Service"]) =>
  Effect.gen(function*() {
    const events: Array<ServerEvent.ServerEvent> = []
    const fiber = yield* Effect.forkChild(
      Stream.runForEach(server.events, (event) =>
        Effect.sync(() => {
          events.push(event)
        })),
      { startImmediately: true }
    )
    yield* settle
    return { events, complete: Fiber.join(fiber) }
  })

describe("Server.stop", () => {
  it.effect("each step is a state and an event, and comes at its time", () =>
    Effect.gen(function*() {
      const server = yield* Server.make(
        {
          ...memory,
          preStopDelay: "5 seconds",
          drainDeadline: "10 seconds",
          drainLinger: "1 second",
          linger: "1 hour"
        },
        () => Effect.never
      )
      const { complete, events } = yield* recorded(server)
      const step = Effect.map(server.state, (state) => state._tag === "Draining" ? state.step : state._tag)
      yield* Transport.connect(server.address)
      yield* settle
      assert.deepStrictEqual([yield* step, yield* server.ready, yield* server.live], ["Running", true, true])

      const stopping = yield* Effect.forkChild(server.stop)
      yield* settle
      assert.deepStrictEqual([yield* step, yield* server.ready, yield* server.live], ["announced", false, true])
      assert.deepInclude(yield* server.state, { deadline: 15_000 })
      yield* TestClock.adjust("4999 millis")
      // Who comes during the delay is served as ever.
      yield* Transport.connect(server.address)
      yield* settle
      assert.deepStrictEqual([yield* step, yield* server.connections], ["announced", 2])

      yield* TestClock.adjust("1 millis")
      yield* settle
      assert.strictEqual(yield* step, "closing")
      assert.strictEqual((yield* Effect.flip(Transport.connect(server.address))).code, "ECONNREFUSED")
      yield* TestClock.adjust("9999 millis")
      assert.strictEqual(yield* step, "closing")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* step, "resetting")
      assert.isUndefined(stopping.pollUnsafe())
      yield* TestClock.adjust("1 second")

      const report = yield* Fiber.join(stopping)
      assert.deepStrictEqual(report, {
        accepted: 2,
        rejected: 0,
        open: 2,
        finished: 0,
        interrupted: 0,
        reset: 2,
        durationMillis: 16_000
      })
      assert.deepStrictEqual([yield* step, yield* server.ready, yield* server.live], ["Stopped", false, false])
      yield* complete
      assert.deepStrictEqual(
        events.flatMap((event) => event._tag === "Moved" ? [event.state] : []).map((state) =>
          state._tag === "Draining" ? state.step : state._tag
        ),
        ["announced", "emptying", "closing", "resetting", "Stopped"]
      )
      // Who subscribes now waits for nothing.
      assert.deepStrictEqual(yield* Stream.runCollect(server.events), [])
    }).pipe(inMemory))

  const stopsInShares = Effect.gen(function*() {
    const server = yield* Server.make({ ...memory, closeSpread: "10 seconds", drainDeadline: "1 minute" }, echo)
    const clients = yield* Effect.forEach(Array.from({ length: 10 }), () => talking(server))
    const ended: Array<readonly [index: number, at: number]> = []
    for (const [index, client] of clients.entries()) {
      yield* Effect.forkChild(
        Pull.catchDone(client.receive, () =>
          Effect.andThen(
            Effect.map(Clock.currentTimeMillis, (now) => ended.push([index, now])),
            client.close()
          ))
      )
    }
    const stopping = yield* Effect.forkChild(server.stop)
    yield* settle
    // A share ends before its second does: that belongs to the next.
    yield* TestClock.adjust("999 millis")
    for (let share = 1; share <= 10; share++) {
      yield* settle
      assert.lengthOf(ended, share)
      yield* TestClock.adjust("1 second")
    }
    assert.deepStrictEqual((yield* Fiber.join(stopping)).finished, 10)
    return ended
  }).pipe(inMemory)

  it.effect("idle connections are closed one after the other over closeSpread, in random order", () =>
    Effect.gen(function*() {
      const ended = yield* stopsInShares
      assert.notDeepEqual(ended.map(([index]) => index), ended.map((_, index) => index))
      assert.isTrue(ended.some(([, at]) => at % 1000 !== 0), "there is no jitter")
    }))

  it.effect.each([0, 0.9999])(
    "each within its share of it, whatever chance says: %d",
    (chance) =>
      Effect.provideService(stopsInShares, Random.Random, {
        nextDoubleUnsafe: () => chance,
        nextIntUnsafe: () => 0
      })
  )

  it.effect("until its moment of closeSpread a connection is served, and it knows that the server drains", () =>
    Effect.gen(function*() {
      const drains = Deferred.makeUnsafe<void>()
      const server = yield* Server.make(
        { ...memory, closeSpread: "10 seconds" },
        (connection: Connection.Connection) =>
          Effect.andThen(
            Effect.forkChild(Effect.andThen(connection.draining, Deferred.succeed(drains, undefined))),
            echo(connection)
          )
      )
      const client = yield* talking(server)
      // So that the first one is not the last.
      yield* talking(server)
      const stopping = yield* Effect.forkChild(server.stop)
      yield* settle
      yield* Deferred.await(drains)
      yield* client.send(bytes("again\n"))
      assert.strictEqual(String.fromCharCode(...(yield* client.receive)[0]), "again\n")
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual((yield* Fiber.join(stopping)).finished, 2)
    }).pipe(inMemory))

  it.effect("a spread longer than the deadline ends with it", () =>
    Effect.gen(function*() {
      const server = yield* Server.make({ ...memory, closeSpread: "1 hour", drainDeadline: "10 seconds" }, echo)
      const client = yield* talking(server)
      const closing = yield* Effect.forkChild(Effect.andThen(Effect.exit(client.receive), client.close()))
      const stopping = yield* Effect.forkChild(server.stop)
      yield* settle
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(closing)
      const { durationMillis, finished } = yield* Fiber.join(stopping)
      assert.isTrue(finished === 1 && durationMillis < 10_000, `${finished} after ${durationMillis} ms`)
    }).pipe(inMemory))

  it.effect("who says goodbye ends the stop before the spread is over", () =>
    Effect.gen(function*() {
      const server = yield* Server.make(
        { ...memory, closeSpread: "10 seconds" },
        (connection: Connection.Connection) => connection.draining
      )
      const client = yield* Transport.connect(server.address)
      yield* Effect.forkChild(Effect.andThen(Effect.exit(client.receive), client.close()))
      yield* settle
      const { durationMillis, finished } = yield* server.stop
      assert.deepStrictEqual([durationMillis, finished], [0, 1])
    }).pipe(inMemory))

  it.effect("the scope's end is the same stop, with the same deadline", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const server = yield* Scope.provide(
        Server.make({ ...memory, drainDeadline: "10 seconds" }, () => Effect.never),
        scope
      )
      yield* Transport.connect(server.address)
      yield* settle
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* settle
      yield* TestClock.adjust("9999 millis")
      assert.isUndefined(closing.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(closing)
      assert.strictEqual((yield* server.stopped).reset, 1)
    }).pipe(inMemory))

  it.live("says goodbye before FIN", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(options, (connection: Connection.Connection) =>
        Effect.andThen(Effect.raceFirst(echo(connection), connection.draining), connection.send(bytes("bye\n"))))
      const client = yield* RawClient.connect(server.address, { finishes: true })
      client.write("hello\n")
      yield* client.received(6)
      const report = yield* server.stop
      assert.strictEqual(yield* client.ended, "hello\nbye\n")
      assert.strictEqual(yield* client.closed, "end")
      assert.deepStrictEqual([report.finished, report.reset], [1, 0])
    })))

  it.live("interrupted handlers close gracefully within drainLinger, the rest is reset", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(
        { ...options, drainDeadline: "50 millis", drainLinger: "300 millis", linger: "1 minute" },
        Server.respond(lines, (text) => text === "hang" ? Effect.never : Effect.succeed(text))
      )
      const polite = yield* RawClient.connect(server.address, { finishes: true })
      const rude = yield* RawClient.connect(server.address)
      for (const client of [polite, rude]) client.write("hello\nhang\n")
      yield* polite.received(6)
      yield* rude.received(6)
      const { finished, interrupted, open, reset } = yield* server.stop
      assert.deepStrictEqual({ finished, interrupted, open, reset }, { finished: 0, interrupted: 1, open: 2, reset: 1 })
      // What was answered has come in either case.
      assert.strictEqual(yield* polite.ended, "hello\n")
      assert.strictEqual(yield* polite.closed, "end")
      // Who has read FIN reads no more, and meets RST when it writes.
      assert.strictEqual(yield* rude.ended, "hello\n")
      rude.write("again\n")
      assert.include(["ECONNRESET", "EPIPE"], yield* rude.closed)
      yield* eventually(() => connections(server) === 0)
    })))
})

describe("Server.suspend", () => {
  it.live("suspend/resume keeps established connections", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(options, echo)
      const client = yield* RawClient.connect(server.address, { finishes: true })
      client.write("1\n")
      yield* client.received(2)
      for (let round = 0; round < 3; round++) {
        yield* server.suspend
        assert.deepStrictEqual([(yield* server.state)._tag, yield* server.ready], ["Suspended", false])
        assert.isTrue(yield* server.live)
        assert.strictEqual(yield* Effect.flip(RawClient.connect(server.address)), "ECONNREFUSED")
        client.write("2\n")
        yield* client.received(4 + 4 * round)
        yield* server.resume
        assert.deepStrictEqual([(yield* server.state)._tag, yield* server.ready], ["Running", true])
        const other = yield* RawClient.connect(server.address, { finishes: true })
        other.write("3\n")
        assert.strictEqual(yield* other.received(2), "3\n")
        client.write("4\n")
        yield* client.received(6 + 4 * round)
      }
      assert.strictEqual((yield* server.stop).finished, 4)
      assert.strictEqual(yield* client.ended, `1\n${"2\n4\n".repeat(3)}`)
    })))

  it.live("a suspended server stops, and stays stopped", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(options, echo)
      const client = yield* RawClient.connect(server.address, { finishes: true })
      client.write("1\n")
      yield* client.received(2)
      yield* server.suspend
      assert.strictEqual((yield* server.stop).finished, 1)
      yield* server.resume
      yield* server.suspend
      assert.strictEqual((yield* server.state)._tag, "Stopped")
      assert.strictEqual(yield* Effect.flip(RawClient.connect(server.address)), "ECONNREFUSED")
    })))
})
