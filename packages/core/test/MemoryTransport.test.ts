import { assert, describe, it } from "@effect/vitest"
import { type Address, type Connection, type Listener, Transport, TransportReason } from "@framewire/core"
import { MemoryNetwork, MemoryTransport } from "@framewire/core/testing"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { anyPort, bytes, failure, reasonOf, receiveAll, received } from "./support/index.ts"

type Needs = Transport.Transport | MemoryNetwork.MemoryNetwork | Scope.Scope

const on = (options: MemoryTransport.Options) => <A, E>(body: Effect.Effect<A, E, Needs>) =>
  Effect.provide(Effect.scoped(body), MemoryTransport.layer(options))

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

/** Time goes on by itself while this runs. */
const passing = (step: number) => <A, E, R>(run: Effect.Effect<A, E, R>) =>
  Effect.raceFirst(run, Effect.forever(Effect.andThen(TestClock.adjust(step), Effect.yieldNow)))

/** All that can happen now happens. */
const quiet = TestClock.adjust(0)

const patient = { linger: "1 hour" } as const

const pair = (options: Connection.ConnectionOptions = patient) =>
  Effect.gen(function*() {
    const listener = yield* Transport.listen(anyPort, options)
    const client = yield* Transport.connect(listener.address, options)
    const server = yield* listener.accept
    yield* Effect.addFinalizer(() => server.close({ linger: 0 }))
    yield* Effect.addFinalizer(() => client.close({ linger: 0 }))
    return { client, listener, server }
  })

const pattern = (size: number, from = 0) => Uint8Array.from({ length: size }, (_, index) => (from + index) * 31 & 255)

const portOf = (address: Address.Address) => "port" in address ? address.port : 0

describe("time", () => {
  it.effect("connect takes a round trip, bytes take the latency, to the millisecond", () =>
    on({ latency: "30 millis" })(Effect.gen(function*() {
      const { client, server } = yield* passing(10)(pair())
      assert.strictEqual(yield* Clock.currentTimeMillis, 60)
      yield* client.send(bytes("x"))
      const receive = yield* fork(received(server))
      yield* TestClock.adjust("29 millis")
      assert.isUndefined(receive.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(receive), "x")
    })))

  it.effect("bandwidth is in bytes per second", () =>
    on({ bandwidth: 1000 })(Effect.gen(function*() {
      const { client, server } = yield* pair()
      yield* client.sendAll([pattern(1000), pattern(500)])
      const got: Array<readonly [number, number]> = []
      const receive = yield* fork(
        Effect.forever(Effect.flatMap(server.receive, (chunks) =>
          Effect.map(Clock.currentTimeMillis, (at) =>
            got.push([at, chunks[0].length]))))
      )
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(got, [[1000, 1000], [1500, 500]])
      yield* Fiber.interrupt(receive)
    })))

  it.effect("rechunk cuts into 1 to so many bytes, in order", () =>
    on({ rechunk: 7 })(Effect.gen(function*() {
      const { client, server } = yield* pair()
      yield* client.send(pattern(1000))
      yield* client.shutdownWrite
      const sizes: Array<number> = []
      let all: ReadonlyArray<number> = []
      yield* Effect.exit(Effect.forever(Effect.map(server.receive, (chunks) => {
        sizes.push(...chunks.map((chunk) => chunk.length))
        all = [...all, ...chunks.flatMap((chunk) => Array.from(chunk))]
      })))
      assert.deepStrictEqual([...new Set(sizes)].toSorted((a, b) => a - b), [1, 2, 3, 4, 5, 6, 7])
      assert.deepStrictEqual(all, Array.from(pattern(1000)))
    })))

  it.effect("a reader that never reads stops the writer after `buffer` bytes", () =>
    on({ buffer: 1000 })(Effect.gen(function*() {
      const { client, server } = yield* pair()
      yield* client.send(pattern(1000))
      const send = yield* fork(client.send(pattern(1)))
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(send.pollUnsafe())
      yield* server.receive
      yield* Fiber.join(send)
      const sends = yield* fork(client.send(pattern(10_000)))
      const sizes: Array<number> = []
      for (let all = 1; all < 10_001;) {
        const size = (yield* server.receive).reduce((sum, chunk) => sum + chunk.length, 0)
        sizes.push(size)
        all += size
      }
      // The one that waited is alone, so that 999 follow it.
      assert.deepStrictEqual([...new Set(sizes)], [1, 999])
      yield* Fiber.join(sends)
    })))

  it.effect("a readBuffer of 0 is 1, as of sockets", () =>
    on({})(Effect.gen(function*() {
      const { client, server } = yield* pair({ readBuffer: 0 })
      yield* client.send(pattern(10))
      assert.strictEqual((yield* server.receive)[0].length, 10)
    })))

  it.effect("a batch of very many chunks", () =>
    on({})(Effect.gen(function*() {
      const { client, server } = yield* pair()
      const chunks = Array.from({ length: 200_000 }, () => pattern(1))
      const sent = yield* fork(client.sendAll(chunks))
      let all = 0
      while (all < chunks.length) all += (yield* server.receive).length
      yield* Fiber.join(sent)
    })))

  it.effect("an hour of heartbeats takes less than a second", () =>
    on({ latency: ["5 millis", "50 millis"], rechunk: 3 })(Effect.gen(function*() {
      // Of this process, so that a busy machine makes no difference.
      const start = process.cpuUsage()
      const { client, server } = yield* passing(10)(pair())
      let heard = 0
      const beat = Effect.andThen(client.send(bytes("ping\n")), Effect.sleep("5 seconds"))
      yield* fork(Effect.forever(beat))
      yield* fork(Effect.forever(Effect.flatMap(server.receive, (chunks) => server.sendAll(chunks))))
      yield* fork(Effect.forever(Effect.map(client.receive, (chunks) => {
        for (const chunk of chunks) heard += chunk.length
      })))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(heard, 720 * 5)
      const { system, user } = process.cpuUsage(start)
      assert.isBelow((system + user) / 1000, 1000)
    })))
})

