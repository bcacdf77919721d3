import { assert, describe, it } from "@effect/vitest"
import type { ConnectionState } from "@framewire/core"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Turns from "../../../tests/support/Turns.ts"
import * as Sweeper from "../src/node/internal/Sweeper.ts"
import { accepted, bounded, dialled, eventually, failure, freedAtOnce, received, turn } from "./support/index.ts"

const large = new Uint8Array(40_000_000)

const timedOut = (reason: ConnectionState.CloseReason) =>
  reason._tag === "Failed" && reason.error.reason._tag === "TimedOut"
    ? [reason.error._tag, reason.error.reason.waitedFor]
    : reason

for (const [way, make] of [["dialled", dialled], ["accepted", accepted]] as const) {
  describe(`writeTimeout (${way})`, () => {
    it.live("a peer that takes nothing: the send fails, the connection is reset", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make({ writeTimeout: "400 millis", reads: false })
        yield* freedAtOnce(connection)
        const error = yield* failure(connection.send(large))
        assert.strictEqual(error.reason._tag, "TimedOut")
        assert.include(error.message, "timed out after 400 ms, waiting for the peer to take a byte")
        assert.strictEqual(error.retry, "unsafe")
        assert.deepStrictEqual(timedOut(yield* connection.closed), ["SendError", "the peer to take a byte"])
        const late = yield* failure(connection.send(Uint8Array.of(1)))
        assert.strictEqual(late.reason._tag, "TimedOut")
        yield* peer.read
        assert.include(["ECONNRESET", "close"], yield* peer.ended)
      })))

    it.live("a slow peer is no dead one: progress begins the time anew", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make({ writeTimeout: "700 millis", reads: false })
        yield* freedAtOnce(connection)
        const sending = yield* Effect.forkChild(connection.send(large), { startImmediately: true })
        // For much longer than the timeout it reads a little, again and again: more than the third of the kernel's buffer
        // that has to be free before the kernel takes on more.
        for (let i = 0; i < 8; i++) {
          yield* Effect.sleep("250 millis")
          const enough = peer.socket.bytesRead + 2_000_000
          while (peer.socket.bytesRead < enough) {
            peer.socket.read()
            yield* turn
          }
        }
        assert.isUndefined(sending.pollUnsafe())
        yield* peer.read
        yield* Fiber.join(sending)
      })))
  })

  describe(`halfCloseTimeout (${way})`, () => {
    it.live("a peer that stays after our FIN, and says nothing", () =>
      bounded(Effect.gen(function*() {
        const { connection } = yield* make({ halfCloseTimeout: "300 millis" })
        yield* connection.shutdownWrite
        const end = yield* received(connection)
        assert(typeof end !== "string")
        assert.strictEqual(end.reason._tag, "TimedOut")
        assert.deepStrictEqual(timedOut(yield* connection.closed), ["ReceiveError", "the peer's FIN"])
      })))

    it.live("a late answer is no silence", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make({ halfCloseTimeout: "900 millis" })
        yield* connection.shutdownWrite
        for (let i = 0; i < 6; i++) {
          yield* Effect.sleep("300 millis")
          yield* peer.write("tick")
          assert.strictEqual(yield* received(connection), "tick")
        }
        yield* peer.end
        assert.strictEqual(yield* received(connection), "end")
      })))
  })

  describe(`readStallTimeout (${way})`, () => {
    it.live("nobody receives: the bytes that came are delivered, and then the error", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer, socket } = yield* make({ readStallTimeout: "300 millis", readBuffer: 1000 })
        // From the first receive on it reads ahead.
        const first = yield* Effect.forkChild(received(connection), { startImmediately: true })
        yield* peer.write("first")
        assert.strictEqual(yield* Fiber.join(first), "first")
        yield* peer.write(large)
        yield* eventually(() => socket.destroyed)
        const text = yield* received(connection)
        assert(typeof text === "string")
        assert.isAbove(text.length, 1000)
        assert.deepStrictEqual(timedOut(yield* connection.closed), ["ReceiveError", "somebody to receive"])
      })))
  })

  it.live(`an idle connection has no deadline and no timer (${way})`, () =>
    bounded(Effect.gen(function*() {
      const short = "1 millis"
      const { connection } = yield* make({ writeTimeout: short, halfCloseTimeout: short, readStallTimeout: short })
      const receiving = yield* Effect.forkChild(received(connection), { startImmediately: true })
      const timers = () => process.getActiveResourcesInfo().filter((each) => each === "Timeout").length
      const before = timers()
      yield* Effect.sleep("600 millis")
      assert.isAtMost(timers(), before)
      assert.isUndefined(receiving.pollUnsafe())
      assert.strictEqual((yield* connection.state)._tag, "Open")
      yield* connection.abort
    })))
}

it.live("those that are late together end in portions, and others have their turns between", () =>
  bounded(Effect.gen(function*() {
    const crowd = yield* Effect.forEach(Array.from({ length: 40 }), () => accepted({ halfCloseTimeout: "300 millis" }))
    const turn = yield* Turns.turns
    yield* Effect.forEach(crowd, ({ connection }) => connection.shutdownWrite, { concurrency: "unbounded" })
    const endedIn = yield* Effect.forEach(
      crowd,
      ({ connection }) => Effect.map(connection.closed, turn),
      { concurrency: "unbounded" }
    )
    // Eight are reset in a turn; that two portions are freed may be told in one.
    assert.isAtMost(Turns.mostInOne(endedIn), 16)
  })))

it.live("waits that are over and begin again meanwhile are looked at the next time, and not on and on", () =>
  bounded(Effect.gen(function*() {
    let looks = 0
    let isOver = false
    const crowd: ReadonlyArray<Sweeper.Waiting> = Array.from({ length: 16 }, () => {
      const each = {
        sweep: () => {
          looks++
          setImmediate(() => isOver || Sweeper.watch(each))
          return false
        }
      }
      return each
    })
    crowd.forEach(Sweeper.watch)
    yield* Effect.sleep("900 millis")
    isOver = true
    // Four times a second at most.
    assert.isAtLeast(looks, 2 * crowd.length)
    assert.isAtMost(looks, 4 * crowd.length)
  })))
