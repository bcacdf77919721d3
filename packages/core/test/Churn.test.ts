// Connections by the thousand, with a fault on either side of each: whatever happens, nothing stays behind.
import { assert, describe, it } from "@effect/vitest"
import { type Address, type Connection, Transport, TransportError } from "@framewire/core"
import { MemoryNetwork, MemoryTransport } from "@framewire/core/testing"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { isDeepStrictEqual } from "node:util"
import * as Fibers from "./support/Fibers.ts"
import { anyPort, bounded, bytes, descriptors, eventually, Raw } from "./support/index.ts"

const cycles = 10_000
/** At a time, on either side. */
const concurrency = 24
/** Nobody waits longer for a peer. */
const patience = "50 millis"

const mebibyte = new Uint8Array(1_048_576)

type Act = (connection: Connection.Connection) => Effect.Effect<unknown, unknown, Scope.Scope>
type Cycle<R = never> = (
  address: Address.Address
) => Effect.Effect<unknown, unknown, R | Scope.Scope | Transport.Transport>

const listen: Act = ({ receive }) => Effect.forever(receive)
const send: Act = (connection) => connection.send(mebibyte)
const both = <R>(one: Effect.Effect<unknown, unknown, R>, two: Effect.Effect<unknown, unknown>) =>
  Effect.all([Effect.exit(one), Effect.exit(two)], { concurrency: "unbounded" })

/** What either end does with a connection, before its scope closes. */
const acts: Record<string, Act> = {
  "does nothing": () => Effect.void,
  "never reads": () => Effect.never,
  "listens": listen,
  "listens, and is interrupted": (connection) => Effect.timeoutOption(listen(connection), "1 millis"),
  "sends": send,
  "sends, and is interrupted": (connection) => Effect.timeoutOption(send(connection), "1 millis"),
  "sends while its scope closes": (connection) => Effect.forkScoped(send(connection), { startImmediately: true }),
  "sends while it closes": (connection) => both(send(connection), connection.close()),
  "sends while it aborts": (connection) => both(send(connection), connection.abort),
  "half-closes, then listens": (connection) => Effect.andThen(connection.shutdownWrite, listen(connection)),
  "half-closes while it aborts": (connection) => both(connection.shutdownWrite, connection.abort),
  "listens no more, then sends": (connection) => Effect.andThen(connection.shutdownRead, send(connection)),
  "closes": (connection) => connection.close(),
  "aborts": (connection) => connection.abort,
  "dies": () => Effect.die("a defect"),
  "answers": (connection) => Effect.forever(Effect.flatMap(connection.receive, connection.sendAll)),
  "asks": (connection) => Effect.andThen(connection.send(bytes("hello")), connection.receive)
}

const connecting = (act: Act, options?: Transport.ConnectOptions): Cycle => (address) =>
  Effect.flatMap(Transport.connect(address, { linger: patience, ...options }), act)

/** What a client does on any network. */
const clients: Record<string, Cycle> = {
  ...Object.fromEntries(Object.entries(acts).map(([name, act]) => [name, connecting(act)])),
  "is interrupted while it connects": (address) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Effect.scoped(connecting(acts["asks"]!)(address)), {
        startImmediately: true
      })
      for (let turns = yield* Random.nextIntBetween(0, 9); turns > 0; turns--) yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
    }),
  "gives up before it is connected": connecting(listen, { timeout: 0 }),
  "calls a port that cannot be": () => connecting(listen)({ host: "127.0.0.1", port: -1 })
}

/** How it ended, in one word. */
const endOf = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return "success"
  const error = Cause.squash(exit.cause)
  if (Cause.isDone(error)) return "end"
  return error instanceof TransportError.ConnectError || error instanceof TransportError.ReceiveError ||
      error instanceof TransportError.SendError
    ? error.reason._tag
    : "defect"
}

/** Runs the cycles against a server whose handlers act at random, too. Gives the ways in which they ended. */
const churn = <R>(more: Record<string, Cycle<R>>) =>
  Effect.gen(function*() {
    const cast: ReadonlyArray<readonly [string, Cycle<R>]> = Object.entries({ ...clients, ...more })
    const came = new Set<string>()
    const ends = new Set<string>()
    const listener = yield* Transport.listen(anyPort, { linger: patience })
    const served = Effect.scoped(Effect.gen(function*() {
      const connection = yield* listener.accept
      const act = yield* Random.choice(Object.values(acts))
      yield* Effect.timeoutOption(act(connection), patience)
    }))
    yield* Effect.forkScoped(
      Effect.all(Array.from({ length: concurrency }, () => Effect.forever(Effect.exit(served))), {
        concurrency: "unbounded"
      })
    )
    const cycle = Effect.gen(function*() {
      const [name, client] = yield* Random.choice(cast)
      const end = endOf(yield* Effect.exit(Effect.timeoutOption(Effect.scoped(client(listener.address)), patience)))
      came.add(name)
      ends.add(end)
    })
    yield* Effect.all(Array.from({ length: cycles }, () => cycle), { concurrency, discard: true })
    assert.sameMembers(Array.from(came), cast.map(([name]) => name))
    assert.isAbove((yield* listener.counters).accepted, cycles / 2)
    return Array.from(ends)
  }).pipe(Effect.scoped, Random.withSeed("churn"))

