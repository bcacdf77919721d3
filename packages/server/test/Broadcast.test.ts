import { assert, describe, it } from "@effect/vitest"
import { type Connection, Transport } from "@framewire/core"
import { MemoryTransport } from "@framewire/core/testing"
import { Broadcast, Server } from "@framewire/server"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { bounded, capricious, connections, eventually, lines, options, RawClient } from "./support/index.ts"

// What the network holds for a peer that does not read: beyond it a send waits.
const buffer = 100

const inMemory = <A, E>(body: Effect.Effect<A, E, Scope.Scope | Transport.Transport>) =>
  Effect.scoped(body).pipe(Effect.provide(MemoryTransport.layer({ buffer })))

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

/** All that can happen now happens. */
const quiet = TestClock.adjust(0)

const drops: Broadcast.Stats["dropped"] = {
  oldest: 0,
  newest: 0,
  conflated: 0,
  budget: 0,
  disconnected: 0,
  closed: 0,
  left: 0,
  interrupted: 0
}

const pair = Effect.gen(function*() {
  const listener = yield* Transport.listen({ host: "127.0.0.1", port: 0 }, { linger: 0 })
  const peer = yield* Transport.connect(listener.address, { linger: 0 })
  return { peer, connection: yield* listener.accept }
})

/** Everything that waits for the peer, once it reads again. */
const read = (peer: Connection.Connection) =>
  Effect.gen(function*() {
    let text = ""
    const reading = yield* fork(
      Effect.forever(Effect.map(peer.receive, (chunks) => {
        text += String(Buffer.concat(chunks))
      }))
    )
    yield* quiet
    yield* Fiber.interrupt(reading)
    return text.split("\n").slice(0, -1)
  })

/** A broadcast with one member whose peer does not read, and whose next message waits: 100 bytes are on their way. */
const blocked = (how: Broadcast.ConsumerOptions<string>, its: Broadcast.BroadcastOptions = {}) =>
  Effect.gen(function*() {
    const dropped: Array<readonly [Broadcast.DropReason, messages: number, bytes: number]> = []
    const broadcast = yield* Broadcast.make(lines.server, {
      ...its,
      onDrop: ({ bytes, messages, reason }) => dropped.push([reason, messages, bytes])
    })
    const { connection, peer } = yield* pair
    const scope = yield* Scope.make()
    const member = yield* Scope.provide(broadcast.join(connection, how), scope)
    // The network takes the first, and waits for room with the second.
    yield* broadcast.publish("a".repeat(buffer - 1))
    yield* broadcast.publish("b".repeat(9))
    yield* quiet
    return { broadcast, connection, dropped, member, peer, leave: Scope.close(scope, Exit.void) }
  })

/** Ten bytes each. */
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => String(from + index).padStart(9, "0"))

const tail = (messages: ReadonlyArray<string>) => messages.slice(2).map(Number)

/** The numbers of one member add up. */
const adds = ({ dropped, published, sent, waiting }: Broadcast.Stats, suspended = 0) =>
  assert.strictEqual(published, sent + waiting + suspended + Object.values(dropped).reduce((sum, each) => sum + each))

describe("a suspended publisher", () => {
  it.live("goes on when there is room, wherever the runtime yields", () =>
    Effect.gen(function*() {
      for (let seed = 0; seed < 100; seed++) {
        yield* inMemory(Effect.gen(function*() {
          const { connection, peer } = yield* pair
          const broadcast = yield* Broadcast.make(lines.server)
          yield* broadcast.join(connection, { policy: "suspend", maxMessages: 1 })
          yield* broadcast.publish("x".repeat(2 * buffer))
          const publishing = yield* fork(capricious(seed)(broadcast.publish("second")))
          const reading = yield* fork(Effect.forever(peer.receive))
          yield* Effect.timeout(Fiber.join(publishing), "1 second")
          yield* Fiber.interrupt(reading)
        }))
      }
    }))
})

