// Who gets in: the policies, the limits of a client, the lists of networks, and all of it changed while the server runs.
import { assert, describe, it } from "@effect/vitest"
import { Address, type Connection, Transport, type TransportError } from "@framewire/core"
import { MemoryTransport } from "@framewire/core/testing"
import { Admission, Server, type ServerEvent } from "@framewire/server"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  bounded,
  capricious,
  connections,
  descriptors,
  eventually,
  FakeTransport,
  lines,
  options,
  RawClient
} from "./support/index.ts"

const echo = Server.respond(lines, Effect.succeed<string>)
/** What a test leaves open closes before the network does. */
const inMemory = <A, E>(body: Effect.Effect<A, E, Scope.Scope | Transport.Transport>): Effect.Effect<A, E> =>
  Effect.provide(Effect.scoped(body), Layer.fresh(MemoryTransport.layer()))
const network = (text: string) => Result.getOrThrow(Address.parseNetwork(text))
const bytes = (text: string) => new TextEncoder().encode(text)

/** Lets everything go on that waits for no time. */
const settle = Effect.forEach(Array.from({ length: 60 }), () => Effect.yieldNow, { discard: true })

const talking = (server: Server.Server["Service"]) =>
  Effect.gen(function*() {
    const client = yield* RawClient.connect(server.address, { finishes: true })
    client.write("hello\n")
    yield* client.received(6)
    return client
  })

/** What happens from now on. */
const recorded = (server: Server.Server["Service"]) =>
  Effect.gen(function*() {
    const events: Array<ServerEvent.ServerEvent> = []
    yield* Effect.forkChild(Stream.runForEach(server.events, (event) => Effect.sync(() => events.push(event))), {
      startImmediately: true
    })
    yield* Effect.yieldNow
    return events
  })

const reasons = (events: ReadonlyArray<ServerEvent.ServerEvent>) =>
  events.flatMap((event) => event._tag === "Rejected" ? [event.reason] : [])

/** A client in memory, of a host of its own. */
const from = (
  host: string,
  server: Server.Server["Service"]
): Effect.Effect<
  Connection.Connection,
  TransportError.ConnectError | TransportError.HandshakeError,
  Transport.Transport | Scope.Scope
> => Effect.flatMap(Transport.Transport, ({ connect }) => connect(server.address, { localAddress: { host } }))

/** Whether it is answered, or what it meets instead. */
const ask = (client: Connection.Connection) =>
  Effect.andThen(client.send(bytes("hello\n")), client.receive).pipe(
    Effect.as("answered"),
    Pull.catchDone(() => Effect.succeed("FIN")),
    Effect.catch(({ reason }) => Effect.succeed(reason._tag))
  )

describe("reject", () => {
  it.live("with a busy frame: whoever asks at once gets it before FIN", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(
        { ...options, maxConnections: 0, whenFull: Admission.reject({ busy: bytes("busy\n") }) },
        echo
      )
      const outcomes = yield* Effect.forEach(
        Array.from({ length: 50 }),
        () =>
          Effect.scoped(Effect.gen(function*() {
            const client = yield* RawClient.connect(server.address, { finishes: true })
            client.write("hello\n")
            return yield* Effect.match(client.ended, { onSuccess: (text) => text, onFailure: (code) => code })
          })),
        { concurrency: 10 }
      )
      assert.deepStrictEqual(new Set(outcomes), new Set(["busy\n"]))
      assert.strictEqual((yield* server.stop).rejected, 50)
    })))

  it.live("64 at a time wait for a peer that has to read the busy frame, 1 s at most", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(
        { ...options, maxConnections: 0, whenFull: Admission.reject({ busy: bytes("busy\n") }) },
        echo
      )
      const before = descriptors()
      const clients = yield* Effect.forEach(Array.from({ length: 100 }), () => RawClient.connect(server.address))
      const texts = yield* Effect.forEach(clients, ({ ended }) => ended)
      assert.deepStrictEqual([texts.filter((it) => it === "busy\n").length, texts.filter((it) => it === "").length], [
        64,
        36
      ])
      yield* eventually(() => descriptors() <= before + clients.length + 64)
      // Theirs alone.
      yield* eventually(() => descriptors() <= before + clients.length)
    })))
})