describe("determinism", () => {
  const trace = (seed: number) => {
    const events: Array<string> = []
    const note = (who: string, what: string) =>
      Effect.map(Clock.currentTimeMillis, (at) => void events.push(`${at} ${who} ${what}`))
    const hear = (who: string, connection: Connection.Connection) =>
      Effect.exit(Effect.forever(Effect.flatMap(
        connection.receive,
        (chunks) => note(who, chunks.map((chunk) => chunk.length).join(","))
      )))
    const client = (address: Address.Address, index: number) =>
      Effect.gen(function*() {
        const connection = yield* Transport.connect(address, patient)
        yield* note(`client ${index}`, `connected from ${portOf(connection.local)}`)
        for (let i = 1; i <= 5; i++) yield* connection.send(pattern(i * 20))
        yield* connection.shutdownWrite
        yield* hear(`client ${index}`, connection)
        yield* note(`client ${index}`, reasonOf(yield* connection.close()))
      })
    const server = (listener: Listener.Listener, index: number) =>
      Effect.gen(function*() {
        const connection = yield* listener.accept
        yield* hear(`server ${index}`, connection)
        yield* connection.send(pattern(100))
        yield* note(`server ${index}`, reasonOf(yield* connection.close()))
      })
    const run = Effect.gen(function*() {
      const listener = yield* Transport.listen(anyPort, patient)
      yield* Effect.all(
        [0, 1, 2].flatMap((index) => [Effect.scoped(client(listener.address, index)), server(listener, index)]),
        { concurrency: "unbounded" }
      )
    })
    return Effect.as(
      run.pipe(on({ seed, latency: ["1 millis", "20 millis"], rechunk: 30, bandwidth: 100_000 }), passing(1)),
      events
    )
  }
  const tracedFresh = (seed: number) =>
    Effect.promise(() => Effect.runPromise(Effect.provide(trace(seed), TestClock.layer())))

  it.live("the same seed gives the same events at the same times, another seed gives others", () =>
    Effect.gen(function*() {
      const first = yield* tracedFresh(1)
      assert.isAbove(first.length, 30)
      for (let i = 0; i < 3; i++) assert.deepStrictEqual(yield* tracedFresh(1), first)
      assert.notDeepEqual(yield* tracedFresh(2), first)
    }))
})

