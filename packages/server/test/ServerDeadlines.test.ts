// The deadlines of a server, which are on unless somebody turns them off: over every kind of handler, told by event and metric.
import { assert, describe, it } from "@effect/vitest"
import { type Connection, Transport } from "@framewire/core"
import { Codec, Framed, Greeting, Lines, Protocol } from "@framewire/framing"
import { type Handler, Server, type ServerEvent, ServerMetrics } from "@framewire/server"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { countsOf, eventsOf, inMemory, lines, options } from "./support/index.ts"

const text = Codec.text(Lines.make())
const byId = Protocol.json({ framing: Lines.make(), request: Schema.String, response: Schema.String })
const greeting = Greeting.make({
  hello: text,
  welcome: Codec.json(Greeting.Welcome({ agreed: Schema.Null, refusal: Schema.Never }))(Lines.make()),
  offer: "hello",
  agree: () => Result.succeed(null),
  speak: () => Protocol.toExchange(lines)
})
const echo = Effect.succeed<string>
const call = `${JSON.stringify({ _tag: "Request", id: 1, request: "a" })}\n`

/** What is a whole frame to each. */
const handlers: Readonly<Record<string, readonly [handler: Handler.Handler<unknown>, frame: string]>> = {
  "respond in order": [Server.respond(lines, echo), "a\n"],
  "respond by id": [Server.respond(byId, echo), call],
  "respond behind a greeting": [Server.respond(greeting, echo), "hello\n"],
  forEach: [Server.forEach(text, (line, framed) => framed.send(line)), "a\n"],
  "Framed by hand": [
    (connection: Connection.Connection) => {
      const framed = Framed.make(connection, text)
      return Effect.forever(Effect.flatMap(framed.receive, framed.send)).pipe(Pull.catchDone(() => Effect.void))
    },
    "a\n"
  ]
}

const serve = (handler: Handler.Handler<unknown>, how: Partial<Server.ServerOptions> = {}) =>
  Effect.gen(function*() {
    const server = yield* Server.make({ ...options, linger: 0, ...how }, handler)
    const events = yield* eventsOf(server)
    const connect = Transport.connect(server.address, { linger: 0 })
    return { server, events, connect }
  })

const write = (peer: Connection.Connection, sent: string) =>
  Effect.andThen(peer.send(Buffer.from(sent)), TestClock.adjust(0))

const passed = (events: ReadonlyArray<ServerEvent.ServerEvent>) =>
  events.flatMap((event) => event._tag === "Exceeded" ? [event.which] : [])

// What a deadline may be late.
const late = 500

describe.each(Object.entries(handlers))("deadlines of %s", (_, [handler, frame]) => {
  const cases: ReadonlyArray<
    readonly [which: string, sent: string, millis: number, every?: readonly [number, string]]
  > = [
    ["firstFrame", "", 10_000],
    ["firstFrame", "x", 10_000],
    ["minRate", `${frame}x`, 10_000],
    ["frame", `${frame}x`, 30_000, [1000, "x".repeat(70)]],
    ["readIdle", frame, 60_000]
  ]
  it.effect.each(cases)("%s, having sent %j", ([which, sent, millis, every]) =>
    inMemory(Effect.gen(function*() {
      const { connect, events } = yield* serve(handler)
      const peer = yield* connect
      if (sent !== "") yield* write(peer, sent)
      if (every !== undefined) {
        const [pause, more] = every
        for (let past = 0; past < millis - pause; past += pause) {
          yield* TestClock.adjust(pause)
          yield* write(peer, more)
        }
        millis = pause
      }
      yield* TestClock.adjust(millis - 1)
      assert.deepStrictEqual(passed(events), [])
      yield* TestClock.adjust(late + 1)
      assert.deepStrictEqual(passed(events), [which])
      const closed = events.find((event) => event._tag === "Closed")
      assert.deepInclude(closed, { reason: { _tag: "Aborted" } })
      assert.deepStrictEqual(yield* countsOf(ServerMetrics.exceeded), { [which]: 1 })
    })))
})

