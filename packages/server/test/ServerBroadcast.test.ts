// Slow consumers as the server sees them: told by events and metrics, and within one budget.
import { assert, describe, it } from "@effect/vitest"
import { Transport } from "@framewire/core"
import { Codec, Lines, Protocol } from "@framewire/framing"
import { Broadcast, Server, type ServerEvent, ServerMetrics } from "@framewire/server"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Pull from "effect/Pull"
import * as TestClock from "effect/testing/TestClock"
import { bounded, countsOf, eventsOf, eventually, inMemory, lines, options, RawClient } from "./support/index.ts"

// What the network holds for a peer that does not read.
const buffer = 100
const quiet = TestClock.adjust(0)

/** A server whose connections join what `choose` says, and peers that read nothing. */
const serve = (
  choose: (nth: number) => readonly [Broadcast.Broadcast<string>, Broadcast.ConsumerOptions<string>],
  how: Partial<Server.ServerOptions> = {}
) =>
  Effect.gen(function*() {
    let nth = 0
    const server = yield* Server.make(
      { ...options, linger: 0, deadlines: "unbounded", ...how },
      (connection) =>
        Effect.gen(function*() {
          const [broadcast, options] = choose(nth++)
          const member = yield* broadcast.join(connection, options)
          const reading = Effect.forever(connection.receive).pipe(Pull.catchDone(() => Effect.void))
          yield* Effect.raceFirst(reading, member.lost)
        })
    )
    const events = yield* eventsOf(server)
    const connect = Effect.tap(Transport.connect(server.address, { linger: 0 }), () => quiet)
    return { server, events, connect }
  })

const dropped = (events: ReadonlyArray<ServerEvent.ServerEvent>) =>
  events.flatMap((event) => event._tag === "Dropped" ? [[event.reason, event.messages, event.bytes]] : [])

const waiting = Effect.map(
  Metric.snapshot,
  (all) =>
    all.flatMap((each) => each.id === ServerMetrics.waiting.id && "value" in each.state ? [each.state.value] : [])
)

/** Ten bytes each. */
const ten = (count: number) => Array.from({ length: count }, () => "123456789")

/** On their way, and for the first of them no room in the network. */
const filled = (broadcast: Broadcast.Broadcast<string>) =>
  Effect.andThen(broadcast.publish("a".repeat(buffer - 1)), broadcast.publish("123456789"))

describe("Broadcast in a server", () => {
  const cases: ReadonlyArray<
    readonly [Broadcast.Policy<string>, reason: Broadcast.DropReason, messages: number, closed: boolean]
  > = [
    ["dropOldest", "oldest", 3, false],
    ["dropNewest", "newest", 3, false],
    [{ conflate: () => "same" }, "conflated", 4, false],
    // Those that waited, and the one for which there was no room; what came later it was not a member for.
    ["disconnect", "disconnected", 6, true]
  ]
  it.effect.each(cases)(
    "%s: each drop is an event and in the metrics",
    ([policy, reason, messages, closed]) =>
      inMemory(
        Effect.gen(function*() {
          const broadcast = yield* Broadcast.make(lines.server)
          const { connect, events } = yield* serve(() => [broadcast, { policy, maxMessages: 3 }])
          yield* connect
          yield* filled(broadcast)
          yield* broadcast.publishAll(ten(5))
          yield* quiet
          assert.strictEqual(dropped(events).reduce((sum, [, count]) => sum + Number(count), 0), messages)
          assert.deepStrictEqual(yield* countsOf(ServerMetrics.dropped), { [reason]: messages })
          assert.strictEqual(events.some(({ _tag }) => _tag === "Closed"), closed)
          if (closed) assert.deepStrictEqual(yield* waiting, [0])
        }),
        { buffer }
      )
  )

  it.effect("of all broadcasts together whoever holds the most gives first", () =>
    inMemory(
      Effect.gen(function*() {
        const one = yield* Broadcast.make(lines.server)
        const two = yield* Broadcast.make(lines.server)
        const policy = "dropOldest"
        const { connect, events } = yield* serve((nth) => [nth === 0 ? one : two, { policy }], { broadcastBudget: 100 })
        yield* connect
        yield* connect
        yield* Effect.all([filled(one), filled(two)])
        yield* one.publishAll(ten(5))
        assert.deepStrictEqual(yield* waiting, [70])
        yield* two.publishAll(ten(3))
        assert.deepStrictEqual([dropped(events), yield* waiting], [[], [100]])
        yield* two.publish("123456789")
        yield* quiet
        // The first held 60 of them, of which 50 had not begun.
        assert.deepStrictEqual(dropped(events), [["budget", 5, 50]])
        assert.deepStrictEqual(yield* waiting, [60])
        assert.strictEqual((yield* one.stats).dropped.budget, 5)
        assert.strictEqual((yield* two.stats).dropped.budget, 0)
      }),
      { buffer }
    ))

  it.effect("who leaves gives back what waited", () =>
    inMemory(
      Effect.gen(function*() {
        const broadcast = yield* Broadcast.make(lines.server)
        const { connect, events } = yield* serve(() => [broadcast, {}])
        const peer = yield* connect
        yield* filled(broadcast)
        yield* broadcast.publishAll(ten(5))
        assert.deepStrictEqual(yield* waiting, [60])
        yield* peer.abort
        yield* quiet
        assert.deepStrictEqual(yield* waiting, [0])
        assert.strictEqual(dropped(events).reduce((sum, [, count]) => sum + Number(count), 0), 6)
      }),
      { buffer }
    ))

  for (const policy of ["disconnect", "dropOldest", "dropNewest", "suspend"] as const) {
    it.live(`${policy}: a message waits behind an answer that fills the write buffer, and costs nobody the line`, () =>
      bounded(Effect.gen(function*() {
        const large = "x".repeat(8_000_000)
        const protocol = Protocol.symmetric(Codec.text(Lines.make({ limit: large.length })))
        const broadcast = yield* Broadcast.make(protocol.server)
        const asked = yield* Deferred.make<void>()
        const answer = Server.respond(protocol, () => Effect.as(Deferred.succeed(asked, undefined), large))
        const server = yield* Server.make(
          options,
          (connection) => Effect.andThen(broadcast.join(connection, { policy }), answer(connection))
        )
        const client = yield* RawClient.connect(server.address)
        client.socket.pause()
        client.write("a\n")
        yield* Deferred.await(asked)
        yield* Effect.sleep("20 millis")
        yield* broadcast.publish("one")
        yield* broadcast.publish("two")
        const { waiting } = yield* broadcast.stats
        client.socket.resume()
        const text = yield* client.received(large.length + 9)
        assert.deepStrictEqual([waiting, text.slice(large.length)], [2, "\none\ntwo\n"])
        yield* eventually(() => Effect.runSync(broadcast.stats).sent === 2)
      })))
  }
})