describe(`${cycles} cycles with random faults leave the same number of descriptors and fibers as before`, () => {
  it.live("over TCP", () => {
    const { count, running } = Fibers.make()
    const sockets = () => process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP")).length
    let before = { descriptors: 0, fibers: 0 }
    // The test runner has descriptors that it may close meanwhile.
    const left = () => ({
      descriptors: Math.max(0, descriptors() - before.descriptors),
      sockets: sockets(),
      fibers: running() - before.fibers
    })
    const none = { descriptors: 0, sockets: 0, fibers: 0 }
    return count(bounded(
      Effect.gen(function*() {
        const refusing = { host: "127.0.0.1", port: yield* Raw.freePort }
        yield* eventually(() => sockets() === 0)
        before = { descriptors: descriptors(), fibers: running() }
        const ends = yield* churn({
          "is refused": () => connecting(listen)(refusing),
          "calls a name that nobody has": () => connecting(listen)({ host: `${"x".repeat(64)}.invalid`, port: 1 }),
          "calls from another address": (address) =>
            Effect.flatMap(
              Random.nextIntBetween(2, 200),
              (host) => connecting(acts["asks"]!, { localAddress: { host: `127.0.0.${host}` } })(address)
            ),
          // Bare peers.
          "resets before it is accepted": (address) => Effect.flatMap(Raw.connect(address), ({ reset }) => reset),
          "resets while it sends": (address) =>
            Effect.flatMap(Raw.connect(address), ({ reset, write }) => Effect.andThen(write(mebibyte), reset)),
          "sends and is gone": (address) => Effect.flatMap(Raw.connect(address), ({ write }) => write(mebibyte)),
          "never reads at all": (address) => Effect.andThen(Raw.connect(address, { reads: false }), Effect.never)
        })
        // The peers of the last ones end, too.
        const isOver = () => isDeepStrictEqual(left(), none)
        yield* Effect.timeoutOption(eventually(isOver), "5 seconds")
        assert.deepStrictEqual(left(), none)
        assert.includeMembers(ends, [
          "success",
          "end",
          "defect",
          "ConnectionReset",
          "ConnectionRefused",
          "InvalidAddress",
          "NameNotFound"
        ])
      }),
      "50 seconds"
    ))
  }, 60_000)

  it.effect("in memory", () => {
    const { count, running } = Fibers.make()
    const passing = Effect.forever(Effect.andThen(TestClock.adjust("1 millis"), Effect.yieldNow))
    const body = Effect.gen(function*() {
      const network = yield* MemoryNetwork.MemoryNetwork
      // What passes the time runs from now on.
      yield* TestClock.adjust("1 millis")
      const before = running()
      const ends = yield* churn({
        "is refused": () => connecting(listen)({ host: "127.0.0.1", port: 1 }),
        "is reset by the network": (address) =>
          Effect.gen(function*() {
            yield* network.resetAfter(yield* Random.nextIntBetween(0, 100_000))
            yield* connecting(send)(address)
          }),
        "vanishes": connecting((connection) => Effect.andThen(network.vanish(connection), send(connection))),
        "is cut off for a while": (address) =>
          Effect.gen(function*() {
            yield* network.partition
            yield* Effect.forkScoped(Effect.andThen(Effect.sleep("1 millis"), network.heal))
            yield* connecting(send)(address)
          }),
        "comes while accept fails": (address) =>
          Effect.andThen(network.acceptError(), connecting(acts["asks"]!)(address))
      })
      assert.includeMembers(ends, ["success", "end", "defect", "ConnectionReset", "ConnectionRefused", "TimedOut"])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(running(), before)
    })
    const network = MemoryTransport.layer({ seed: "churn", latency: ["0 millis", "1 millis"] })
    return count(Effect.raceFirst(Effect.scoped(Effect.provide(body, network)), passing))
  }, 60_000)
})