describe("Broadcast", () => {
  it.effect("each member gets every message in order, encoded once", () =>
    inMemory(Effect.gen(function*() {
      let encoded = 0
      const codec = {
        ...lines.server,
        encode: (...args: Parameters<typeof lines.server.encode>) => {
          encoded++
          lines.server.encode(...args)
        }
      }
      const broadcast = yield* Broadcast.make(codec)
      const pairs = yield* Effect.all([pair, pair, pair])
      const members = yield* Effect.forEach(pairs, ({ connection }) => broadcast.join(connection))
      yield* broadcast.publish("one")
      yield* broadcast.publishAll(["two", "three"])
      for (const { peer } of pairs) assert.deepStrictEqual(yield* read(peer), ["one", "two", "three"])
      assert.strictEqual(encoded, 3)
      for (const { stats } of members) {
        assert.deepStrictEqual(yield* stats, { published: 3, sent: 3, dropped: drops, waiting: 0, waitingBytes: 0 })
      }
      assert.deepInclude(yield* broadcast.stats, { published: 9, sent: 9 })
    })))

  it.effect("joins and leaves with the scope, and with the connection's end", () =>
    inMemory(Effect.gen(function*() {
      const broadcast = yield* Broadcast.make(lines.server)
      const [one, two] = yield* Effect.all([pair, pair])
      yield* Effect.scoped(Effect.gen(function*() {
        yield* broadcast.join(one.connection)
        yield* broadcast.publish("both")
      }))
      yield* broadcast.join(two.connection)
      yield* broadcast.publish("two alone")
      assert.deepStrictEqual(yield* read(one.peer), ["both"])
      assert.deepStrictEqual(yield* read(two.peer), ["two alone"])
      assert.strictEqual(yield* broadcast.members, 1)
      yield* two.connection.abort
      yield* broadcast.publish("nobody")
      yield* quiet
      assert.strictEqual(yield* broadcast.members, 0)
      assert.deepStrictEqual((yield* broadcast.stats).dropped, { ...drops, closed: 1 })
    })))

  it.effect("a message that is refused goes to nobody", () =>
    inMemory(Effect.gen(function*() {
      const broadcast = yield* Broadcast.make(lines.server)
      const { connection, peer } = yield* pair
      yield* broadcast.join(connection)
      const error = yield* Effect.flip(broadcast.publishAll(["good", "two\nlines"]))
      assert.strictEqual(error.reason._tag, "ContainsDelimiter")
      assert.deepStrictEqual(yield* read(peer), [])
    })))

  it.effect("dropOldest keeps the newest, as many bytes as may wait", () =>
    inMemory(Effect.gen(function*() {
      // 10 are on their way.
      const { broadcast, dropped, member, peer } = yield* blocked({ policy: "dropOldest", maxBytes: 40 })
      yield* Effect.forEach(numbers(1, 3), broadcast.publish)
      assert.deepStrictEqual(dropped, [])
      yield* Effect.forEach(numbers(4, 10), broadcast.publish)
      assert.deepInclude(yield* member.stats, { waiting: 4, waitingBytes: 40, dropped: { ...drops, oldest: 7 } })
      adds(yield* member.stats)
      assert.deepStrictEqual(dropped, Array.from({ length: 7 }, () => ["oldest", 1, 10]))
      assert.deepStrictEqual(tail(yield* read(peer)), [8, 9, 10])
      assert.deepInclude(yield* member.stats, { waiting: 0, waitingBytes: 0, sent: 5 })
      adds(yield* member.stats)
    })))

  it.effect("dropNewest keeps the oldest, as many messages as may wait", () =>
    inMemory(Effect.gen(function*() {
      const { broadcast, member, peer } = yield* blocked({ policy: "dropNewest", maxMessages: 4 })
      yield* broadcast.publishAll(numbers(1, 10))
      assert.deepInclude(yield* member.stats, { waiting: 4, dropped: { ...drops, newest: 7 } })
      assert.deepStrictEqual(tail(yield* read(peer)), [1, 2, 3])
      adds(yield* member.stats)
    })))

  it.effect("conflate keeps the last of each key, at the place of the first", () =>
    inMemory(Effect.gen(function*() {
      const conflate = (message: string) => message.slice(0, 3)
      const { broadcast, dropped, member, peer } = yield* blocked({ policy: { conflate }, maxBytes: 40 })
      for (const price of ["EUR 00001", "USD 00001", "EUR 00002", "GBP 00001", "EUR 00003", "USD 00002"]) {
        yield* broadcast.publish(price)
      }
      assert.deepStrictEqual(dropped, Array.from({ length: 3 }, () => ["conflated", 1, 10]))
      // A fourth key has no room.
      yield* broadcast.publish("CHF 00001")
      assert.deepStrictEqual((yield* member.stats).dropped, { ...drops, conflated: 3, oldest: 1 })
      assert.deepStrictEqual((yield* read(peer)).slice(2), ["USD 00002", "GBP 00001", "CHF 00001"])
      adds(yield* member.stats)
    })))

  it.effect("conflate: one that is larger than the one it replaces makes room for itself among the others", () =>
    inMemory(Effect.gen(function*() {
      const conflate = (message: string) => message.slice(0, 1)
      const { broadcast, member, peer } = yield* blocked({ policy: { conflate }, maxBytes: 40 })
      for (const message of ["A", "B"]) yield* broadcast.publish(message.padEnd(9))
      yield* broadcast.publish("A".repeat(29))
      assert.deepInclude(yield* member.stats, { waiting: 2, waitingBytes: 40 })
      assert.deepStrictEqual((yield* member.stats).dropped, { ...drops, conflated: 1, oldest: 1 })
      adds(yield* member.stats)
      assert.deepStrictEqual((yield* read(peer)).slice(2), ["A".repeat(29)])
    })))

  it.effect("disconnect resets, at one above the limit and not at it", () =>
    inMemory(Effect.gen(function*() {
      const { broadcast, connection, member, peer } = yield* blocked({ maxBytes: 40 })
      const lost = yield* fork(member.lost)
      yield* broadcast.publishAll(numbers(1, 3))
      yield* quiet
      assert.isUndefined(lost.pollUnsafe())
      yield* broadcast.publishAll(numbers(4, 5))
      const error = yield* Effect.flip(Fiber.join(lost))
      assert.deepStrictEqual([error.limit, error.messages, error.bytes], ["maxBytes", 4, 40])
      assert.deepStrictEqual(yield* connection.closed, { _tag: "Aborted" })
      assert.strictEqual(yield* broadcast.members, 0)
      assert.deepInclude(yield* member.stats, { waiting: 0, waitingBytes: 0, dropped: { ...drops, disconnected: 6 } })
      adds(yield* member.stats)
      const reset = yield* Effect.flip(Effect.forever(peer.receive))
      assert.strictEqual(reset._tag === "ReceiveError" && reset.reason._tag, "ConnectionReset")
    })))

  it.effect("suspend holds the publisher until there is room, and nothing is lost or out of order", () =>
    inMemory(Effect.gen(function*() {
      const { broadcast, member, peer } = yield* blocked({ policy: "suspend", maxBytes: 40 })
      yield* broadcast.publishAll(numbers(1, 3))
      const first = yield* fork(broadcast.publishAll(numbers(4, 40)))
      const second = yield* fork(broadcast.publish(numbers(41, 41)[0]!))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual([first.pollUnsafe(), second.pollUnsafe()], [undefined, undefined])
      assert.deepInclude(yield* member.stats, { waiting: 4, waitingBytes: 40 })
      adds(yield* member.stats, 38)
      assert.deepStrictEqual(tail(yield* read(peer)), Array.from({ length: 41 }, (_, index) => index + 1))
      assert.deepStrictEqual([first.pollUnsafe(), second.pollUnsafe()], [Exit.void, Exit.void])
    })))

  it.effect("suspend: a small message waits behind a large one, and one larger than all that may wait is sent alone", () =>
    inMemory(Effect.gen(function*() {
      const { broadcast, peer } = yield* blocked({ policy: "suspend", maxBytes: 40 })
      const large = "l".repeat(4999)
      const publishing = yield* Effect.forEach(
        ["x".repeat(34), "small", large, "last"],
        (each) => fork(broadcast.publish(each))
      )
      yield* quiet
      assert.deepStrictEqual(publishing.map((each) => each.pollUnsafe()), [undefined, undefined, undefined, undefined])
      assert.deepStrictEqual((yield* read(peer)).slice(2), ["x".repeat(34), "small", large, "last"])
      yield* Fiber.joinAll(publishing)
    })))

  it.effect("a publisher that is let go publishes the next at once, in order", () =>
    inMemory(Effect.gen(function*() {
      const { broadcast, member, peer } = yield* blocked({ policy: "suspend", maxMessages: 1 })
      const all = numbers(1, 200)
      const publishing = yield* fork(Effect.forEach(all, broadcast.publish, { discard: true }))
      const got = yield* read(peer)
      yield* Fiber.join(publishing)
      assert.deepStrictEqual(tail(got), all.map(Number))
      assert.deepInclude(yield* member.stats, { sent: 202, waiting: 0, waitingBytes: 0, dropped: drops })
    })))

  it.effect("a suspended publisher goes on when it is interrupted, and when the member leaves or is gone", () =>
    inMemory(Effect.gen(function*() {
      const { broadcast, leave, member, peer } = yield* blocked({ policy: "suspend", maxMessages: 1 })
      const interrupted = yield* fork(broadcast.publishAll(numbers(1, 2)))
      yield* Fiber.interrupt(interrupted)
      assert.deepStrictEqual((yield* member.stats).dropped, { ...drops, interrupted: 2 })
      const publishing = yield* fork(broadcast.publishAll(numbers(3, 4)))
      yield* leave
      yield* Fiber.join(publishing)
      assert.deepStrictEqual((yield* member.stats).dropped, { ...drops, interrupted: 2, left: 3 })
      adds(yield* member.stats)
      assert.strictEqual((yield* read(peer)).length, 2)

      const other = yield* blocked({ policy: "suspend", maxMessages: 1 })
      const stuck = yield* fork(other.broadcast.publishAll(numbers(1, 2)))
      yield* other.connection.abort
      yield* Fiber.join(stuck)
      assert.deepStrictEqual((yield* other.member.stats).dropped, { ...drops, closed: 3 })
    })))

  it.effect("a message larger than all that may wait goes to whoever has nothing waiting", () =>
    inMemory(Effect.gen(function*() {
      const broadcast = yield* Broadcast.make(lines.server)
      const { connection, peer } = yield* pair
      const member = yield* broadcast.join(connection, { maxBytes: 10 })
      yield* broadcast.publish("x".repeat(5000))
      assert.strictEqual((yield* read(peer))[0]!.length, 5000)
      assert.deepStrictEqual((yield* member.stats).dropped, drops)
    })))

  it.effect("above the budget the one that holds the most gives, and no other", () =>
    inMemory(Effect.gen(function*() {
      const broadcast = yield* Broadcast.make(lines.server, { budget: 1200 })
      const [greedy, modest, other] = yield* Effect.all([pair, pair, pair])
      const member = yield* broadcast.join(greedy.connection, { policy: "dropOldest" })
      yield* broadcast.publishAll(["a".repeat(99), "b".repeat(9)])
      yield* broadcast.publishAll(numbers(1, 60))
      const second = yield* broadcast.join(modest.connection, { policy: "dropOldest" })
      yield* broadcast.publish("a".repeat(99))
      yield* broadcast.publishAll(numbers(61, 70))
      assert.deepStrictEqual((yield* member.stats).dropped, drops)
      yield* broadcast.publish("c".repeat(299))
      assert.isAbove((yield* member.stats).dropped.budget, 60)
      assert.deepStrictEqual((yield* second.stats).dropped, drops)
      assert.isAtMost((yield* broadcast.stats).waitingBytes, 1200)
      // A policy that drops nothing gives its connection.
      const third = yield* broadcast.join(other.connection)
      yield* broadcast.publish("a".repeat(99))
      for (let i = 0; i < 20; i++) yield* broadcast.publish("d".repeat(99))
      const error = yield* Effect.flip(third.lost)
      assert.strictEqual(error.limit, "budget")
      assert.isAtMost((yield* broadcast.stats).waitingBytes, 1200)
      adds(yield* broadcast.stats)
    })))

  // What ten may hold by themselves, and less.
  const budgets = [["64 MiB", undefined, 12 * 1_048_576], ["4 MiB", 4_194_304, 4_194_304]] as const
  it.live.each(budgets)(
    "budget %s: of 200 consumers 10 never read, which is bounded, and the others get everything",
    ([, budget, most]) =>
      bounded(Effect.gen(function*() {
        const conflate = (message: string) => message.slice(-6)
        const policies = ["dropOldest", "dropNewest", "disconnect", { conflate }] as const
        const broadcast = yield* Broadcast.make(lines.server, budget === undefined ? {} : { budget })
        let joined = 0
        const server = yield* Server.make({ ...options, linger: 0 }, (connection) =>
          Effect.gen(function*() {
            yield* broadcast.join(connection, { policy: policies[joined++ % policies.length]! })
            yield* Effect.forever(connection.receive).pipe(Pull.catchDone(() => Effect.void))
          }))
        const connect = (count: number) =>
          Effect.forEach(Array.from({ length: count }), () => RawClient.connect(server.address, { reads: false }))
        const size = 32_768
        const message = "x".repeat(size - 1)
        let highest = 0
        const publish = Effect.gen(function*() {
          yield* broadcast.publish(message)
          highest = Math.max(highest, (yield* broadcast.stats).waitingBytes)
          // As one publishes who lives from something: between two messages others run.
          yield* Effect.sleep(1)
        })

        const slow = yield* connect(10)
        yield* eventually(() => connections(server) === 10)
        // What the kernel holds, and more than each may have waiting.
        yield* Effect.repeat(publish, { times: 199 })
        const readers = yield* connect(190)
        yield* eventually(() => joined === 200)
        const got = readers.map(() => 0)
        for (const [index, { socket }] of readers.entries()) {
          socket.on("data", (chunk) => void (got[index]! += chunk.length))
        }
        yield* Effect.repeat(publish, { times: 49 })
        yield* eventually(() => got.every((bytes) => bytes === 50 * size))
        assert.isAtMost(highest, most)
        const stats = yield* broadcast.stats
        adds(stats)
        const { closed, conflated, disconnected, interrupted, left, newest, oldest, ...of } = stats.dropped
        assert.deepStrictEqual([closed, left, interrupted], [0, 0, 0])
        assert.strictEqual(of.budget > 0, budget !== undefined)
        assert.isAbove(Math.min(conflated, oldest + of.budget, newest + of.budget, disconnected + of.budget), 0)
        for (const { socket } of [...slow, ...readers]) socket.destroy()
      })),
    30_000
  )
})