describe("addresses", () => {
  it.effect("connect takes no port where somebody listens", () =>
    on({})(Effect.gen(function*() {
      const port = portOf((yield* Transport.listen(anyPort)).address)
      const listener = yield* Transport.listen({ host: "127.0.0.1", port: port + 1 })
      const client = yield* Transport.connect(listener.address, { linger: 0 })
      assert.notInclude([port, port + 1], portOf(client.local))
    })))

  it.effect("0 picks a free port, each its own; a taken one is AddressInUse", () =>
    on({})(Effect.gen(function*() {
      const one = yield* Transport.listen(anyPort)
      const two = yield* Transport.listen(anyPort)
      assert.notStrictEqual(portOf(one.address), portOf(two.address))
      for (const host of ["127.0.0.1", "localhost", "0.0.0.0", "::"]) {
        const error = yield* failure(Transport.listen({ host, port: portOf(one.address) }))
        assert.deepStrictEqual([error.reason._tag, error.code], ["AddressInUse", "EADDRINUSE"])
      }
      yield* Transport.listen({ host: "another-host", port: portOf(one.address) })
    })))

  it.effect("a listener on every interface is reached by each name, and nobody else is", () =>
    on({})(Effect.gen(function*() {
      yield* Transport.listen({ host: "0.0.0.0", port: 80 })
      for (const host of ["127.0.0.1", "localhost", "example.org"]) {
        yield* Transport.connect({ host, port: 80 }, { linger: 0 })
      }
      const error = yield* failure(Transport.connect({ host: "localhost", port: 81 }))
      assert.deepStrictEqual([error.reason._tag, error.code, error.attempts.length], [
        "ConnectionRefused",
        "ECONNREFUSED",
        1
      ])
    })))

  it.effect("what only an operating system has is refused", () =>
    on({})(Effect.gen(function*() {
      for (const options of [{ fd: 3 }, { reusePort: true }]) {
        assert.strictEqual((yield* failure(Transport.listen(anyPort, options))).code, "ENOTSUP")
      }
    })))

  it.effect("interrupting connect resets what the listener has already", () =>
    on({ latency: "10 millis" })(Effect.gen(function*() {
      const listener = yield* Transport.listen(anyPort, { linger: 0 })
      const connect = yield* fork(Effect.scoped(Transport.connect(listener.address)))
      yield* TestClock.adjust("15 millis")
      yield* Fiber.interrupt(connect)
      const server = yield* listener.accept
      const receive = yield* fork(receiveAll(server))
      yield* TestClock.adjust("10 millis")
      assert.deepStrictEqual(yield* Fiber.join(receive), { text: "", end: "ConnectionReset" })
    })))
})

