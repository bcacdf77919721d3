// What a server tells of itself: metrics by the names of the page, spans, events; and TLS, which comes after admission.
import { assert, describe, it } from "@effect/vitest"
import { type Connection, type Listener, Transport } from "@framewire/core"
import { MemoryNetwork, MemoryTransport } from "@framewire/core/testing"
import { Admission, Broadcast, Server, type ServerEvent, ServerMetrics } from "@framewire/server"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Tracer from "effect/Tracer"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Certificates from "../../../tests/support/Certificates.ts"
import {
  bounded,
  capricious,
  connections,
  eventually,
  FakeTransport,
  inMemory,
  lines,
  options,
  portOf,
  RawClient,
  valueOf
} from "./support/index.ts"

const echo = Server.respond(lines, Effect.succeed<string>)
const bytes = (text: string) => new TextEncoder().encode(text)

/** The rows of a table of the page, by the head of its first column: their cells. */
const table = (head: string): ReadonlyArray<ReadonlyArray<string>> => {
  const [, after = ""] = readFileSync(join(import.meta.dirname, "../README.md"), "utf8").split(`| ${head} `)
  const lines = after.slice(0, after.indexOf("\n\n")).split("\n").slice(2)
  return lines.map((line) => line.split("|").map((cell) => cell.trim().replaceAll("`", "")).slice(1, -1))
}

// Name, type, attributes beside the common ones, meaning.
const rows = table("metric")

const common = ["server.address", "server.port", "network.transport", "network.type", "tls.established"]

/** Runs it with a registry of its own, and gives what that has in the end. */
const measured = <A, E, R>(body: Effect.Effect<A, E, R>) =>
  Effect.andThen(body, Metric.snapshot).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))

/** Everything that can happen to connections, once: one is served, one parked, three turned away, a handshake fails. */
const busyDay = Effect.gen(function*() {
  const tls = { identity: Certificates.server }
  const server = yield* Server.make(
    { ...options, tls, maxConnections: 1, whenFull: Admission.park({ max: 1, timeout: "50 millis" }) },
    echo
  )
  const client = yield* Transport.connect(server.address, {
    tls: { ca: Certificates.ca, serverName: "localhost" },
    linger: 0
  })
  yield* client.send(bytes("hello\n"))
  yield* client.receive
  const parked = yield* RawClient.connect(server.address)
  const full = yield* RawClient.connect(server.address)
  assert.strictEqual(yield* full.ended, "")
  assert.strictEqual(yield* parked.ended, "")
  yield* client.close()
  yield* eventually(() => connections(server) === 0)
  const garbage = yield* RawClient.connect(server.address)
  garbage.write("this is no TLS\n")
  yield* Effect.exit(garbage.ended)
  yield* eventually(() => connections(server) === 0)
  return { server, report: yield* server.stop }
})

/** What else can happen: a deadline passes, an accept fails, a slow consumer loses a message. */
const badDay = Effect.gen(function*() {
  const broadcast = yield* Broadcast.make(lines.server)
  const joined = Latch.makeUnsafe()
  const server = yield* Server.make(
    { ...options, linger: 0, deadlines: { firstFrame: "1 second" } },
    (connection) =>
      Effect.gen(function*() {
        yield* broadcast.join(connection, { policy: "dropNewest", maxMessages: 1 })
        joined.openUnsafe()
        yield* Effect.forever(connection.receive).pipe(Pull.catchDone(() => Effect.void))
      })
  )
  yield* (yield* MemoryNetwork.MemoryNetwork).acceptError()
  yield* TestClock.adjust("1 second")
  yield* Transport.connect(server.address, { linger: 0 })
  yield* joined.await
  yield* broadcast.publishAll(["a".repeat(10), "b", "c", "d"])
  yield* TestClock.adjust("2 seconds")
  return server
})

const proxied = Effect.gen(function*() {
  const server = yield* Server.make({ ...options, proxy: { trusted: ["127.0.0.1"] } }, echo)
  const client = yield* RawClient.connect(server.address, { finishes: true })
  client.write("PROXY UNKNOWN\r\nhello\n")
  yield* client.received(6)
  yield* server.stop
})