describe("rejectReset", () => {
  it.live("one above the limit sees RST", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(
        { ...options, maxConnections: 1, whenFull: Admission.rejectReset },
        echo
      )
      const client = yield* talking(server)
      const above = yield* Effect.flip(
        Effect.flatMap(RawClient.connect(server.address), ({ ended }) => ended)
      )
      assert.strictEqual(above, "ECONNRESET")
      client.write("again\n")
      assert.strictEqual(yield* client.received(12), "hello\nagain\n")
    })))
})

describe("park", () => {
  it.effect("waits, unread, for a slot; more than max are turned away, and who waits too long", () =>
    Effect.gen(function*() {
      const address = { host: "127.0.0.1", port: 1 }
      const whenFull = Admission.park({ max: 2, timeout: "5 seconds" })
      const server = yield* Server.make({ address, maxConnections: 1, whenFull }, echo)
      const events = yield* recorded(server)
      const first = yield* Transport.connect(address)
      assert.strictEqual(yield* ask(first), "answered")

      const parked = [yield* Transport.connect(address), yield* Transport.connect(address)]
      const asked = yield* Effect.forEach(parked, (client) => Effect.forkChild(ask(client)))
      yield* settle
      const above = yield* Transport.connect(address)
      assert.strictEqual(yield* ask(above), "FIN")
      assert.strictEqual(yield* server.connections, 1)
      yield* TestClock.adjust("4999 millis")
      assert.deepStrictEqual(asked.map((fiber) => fiber.pollUnsafe()), [undefined, undefined])

      yield* first.close()
      assert.strictEqual(yield* Fiber.join(asked[0]!), "answered")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(asked[1]!), "FIN")
      assert.deepStrictEqual(
        events.map((event) => event._tag === "Rejected" ? event.reason : event._tag).filter((it) => it !== "Closed"),
        ["Accepted", "Parked", "Parked", "full", "Accepted", "parked"]
      )
      yield* parked[0]!.close()
      const { accepted, open, rejected } = yield* server.stop
      assert.deepStrictEqual([accepted, rejected, open], [2, 2, 0])
    }).pipe(inMemory))

  it.effect("clients take turns, however many each has parked", () =>
    Effect.gen(function*() {
      const order: Array<string> = []
      const server = yield* Server.make(
        { address: { host: "10.0.0.1", port: 1 }, maxConnections: 1, whenFull: Admission.park({ timeout: "1 hour" }) },
        ({ receive, remote }: Connection.Connection) => {
          order.push("host" in remote ? remote.host : "")
          return Effect.asVoid(Effect.exit(receive))
        }
      )
      const clients: Array<Connection.Connection> = []
      for (const host of ["10.0.0.2", "10.0.0.2", "10.0.0.2", "10.0.0.2", "10.0.0.3", "10.0.0.4"]) {
        clients.push(yield* from(host, server))
        yield* settle
      }
      // Whoever is served leaves.
      for (let i = 0; i < clients.length; i++) {
        yield* Effect.forEach(clients, (client) => client.shutdownWrite)
        yield* settle
      }
      assert.deepStrictEqual(order, ["10.0.0.2", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.2", "10.0.0.2"])
    }).pipe(inMemory))

  it.live("who is parked when the server stops is served while slots become free, and else reset at the deadline", () =>
    bounded(Effect.gen(function*() {
      const gate = Deferred.makeUnsafe<void>()
      const server = yield* Server.make(
        { ...options, maxConnections: 1, whenFull: Admission.park(), drainDeadline: "300 millis" },
        Server.respond(
          lines,
          (text) =>
            text === "wait"
              ? Effect.as(Deferred.await(gate), text)
              : text === "hang"
              ? Effect.never
              : Effect.succeed(text)
        )
      )
      const events = yield* recorded(server)
      const texts = ["wait", "parked", "hang", "never"]
      const clients: Array<RawClient.RawClient> = []
      for (const text of texts) {
        const client = yield* RawClient.connect(server.address, { finishes: true })
        client.write(`${text}\n`)
        clients.push(client)
        yield* eventually(() => events.length === clients.length)
      }
      const stopping = yield* Effect.forkChild(server.stop)
      yield* eventually(() => events.some((event) => event._tag === "Moved"))
      yield* Deferred.succeed(gate, undefined)
      const report = yield* Fiber.join(stopping)
      const seen = yield* Effect.forEach(
        clients,
        ({ chunks, closed }) => Effect.map(closed, (how) => [chunks.join(""), how])
      )
      assert.deepStrictEqual(seen, [["wait\n", "end"], ["parked\n", "end"], ["", "ECONNRESET"], ["", "ECONNRESET"]])
      const { accepted, finished, open, rejected, reset } = report
      assert.deepStrictEqual({ accepted, rejected, open, finished, reset }, {
        accepted: 3,
        rejected: 1,
        open: 3,
        finished: 2,
        reset: 1
      })
      assert.deepStrictEqual(reasons(events), ["draining"])
    })))

  it.effect("no slot is lost, wherever the runtime yields and whatever is changed meanwhile", () =>
    Effect.gen(function*() {
      for (let seed = 0; seed < 50; seed++) {
        const { layer, offer } = FakeTransport.make()
        yield* Effect.gen(function*() {
          let most = 0
          const server: Server.Server["Service"] = yield* Server.make(
            { ...options, maxConnections: 3, whenFull: Admission.park({ timeout: "1 second" }) },
            () =>
              Effect.suspend(() => {
                most = Math.max(most, connections(server))
                return Effect.sleep("300 millis")
              })
          )
          const pass = (duration: Duration.Input) => Effect.andThen(TestClock.adjust(duration), settle)
          for (let i = 0; i < 12; i++) {
            for (let n = 0; n < 3; n++) offer(FakeTransport.connection)
            yield* server.admission.set({ maxConnections: (seed + i) % 5 })
            yield* pass("250 millis")
          }
          yield* server.admission.set({ maxConnections: 2 })
          for (let i = 0; i < 20; i++) yield* pass("250 millis")
          assert.strictEqual(connections(server), 0)
          assert.isTrue(most > 0 && most <= 4, `${most} at a time`)
          // Two get in, and two only; the third has its turn.
          most = 0
          for (let n = 0; n < 3; n++) offer(FakeTransport.connection)
          yield* settle
          assert.deepStrictEqual([connections(server), most], [2, 2])
          for (let i = 0; i < 4; i++) yield* pass("250 millis")
          const { accepted, open, rejected } = yield* server.stop
          assert.deepStrictEqual([accepted + rejected, open], [39, 0])
        }).pipe(
          // Or the stop would wait for the clock.
          Effect.onError(() => Effect.forkDetach(TestClock.adjust("1 minute"))),
          Effect.scoped,
          Effect.provide(layer),
          capricious(seed)
        )
      }
    }))
})

describe("admission.set", () => {
  it.live("maxConnections: more get in at once, and of too many nobody is turned out", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make({ ...options, maxConnections: 1 }, echo)
      const first = yield* talking(server)
      assert.strictEqual(yield* (yield* RawClient.connect(server.address)).ended, "")
      yield* server.admission.set({ maxConnections: 3 })
      assert.strictEqual((yield* server.admission.settings).maxConnections, 3)
      const second = yield* talking(server)
      const third = yield* talking(server)
      yield* server.admission.set({ maxConnections: 1 })
      for (const client of [first, second, third]) {
        client.write("again\n")
        assert.strictEqual(yield* client.received(12), "hello\nagain\n")
      }
      for (const [client, left] of [[first, 2], [second, 1]] as const) {
        client.socket.end()
        yield* eventually(() => connections(server) === left)
        assert.strictEqual(yield* (yield* RawClient.connect(server.address)).ended, "")
      }
      third.socket.end()
      yield* eventually(() => connections(server) === 0)
      yield* talking(server)
      assert.deepInclude(yield* server.stop, { accepted: 4, rejected: 3 })
    })))

  it.effect("maxConnections: who is parked gets in when it grows", () =>
    Effect.gen(function*() {
      const address = { host: "127.0.0.1", port: 1 }
      const server = yield* Server.make({ address, maxConnections: 0, whenFull: Admission.park() }, echo)
      const asked = yield* Effect.forkChild(Effect.flatMap(Transport.connect(address), ask))
      yield* settle
      assert.isUndefined(asked.pollUnsafe())
      yield* server.admission.set({ maxConnections: 1 })
      assert.strictEqual(yield* Fiber.join(asked), "answered")
    }).pipe(inMemory))

  it.effect("maxConnections: what had no bound gets one", () =>
    Effect.gen(function*() {
      const address = { host: "127.0.0.1", port: 1 }
      const server = yield* Server.make({ address, maxConnections: Infinity, whenFull: Admission.park() }, echo)
      const first = yield* Transport.connect(address)
      assert.strictEqual(yield* ask(first), "answered")
      yield* server.admission.set({ maxConnections: 1 })
      const asked = yield* Effect.forkChild(Effect.flatMap(Transport.connect(address), ask))
      yield* settle
      assert.isUndefined(asked.pollUnsafe())
      yield* first.close()
      assert.strictEqual(yield* Fiber.join(asked), "answered")
    }).pipe(inMemory))

  it.effect("maxConnections: of too many nobody takes the room of those who park", () =>
    Effect.gen(function*() {
      const address = { host: "127.0.0.1", port: 1 }
      const server = yield* Server.make(
        { address, maxConnections: 4, whenFull: Admission.park({ max: 1 }) },
        echo
      )
      const open = yield* Effect.forEach([1, 2, 3, 4], () => Effect.tap(Transport.connect(address), ask))
      yield* server.admission.set({ maxConnections: 1 })
      const parked = yield* Effect.forkChild(Effect.flatMap(Transport.connect(address), ask))
      yield* settle
      assert.isUndefined(parked.pollUnsafe())
      assert.strictEqual(yield* Effect.flatMap(Transport.connect(address), ask), "FIN")
      for (const connection of open) yield* connection.close()
      assert.strictEqual(yield* Fiber.join(parked), "answered")
    }).pipe(inMemory))

  it.effect("what is undefined stays, too: a bound is not lost by a setting that is not there", () =>
    Effect.gen(function*() {
      const address = { host: "127.0.0.1", port: 1 }
      const server = yield* Server.make({ address, maxConnections: 1 }, echo)
      const before = yield* server.admission.settings
      const changes: Admission.Options = {}
      // As programs may that are not compiled with exactOptionalPropertyTypes.
      for (const option of Object.keys(before)) Reflect.set(changes, option, undefined)
      yield* server.admission.set(changes)
      assert.deepStrictEqual(yield* server.admission.settings, before)
    }).pipe(inMemory))

  it.effect("what it leaves out stays", () =>
    Effect.gen(function*() {
      const server = yield* Server.make(
        { address: { host: "127.0.0.1", port: 1 }, maxConnections: 7, perClient: { maxConnections: 2 } },
        echo
      )
      yield* server.admission.set({ deny: [network("192.0.2.0/24")] })
      const { allow, deny, maxConnections, perClient } = yield* server.admission.settings
      assert.deepStrictEqual([allow, deny.map(({ cidr }) => cidr), maxConnections, perClient], [
        [],
        ["192.0.2.0/24"],
        7,
        { maxConnections: 2 }
      ])
    }).pipe(inMemory))
})