describe("faults", () => {
  it.effect("partition: bytes and FIN stop and nobody is told; heal: they arrive", () =>
    on({ latency: "10 millis" })(Effect.gen(function*() {
      const network = yield* MemoryNetwork.MemoryNetwork
      const { client, server } = yield* passing(1)(pair())
      yield* client.send(bytes("on its way "))
      yield* network.partition
      yield* client.send(bytes("during it"))
      yield* client.shutdownWrite
      const all = yield* fork(receiveAll(server))
      yield* TestClock.adjust("10 hours")
      assert.isUndefined(all.pollUnsafe())
      assert.deepStrictEqual(yield* server.state, { _tag: "Open" })
      yield* network.heal
      yield* TestClock.adjust("9 millis")
      assert.isUndefined(all.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* Fiber.join(all), { text: "on its way during it", end: "end" })
    })))

  it.effect("partition: connect runs into its timeout, one that waits comes through with heal", () =>
    on({ latency: "10 millis" })(Effect.gen(function*() {
      const network = yield* MemoryNetwork.MemoryNetwork
      const listener = yield* Transport.listen(anyPort)
      yield* network.partition
      const short = yield* fork(failure(Transport.connect(listener.address, { timeout: "3 seconds" })))
      const long = yield* fork(Transport.connect(listener.address, { timeout: "1 hour", linger: 0 }))
      yield* TestClock.adjust("2999 millis")
      assert.isUndefined(short.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const { reason } = yield* Fiber.join(short)
      assert(reason._tag === "TimedOut")
      assert.strictEqual(reason.afterMillis, 3000)
      yield* network.heal
      yield* TestClock.adjust("10 millis")
      yield* Fiber.join(long)
    })))

  it.effect("partition: close is over with its linger", () =>
    on({})(Effect.gen(function*() {
      const network = yield* MemoryNetwork.MemoryNetwork
      const { client, server } = yield* pair({ linger: "2 seconds" })
      yield* network.partition
      yield* client.send(bytes("last words"))
      const close = yield* fork(client.close())
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(reasonOf(yield* Fiber.join(close)), "LingerExpired")
      yield* network.heal
      assert.deepStrictEqual(yield* receiveAll(server), { text: "last words", end: "end" })
    })))

  it.effect("resetAfter: no byte after the one that breaks it, also where bytes come a picosecond apart", () =>
    on({ rechunk: 1, bandwidth: 1e15 })(Effect.gen(function*() {
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* network.resetAfter(3)
      const { client, server } = yield* pair()
      const receiving = yield* fork(receiveAll(server))
      yield* client.send(bytes("0123456789"))
      assert.isUndefined(receiving.pollUnsafe(), "the reader ran inside of the writer's step")
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* Fiber.join(receiving), { text: "012", end: "ConnectionReset" })
    })))

  it.effect("resetAfter: both ends are reset at byte n, and the next connection is not", () =>
    on({ rechunk: 4 })(Effect.gen(function*() {
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* network.resetAfter(13)
      const { client, listener, server } = yield* pair()
      yield* server.send(bytes("reply"))
      assert.strictEqual((yield* Effect.forkChild(receiveAll(client))).pollUnsafe(), undefined)
      yield* quiet
      yield* client.send(bytes("0123456789"))
      assert.deepStrictEqual(yield* receiveAll(server), { text: "01234567", end: "ConnectionReset" })
      assert.strictEqual(reasonOf(yield* client.closed), "Failed")
      assert.strictEqual((yield* failure(client.send(bytes("x")))).reason._tag, "ConnectionReset")
      const next = yield* Transport.connect(listener.address, { linger: 0 })
      yield* next.send(pattern(1000))
      yield* next.shutdownWrite
      assert.strictEqual((yield* receiveAll(yield* listener.accept)).end, "end")
    })))

  it.effect("vanish: the other end is half-open, and its close is over with its linger", () =>
    on({ buffer: 100 })(Effect.gen(function*() {
      const network = yield* MemoryNetwork.MemoryNetwork
      const { client, server } = yield* pair({ linger: "2 seconds" })
      yield* network.vanish(server)
      const receive = yield* fork(received(client))
      yield* client.send(pattern(100))
      const send = yield* fork(failure(client.send(pattern(1))))
      assert.strictEqual(reasonOf(yield* server.abort), "Aborted")
      yield* TestClock.adjust("10 hours")
      assert.isUndefined(receive.pollUnsafe())
      assert.isUndefined(send.pollUnsafe())
      const close = yield* fork(client.close())
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(reasonOf(yield* Fiber.join(close)), "LingerExpired")
      assert.strictEqual((yield* Fiber.join(send)).reason._tag, "ConnectionClosed")
      assert.notStrictEqual(yield* Fiber.join(receive), "end")
    })))

  it.effect("acceptError: fails the accept that waits, or the next one, once, and loses nobody", () =>
    on({})(Effect.gen(function*() {
      const network = yield* MemoryNetwork.MemoryNetwork
      const listener = yield* Transport.listen(anyPort, { linger: 0 })
      const waiting = yield* fork(failure(listener.accept))
      yield* network.acceptError()
      const error = yield* Fiber.join(waiting)
      assert(error._tag === "ListenError")
      assert.deepStrictEqual([error.reason._tag, error.code], ["ResourceExhausted", "EMFILE"])
      const client = yield* Transport.connect(listener.address, { linger: 0 })
      yield* network.acceptError(new TransportReason.ConnectionReset({ code: "ECONNABORTED" }))
      const next = yield* failure(listener.accept)
      assert(next._tag === "ListenError")
      assert.strictEqual(next.code, "ECONNABORTED")
      assert.deepStrictEqual((yield* listener.accept).remote, client.local)
    })))

  it.effect("RST arrives behind the bytes that had left; what the bandwidth held back is lost", () =>
    on({ latency: "10 millis", bandwidth: 1000 })(Effect.gen(function*() {
      const { client, server } = yield* passing(1)(pair())
      yield* client.sendAll([bytes("a".repeat(100)), bytes("b".repeat(100)), bytes("c".repeat(100))])
      const all = yield* fork(receiveAll(server))
      yield* TestClock.adjust("150 millis")
      yield* client.abort
      yield* TestClock.adjust("1 second")
      const { end, text } = yield* Fiber.join(all)
      assert.deepStrictEqual([text.length, text.at(-1), end], [200, "b", "ConnectionReset"])
    })))

  it.effect("bytes to a socket that is gone are answered with RST", () =>
    on({ latency: "10 millis" })(Effect.gen(function*() {
      const { client, server } = yield* passing(1)(pair())
      yield* passing(1)(server.close({ linger: 0 }))
      const all = yield* fork(receiveAll(client))
      yield* TestClock.adjust("10 millis")
      assert.strictEqual((yield* Fiber.join(all)).end, "end")
      yield* client.send(bytes("x"))
      yield* TestClock.adjust("19 millis")
      yield* client.send(bytes("x"))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* failure(client.send(bytes("x")))).reason._tag, "ConnectionReset")
    })))
})