describe("ServerMetrics", () => {
  it("are those of the table on the page, by name, type and description", () => {
    assert.deepStrictEqual(
      rows.map(([name, type, , meaning]) => [name, type, meaning]),
      Object.values(ServerMetrics).map(({ description, id, type }) => [id, type, description])
    )
  })

  it.live("have the attributes of the table, and no address of a peer", () =>
    bounded(Effect.gen(function*() {
      const bad = yield* Effect.provide(
        measured(badDay),
        Layer.provideMerge(MemoryTransport.layer({ buffer: 4 }), TestClock.layer())
      )
      const snapshot = [...yield* measured(busyDay), ...yield* measured(proxied), ...bad]
      const seen = new Map<string, Set<string>>()
      for (const { attributes, id } of snapshot) {
        const names = seen.get(id) ?? new Set()
        for (const name of Object.keys(attributes ?? {})) names.add(name)
        seen.set(id, names)
      }
      for (const [name = "", , own = ""] of rows) {
        const expected = [...common, ...own.split(", ").filter((it) => it !== "")]
        assert.deepStrictEqual([...seen.get(name) ?? []].toSorted(), expected.toSorted(), name)
      }
      for (const { attributes } of snapshot) {
        assert.notInclude(Object.keys(attributes ?? {}).join(), "peer")
      }
    })))

  it.effect("count bytes and frames while connections live, and say whose peer does not read", () =>
    inMemory(
      Effect.gen(function*() {
        const registry: Metric.MetricRegistry = new Map()
        yield* Effect.gen(function*() {
          const server = yield* Server.make({
            ...options,
            deadlines: { firstFrame: "unbounded", minRate: "unbounded" }
          }, echo)
          const at = {
            "server.address": "127.0.0.1",
            "server.port": `${portOf(server)}`,
            "network.transport": "tcp",
            "network.type": "ipv4",
            "tls.established": "false"
          }
          const direction = (value: string) => ({ ...at, "network.io.direction": value })
          const counts = Effect.all([
            Metric.value(Metric.withAttributes(ServerMetrics.io, direction("receive"))),
            Metric.value(Metric.withAttributes(ServerMetrics.io, direction("transmit"))),
            Metric.value(Metric.withAttributes(ServerMetrics.frames, direction("receive"))),
            Metric.value(Metric.withAttributes(ServerMetrics.frames, direction("transmit")))
          ]).pipe(Effect.map((all) => all.map(({ count }) => count)))
          const blocked = Effect.all([
            Metric.value(Metric.withAttributes(ServerMetrics.writeBlocked, at)),
            Metric.value(Metric.withAttributes(ServerMetrics.writeBuffer, at))
          ]).pipe(Effect.map((all) => all.map(({ value }) => value)))
          const client = yield* Transport.connect(server.address, { linger: 0 })
          yield* client.sendAll(["a\nb\n", "c\n", "part"].map(bytes))
          yield* client.receive
          yield* TestClock.adjust("10 seconds")
          assert.deepStrictEqual([yield* counts, yield* blocked], [[10, 6, 3, 3], [0, 0]])
          yield* TestClock.adjust("10 seconds")
          assert.deepStrictEqual(yield* counts, [10, 6, 3, 3])
          yield* client.send(bytes("ial\n"))
          yield* TestClock.adjust("10 seconds")
          assert.deepStrictEqual(yield* counts, [14, 14, 4, 4])
          yield* client.receive
          // Nobody reads what comes back.
          const deaf = yield* Transport.connect(server.address, { linger: 0, readBuffer: 10 })
          yield* Effect.forkChild(deaf.send(bytes(`${"x".repeat(999)}\n`)))
          yield* TestClock.adjust("20 seconds")
          const [number, most] = yield* blocked
          assert.strictEqual(number, 1)
          assert.isAbove(most ?? 0, 0)
          const before = yield* counts
          yield* client.send(bytes("bye\n"))
          yield* client.close()
          yield* deaf.abort
          yield* server.stop
          const [received = 0, , frames = 0] = yield* counts
          assert.deepStrictEqual([received - before[0]!, frames - before[2]!], [4, 1])
        }).pipe(Effect.provideService(Metric.MetricRegistry, registry))
      }),
      { buffer: 50 }
    ))

  it.live("count what happened", () =>
    bounded(Effect.gen(function*() {
      const registry: Metric.MetricRegistry = new Map()
      yield* Effect.gen(function*() {
        const { report, server } = yield* busyDay
        const at = (more: Record<string, string> = {}) => ({
          "server.address": "127.0.0.1",
          "server.port": `${portOf(server)}`,
          "network.transport": "tcp",
          "network.type": "ipv4",
          "tls.established": "true",
          ...more
        })
        const count = (metric: Metric.Counter<number>, more?: Record<string, string>) =>
          Effect.map(Metric.value(Metric.withAttributes(metric, at(more))), ({ count }) => count)
        const samples = (metric: Metric.Histogram<number>, more?: Record<string, string>) =>
          Effect.map(Metric.value(Metric.withAttributes(metric, at(more))), ({ count }) => count)
        assert.strictEqual(yield* count(ServerMetrics.accepted), 1)
        for (const reason of ["full", "parked", "handshake"]) {
          assert.strictEqual(yield* count(ServerMetrics.rejected, { reason }), 1, reason)
        }
        assert.deepStrictEqual([report.accepted, report.rejected], [1, 3])
        assert.strictEqual(yield* count(ServerMetrics.io, { "network.io.direction": "receive" }), 6)
        assert.strictEqual(yield* count(ServerMetrics.io, { "network.io.direction": "transmit" }), 6)
        const ended = { "close.initiator": "peer", "close.kind": "fin" }
        assert.strictEqual(yield* samples(ServerMetrics.duration, ended), 1)
        assert.strictEqual(yield* samples(ServerMetrics.handshakeDuration), 1)
        assert.strictEqual(yield* samples(ServerMetrics.handshakeDuration, { "error.type": "NotTls" }), 1)
        assert.strictEqual(yield* samples(ServerMetrics.drainDuration), 1)
        for (const gauge of [ServerMetrics.active, ServerMetrics.parked]) {
          assert.strictEqual((yield* Metric.value(Metric.withAttributes(gauge, at()))).value, 0)
        }
      }).pipe(Effect.provideService(Metric.MetricRegistry, registry))
    })))
})