describe("allow and deny", () => {
  it.effect("deny is stronger, and both can be changed", () =>
    Effect.gen(function*() {
      const server = yield* Server.make(
        {
          address: { host: "10.0.0.1", port: 1 },
          allow: [network("10.0.0.0/8")],
          deny: [network("10.1.0.0/16")],
          whenFull: Admission.reject({ busy: bytes("busy\n") })
        },
        echo
      )
      const events = yield* recorded(server)
      const outcome = (host: string) => Effect.flatMap(from(host, server), ask)
      assert.strictEqual(yield* outcome("10.2.0.1"), "answered")
      // They get no busy frame.
      assert.strictEqual(yield* outcome("10.1.0.1"), "FIN")
      assert.strictEqual(yield* outcome("192.0.2.1"), "FIN")
      const inside = yield* from("10.2.0.1", server)
      assert.strictEqual(yield* ask(inside), "answered")
      yield* server.admission.set({ allow: [], deny: [network("10.2.0.0/16")] })
      assert.strictEqual(yield* outcome("192.0.2.1"), "answered")
      assert.strictEqual(yield* outcome("10.2.0.1"), "FIN")
      // Nobody is turned out.
      assert.strictEqual(yield* ask(inside), "answered")
      assert.deepStrictEqual(reasons(events), ["denied", "denied", "denied"])
    }).pipe(inMemory))
})