describe("ServerOptions.deadlines", () => {
  it.effect("a request that is worked on for longer than a peer may be idle, by id and in order", () =>
    inMemory(Effect.gen(function*() {
      const slow = (request: string) => Effect.as(Effect.sleep("10 minutes"), request)
      for (
        const [handler, frame] of [[Server.respond(byId, slow), call], [Server.respond(lines, slow), "a\n"]] as const
      ) {
        const { connect, events } = yield* serve(handler)
        const peer = yield* connect
        yield* write(peer, frame)
        yield* TestClock.adjust("10 minutes")
        assert.isAbove((yield* peer.receive)[0].length, 0)
        assert.deepStrictEqual(passed(events), [])
        // From the answer on it is idle.
        yield* TestClock.adjust(60_000 + late)
        assert.deepStrictEqual(passed(events), ["readIdle"])
      }
    })))

  it.effect("a request that its client cancels is not worked on any more", () =>
    inMemory(Effect.gen(function*() {
      const { connect, events } = yield* serve(Server.respond(byId, () => Effect.never))
      const peer = yield* connect
      yield* write(peer, call)
      yield* TestClock.adjust("10 minutes")
      yield* write(peer, `${JSON.stringify({ _tag: "Cancel", id: 1 })}\n`)
      assert.deepStrictEqual(passed(events), [])
      yield* TestClock.adjust(60_000 + late)
      assert.deepStrictEqual(passed(events), ["readIdle"])
    })))

  it.effect("a receive that was interrupted is no waiting for the peer", () =>
    inMemory(Effect.gen(function*() {
      const { connect, events } = yield* serve((connection) =>
        Effect.andThen(Effect.timeoutOption(connection.receive, "1 second"), Effect.sleep("1 hour"))
      )
      yield* connect
      yield* TestClock.adjust("1 hour")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(passed(events), [])
      assert.deepInclude(events.at(-1), { _tag: "Closed", reason: { _tag: "LingerExpired" } })
    })))

  it.effect("unbounded: a peer may be silent for ever, and the rest of a frame is Framed's own to wait for", () =>
    inMemory(Effect.gen(function*() {
      const { connect, events, server } = yield* serve(Server.respond(lines, echo), { deadlines: "unbounded" })
      yield* connect
      const slow = yield* connect
      yield* write(slow, "x")
      yield* TestClock.adjust(29_999)
      assert.strictEqual(yield* server.connections, 2)
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* server.connections, 1)
      yield* TestClock.adjust("1 day")
      assert.strictEqual(yield* server.connections, 1)
      assert.deepStrictEqual(passed(events), [])
    })))

  it.effect("of a frame there is one clock: the server's, unless the handler has asked for its own", () =>
    inMemory(Effect.gen(function*() {
      const deadlines = {
        frame: "unbounded",
        minRate: "unbounded",
        firstFrame: "unbounded",
        readIdle: "2 hours"
      } as const
      const { connect, server } = yield* serve(Server.respond(lines, echo), { deadlines })
      yield* write(yield* connect, "x")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* server.connections, 1)
      const own = yield* serve(Server.respond(lines, echo, { frameTimeout: "5 seconds" }), { deadlines })
      yield* write(yield* own.connect, "x")
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* own.server.connections, 0)
      assert.deepStrictEqual(passed(own.events), [])
    })))

  it.effect("what a handler decodes on another connection is not its peer's frame, and has its own time", () =>
    inMemory(Effect.gen(function*() {
      const transport = yield* Transport.Transport
      const upstream = yield* Transport.listen({ host: "127.0.0.2", port: 7 }, { linger: 0 })
      const { connect, events } = yield* serve((connection) =>
        Effect.gen(function*() {
          const below = Framed.make(connection, text)
          const above = Framed.make(yield* Transport.connect(upstream.address, { linger: 0 }), text)
          yield* below.send(yield* below.receive)
          const failed = yield* Effect.flip(above.receive)
          yield* below.send(failed._tag === "FrameError" ? failed.reason._tag : failed._tag)
        }).pipe(Effect.scoped, Effect.provideService(Transport.Transport, transport)), {
        deadlines: { frame: "10 seconds" }
      })
      const peer = Framed.make(yield* connect, text)
      yield* peer.send("go")
      const slow = yield* upstream.accept
      assert.strictEqual(yield* peer.receive, "go")
      yield* write(slow, "half a li")
      yield* TestClock.adjust(30_000 + late)
      assert.strictEqual(yield* peer.receive, "FrameTimeout")
      assert.deepStrictEqual(passed(events), [])
    })))

  it.effect("age: a connection is drained by itself, its client's requests answered, and nobody is reset", () =>
    inMemory(Effect.gen(function*() {
      const deadlines = { readIdle: "unbounded", age: { after: "1 hour", jitter: 0, grace: "10 seconds" } } as const
      const { connect, events } = yield* serve(Server.respond(lines, echo), { deadlines })
      const peer = yield* connect
      yield* write(peer, "a\n")
      yield* TestClock.adjust("1 hour")
      yield* TestClock.adjust(late)
      assert.strictEqual(String(Buffer.concat(yield* peer.receive)), "a\n")
      assert.deepStrictEqual(passed(events), [])
      // FIN, which this peer does not answer.
      assert.deepInclude(events.at(-1), { _tag: "Closed", reason: { _tag: "LingerExpired" } })
    })))

  it.effect("while the server stops they hold as before", () =>
    inMemory(Effect.gen(function*() {
      const { connect, events, server } = yield* serve(() => Effect.never, {
        drainDeadline: "1 hour",
        deadlines: { age: { after: "5 seconds", jitter: 0, grace: "5 seconds" } }
      })
      yield* connect
      yield* TestClock.adjust(0)
      yield* Effect.forkChild(server.stop)
      yield* TestClock.adjust(10_000 + late)
      assert.deepStrictEqual(passed(events), ["age"])
      assert.deepInclude(yield* server.stop, { open: 1, finished: 1 })
    })))
})