describe("ServerMetrics.descriptorsFree", () => {
  it.effect("is read every ten seconds", () =>
    Effect.gen(function*() {
      let free = 100
      const { layer } = FakeTransport.make(() => free)
      yield* measured(Effect.gen(function*() {
        yield* Effect.provide(Server.make(options, echo), layer)
        yield* TestClock.adjust(0)
        assert.strictEqual(yield* valueOf(ServerMetrics.descriptorsFree), 100)
        free = 10
        yield* TestClock.adjust("9999 millis")
        assert.strictEqual(yield* valueOf(ServerMetrics.descriptorsFree), 100)
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(yield* valueOf(ServerMetrics.descriptorsFree), 10)
      }))
    }))
})

describe("spans", () => {
  it.live("of the listener, of each connection with its handshake inside, and of the stop", () =>
    bounded(Effect.gen(function*() {
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      yield* Effect.provideService(busyDay, Tracer.Tracer, tracer)
      yield* Effect.provideService(proxied, Tracer.Tracer, tracer)
      const names = (name: string) => spans.filter((span) => span.name === name)
      assert.lengthOf(names("tcp.listen"), 2)
      // One was served, one spoke no TLS, and one came through a proxy.
      assert.lengthOf(names("tcp.connection"), 3)
      assert.lengthOf(names("tcp.proxy_header"), 1)
      assert.lengthOf(names("tcp.drain"), 2)
      assert.sameMembers([...new Set(spans.map(({ name }) => name))], table("span").map(([name]) => name))
      for (const [index, handshake] of names("tcp.handshake").entries()) {
        assert.strictEqual(
          handshake.parent.pipe((it) => it._tag === "Some" ? it.value : undefined),
          names("tcp.connection")[index]
        )
      }
      const { attributes, kind } = names("tcp.connection")[0]!
      assert.strictEqual(kind, "server")
      assert.strictEqual(attributes.get("network.peer.address"), "127.0.0.1")
      yield* eventually(() => spans.every(({ status }) => status._tag === "Ended"))
    })))
})