describe("whatever happens", () => {
  interface Side {
    readonly connection: Connection.Connection
    attempted: number
    succeeded: number
    unsettled: number
    readonly got: Array<number>
    end: string
  }
  const between = (min: number, max: number) => Random.nextIntBetween(min, max)

  const sends = (side: Side) =>
    Effect.gen(function*() {
      for (let i = yield* between(0, 8); i > 0; i--) {
        yield* Effect.sleep(yield* between(0, 30))
        const size = yield* between(0, 3000)
        side.unsettled++
        const sent = yield* Effect.exit(side.connection.send(pattern(size, side.attempted)))
        side.unsettled--
        // What was refused is not in the stream, and all later ones are refused too.
        if (Exit.isFailure(sent)) return
        side.attempted += size
        side.succeeded += size
      }
    })
  const receives = (side: Side) =>
    Effect.gen(function*() {
      while (side.end === "") {
        yield* Effect.sleep(yield* between(0, 20))
        side.unsettled++
        yield* Effect.matchEffect(side.connection.receive, {
          onSuccess: (chunks) => Effect.sync(() => chunks.forEach((chunk) => side.got.push(...chunk))),
          onFailure: (error) => Effect.sync(() => side.end = "reason" in error ? error.reason._tag : "end")
        })
        side.unsettled--
      }
    })
  const endings = (connection: Connection.Connection): ReadonlyArray<Effect.Effect<unknown, unknown>> => [
    Effect.void,
    connection.close(),
    connection.close({ linger: 0 }),
    connection.abort,
    connection.shutdownWrite,
    Effect.andThen(connection.shutdownWrite, connection.close())
  ]
  const faults = (network: MemoryNetwork.MemoryNetwork["Service"], victim: Connection.Connection) => [
    Effect.void,
    Effect.andThen(network.partition, Effect.andThen(Effect.sleep(200), network.heal)),
    Effect.andThen(network.partition, Effect.andThen(Effect.sleep(5000), network.heal)),
    network.vanish(victim)
  ]

  const life = Effect.gen(function*() {
    const network = yield* MemoryNetwork.MemoryNetwork
    if ((yield* between(0, 4)) === 0) yield* network.resetAfter(yield* between(0, 5000))
    const { client, server } = yield* pair({ linger: "1 second", readBuffer: yield* between(1, 5000) })
    const sides = [client, server].map((connection): Side => ({
      connection,
      attempted: 0,
      succeeded: 0,
      unsettled: 0,
      got: [],
      end: ""
    }))
    const working = yield* Effect.forEach(sides, (side) =>
      Effect.gen(function*() {
        const reads = (yield* between(0, 4)) > 0
        const how = yield* Random.choice(endings(side.connection))
        const when = yield* between(0, 200)
        return yield* Effect.forEach(
          [sends(side), reads ? receives(side) : Effect.void, Effect.andThen(Effect.sleep(when), Effect.exit(how))],
          fork
        )
      }))
    yield* fork(Effect.andThen(Effect.sleep(yield* between(0, 100)), yield* Random.choice(faults(network, server))))
    yield* Effect.sleep(300)
    const reasons = yield* Effect.forEach([client, server], (connection) => connection.close(), {
      concurrency: "unbounded"
    })
    yield* Fiber.joinAll(working.flat())
    for (const [index, side] of sides.entries()) {
      const from = sides[1 - index]!
      assert.strictEqual(side.unsettled, 0)
      assert.strictEqual(yield* side.connection.closed, reasons[index])
      assert.strictEqual(yield* side.connection.abort, reasons[index])
      assert.deepStrictEqual(yield* side.connection.state, { _tag: "Closed", reason: reasons[index]! })
      // One send can have failed with a part of it on the wire.
      assert.deepStrictEqual(side.got, Array.from(pattern(side.got.length)))
      assert.isAtMost(side.got.length, from.attempted + 3000)
      if (side.end === "end") assert.isAtLeast(side.got.length, from.succeeded)
    }
    return reasons.map(reasonOf).join(", ")
  })

  it.effect(
    "every send and receive settles, one reason each, and what arrives is a prefix of what was sent",
    () =>
      Effect.gen(function*() {
        const seen = new Set<string>()
        for (let seed = 0; seed < 200; seed++) {
          const run = Effect.gen(function*() {
            const options = {
              seed,
              latency: [0, yield* between(0, 40)] as const,
              rechunk: yield* Random.choice([3, 100, 5000, Infinity]),
              buffer: yield* Random.choice([10, 1000, 65_536]),
              bandwidth: yield* Random.choice([20_000, 1e6, Infinity])
            }
            return yield* on(options)(life)
          })
          const reasons = yield* run.pipe(
            Random.withSeed(seed),
            passing(10),
            Effect.catchDefect((cause) => Effect.die(new Error(`seed ${seed}`, { cause })))
          )
          seen.add(reasons)
        }
        // Lives that all ended in the same way would show little.
        assert.isAtLeast(seen.size, 8)
      }),
    60_000
  )
})

describe("a network whose layer is over", () => {
  it.effect("still brings what was sent, so that a scope around it closes", () =>
    Effect.gen(function*() {
      const outer = yield* Scope.make()
      const both = yield* Effect.gen(function*() {
        const listener = yield* Transport.listen(anyPort)
        const client = yield* Transport.connect(listener.address)
        const server = yield* listener.accept
        yield* client.send(bytes("x"))
        return { client, server }
      }).pipe(Scope.provide(outer), Effect.provide(MemoryTransport.layer()))
      assert.strictEqual(yield* received(both.server), "x")
      const closing = yield* fork(
        Effect.andThen(
          Effect.all([both.client.close(), both.server.close()], { concurrency: 2 }),
          Scope.close(outer, Exit.void)
        )
      )
      // No time passes.
      for (let turn = 0; turn < 100; turn++) yield* Effect.yieldNow
      assert.isDefined(closing.pollUnsafe())
      assert.strictEqual((yield* both.client.closed)._tag, "Graceful")
    }))
})