describe("perClient", () => {
  it.effect("maxConnections: of one IPv4 address, of one /64 of IPv6, and none of the others'", () =>
    Effect.gen(function*() {
      const server = yield* Server.make(
        { address: { host: "2001:db8::1", port: 1 }, perClient: { maxConnections: 2 } },
        echo
      )
      const events = yield* recorded(server)
      const outcome = (host: string) =>
        Effect.flatMap(from(host, server), (client) => Effect.map(ask(client), (how) => ({ client, how })))
      const first = yield* outcome("2001:db8:0:1::1")
      assert.strictEqual(first.how, "answered")
      assert.strictEqual((yield* outcome("2001:db8:0:1::2")).how, "answered")
      assert.strictEqual((yield* outcome("2001:db8:0:1:ffff::3")).how, "FIN")
      assert.strictEqual((yield* outcome("2001:db8:0:2::1")).how, "answered")
      yield* first.client.close()
      yield* settle
      assert.strictEqual((yield* outcome("2001:db8:0:1:ffff::3")).how, "answered")
      assert.deepStrictEqual(reasons(events), ["clientConnections"])
    }).pipe(inMemory))

  it.effect("rate: a bucket that fills within the window, each client its own", () =>
    Effect.gen(function*() {
      const server = yield* Server.make(
        { address: { host: "10.0.0.1", port: 1 }, perClient: { rate: { limit: 2, window: "10 seconds" } } },
        echo
      )
      const events = yield* recorded(server)
      const outcome = (host: string) => Effect.scoped(Effect.flatMap(from(host, server), ask))
      const wave = Effect.forEach(["10.0.0.2", "10.0.0.2", "10.0.0.2", "10.0.0.3"], outcome)
      assert.deepStrictEqual(yield* wave, ["answered", "answered", "FIN", "answered"])
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* wave, ["answered", "FIN", "FIN", "answered"])
      assert.deepStrictEqual(reasons(events), ["clientRate", "clientRate", "clientRate"])
    }).pipe(inMemory))

  it.effect("rate: the RateLimiter of the context counts, and nobody is turned away while it fails", () =>
    Effect.gen(function*() {
      const keys: Array<string> = []
      let fails = false
      const limiter = yield* Effect.provide(RateLimiter.make, RateLimiter.layerStoreMemory)
      const shared: RateLimiter.RateLimiter = {
        ...limiter,
        consume: (options) => {
          keys.push(options.key)
          const reason = new RateLimiter.RateLimitStoreError({ message: "down" })
          return fails ? Effect.fail(new RateLimiter.RateLimiterError({ reason })) : limiter.consume(options)
        }
      }
      const server = yield* Effect.provideService(
        Server.make(
          { address: { host: "10.0.0.1", port: 1 }, perClient: { rate: { limit: 1, window: "1 hour" } } },
          echo
        ),
        RateLimiter.RateLimiter,
        shared
      )
      const outcome = Effect.scoped(Effect.flatMap(from("10.0.0.2", server), ask))
      assert.deepStrictEqual([yield* outcome, yield* outcome], ["answered", "FIN"])
      fails = true
      assert.strictEqual(yield* outcome, "answered")
      assert.deepStrictEqual(new Set(keys), new Set(["framewire/server/10.0.0.2"]))
    }).pipe(inMemory))

  it.live("clients over a Unix domain socket are not told apart, so not limited one by one, nor denied", () =>
    bounded(Effect.gen(function*() {
      const path = join(tmpdir(), `framewire-gate-${process.pid}-${Date.now()}.sock`)
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(path, { force: true })))
      const server = yield* Server.make(
        {
          address: { path },
          allow: [network("10.0.0.0/8")],
          perClient: { maxConnections: 1, rate: { limit: 1, window: "1 hour" } }
        },
        echo
      )
      yield* talking(server)
      yield* talking(server)
    })))
})

describe("maxConnections by default", () => {
  it.effect("is 0.8 of the free descriptors, and 1024 where nobody knows them", () =>
    Effect.gen(function*() {
      for (const [free, expected] of [[100, 80], [7, 5], [undefined, 1024]] as const) {
        const { layer } = FakeTransport.make(() => free)
        const server = yield* Effect.provide(Server.make(options, echo), layer)
        assert.strictEqual((yield* server.admission.settings).maxConnections, expected)
      }
    }).pipe(Effect.scoped))

  it.live("is finite on sockets", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(options, echo)
      const { maxConnections } = yield* server.admission.settings
      assert.isTrue(Number.isSafeInteger(maxConnections) && maxConnections > 10, `${maxConnections}`)
    })))
})