describe("Server.events", () => {
  it.effect("end for whoever begins to listen while the server stops", () =>
    Effect.gen(function*() {
      const { layer } = FakeTransport.make()
      for (let seed = 0; seed < 300; seed++) {
        const server = yield* Effect.provide(Server.make(options, echo), layer)
        const listening = yield* Effect.forkChild(capricious(seed)(Stream.runDrain(server.events)))
        const stopping = yield* Effect.forkChild(capricious(seed + 1000)(server.stop))
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(stopping)
        yield* TestClock.adjust("1 minute")
        assert.isDefined(listening.pollUnsafe(), `seed ${seed}`)
      }
    }))

  it.live("a connection's events are in order, with its traffic at the end", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(options, echo)
      const events = yield* Effect.forkChild(Stream.runCollect(server.events), { startImmediately: true })
      yield* Effect.yieldNow
      const client = yield* RawClient.connect(server.address, { finishes: true })
      client.write("hello\n")
      yield* client.received(6)
      client.socket.end()
      yield* client.closed
      yield* eventually(() => connections(server) === 0)
      yield* server.stop
      const seen = yield* Fiber.join(events)
      assert.deepStrictEqual(seen.map(({ sequence }) => sequence), seen.map((_, index) => index + 1))
      const [accepted, closed] = seen
      assert.deepInclude(accepted, { _tag: "Accepted" })
      assert.deepInclude(closed, {
        _tag: "Closed",
        reason: { _tag: "Graceful", initiator: "peer" },
        traffic: { received: 6, sent: 6, waiting: 0 }
      })
      assert.deepStrictEqual(seen.slice(2).map((event) => event._tag === "Moved" ? event.state._tag : event._tag), [
        "Draining",
        "Draining",
        "Draining",
        "Stopped"
      ])
    })))

  it.live("a subscriber that is too slow loses the oldest, and sees the gap", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make({ ...options, maxConnections: 0 }, echo)
      const seen: Array<ServerEvent.ServerEvent> = []
      let go = false
      const slow = yield* Effect.forkChild(
        Stream.runForEach(server.events, (event) =>
          Effect.andThen(
            Effect.sync(() => seen.push(event)),
            Effect.suspend(() =>
              go ? Effect.void : Effect.asVoid(Effect.repeat(Effect.sleep("2 millis"), { until: () => go }))
            )
          )),
        { startImmediately: true }
      )
      yield* Effect.yieldNow
      // More than it may have waiting.
      for (let i = 0; i < 2200; i++) yield* Effect.andThen(server.suspend, server.resume)
      go = true
      yield* server.stop
      yield* Fiber.join(slow)
      const last = seen.at(-1)
      assert.deepInclude(last, { _tag: "Moved", sequence: 4400 + 4 })
      const lost = 4404 - seen.length
      assert.isAbove(lost, 0)
      assert.isAtLeast(seen.length, 4096)
    })))
})

describe("tls", () => {
  it.live("a connection is admitted before its handshake, and holds its slot during it", () =>
    bounded(Effect.gen(function*() {
      const shed: Array<Listener.AcceptShed["reason"]> = []
      const server = yield* Server.make(
        {
          ...options,
          tls: { identity: Certificates.server, handshakeTimeout: "200 millis" },
          maxConnections: 1,
          whenFull: Admission.reject({ busy: bytes("busy\n") }),
          onShed: ({ reason }) => shed.push(reason)
        },
        echo
      )
      // It begins no handshake.
      const silent = yield* RawClient.connect(server.address)
      yield* eventually(() => connections(server) === 1)
      const above = yield* RawClient.connect(server.address)
      // Nothing that is not TLS is sent to a TLS client.
      assert.strictEqual(yield* above.ended, "")
      assert.strictEqual(yield* silent.closed, "ECONNRESET")
      yield* eventually(() => connections(server) === 0)
      assert.deepStrictEqual(shed, ["handshake"])
      const client: Connection.Connection = yield* Transport.connect(server.address, {
        tls: { ca: Certificates.ca, serverName: "localhost" }
      })
      yield* client.send(bytes("hello\n"))
      assert.strictEqual(String.fromCharCode(...(yield* client.receive)[0]), "hello\n")
      yield* client.close()
      assert.deepInclude(yield* server.stop, { accepted: 1, rejected: 2 })
    })))

  it.live("a handshake under way when the server stops is finished and served", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make({ ...options, tls: { identity: Certificates.server } }, echo)
      const client = yield* Transport.connect(server.address)
      yield* eventually(() => connections(server) === 1)
      const stopping = yield* Effect.forkChild(server.stop)
      yield* eventually(() =>
        Effect.runSync(Effect.map(server.state, (it) => it._tag === "Draining" && it.step === "closing"))
      )
      yield* client.upgradeTls({ client: { ca: Certificates.ca, serverName: "localhost" } })
      yield* client.close()
      const { accepted, finished, rejected, reset } = yield* Fiber.join(stopping)
      assert.deepStrictEqual({ accepted, finished, rejected, reset }, {
        accepted: 1,
        finished: 1,
        rejected: 0,
        reset: 0
      })
    })))
})
