import { assert, describe, it } from "@effect/vitest"
import { type Connection, Transport } from "@framewire/core"
import { MemoryTransport } from "@framewire/core/testing"
import { Codec, Delimited, Framed, LengthPrefixed, Lines, Slip } from "@framewire/framing"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { done, fake, outcome } from "./scripted.ts"
import { bytes } from "./support.ts"

const text = Codec.text(Lines.make())
const u8 = Codec.text(LengthPrefixed.u8())
const addresses = { host: "127.0.0.1", port: 0 }

interface Ends {
  readonly peer: Connection.Connection
  readonly ours: Connection.Connection
}

/** Two ends in memory, on the test's clock. */
const between = <A, E>(body: (ends: Ends) => Effect.Effect<A, E, Scope.Scope>) =>
  Effect.gen(function*() {
    const listener = yield* Transport.listen(addresses, { linger: 0 })
    const peer = yield* Transport.connect(listener.address, { linger: 0 })
    return yield* body({ peer, ours: yield* listener.accept })
  }).pipe(Effect.scoped, Effect.provide(MemoryTransport.layer()))

/** Lets everything happen that is due after so long. */
const after = (millis: number) =>
  Effect.andThen(TestClock.adjust(millis), Effect.replicateEffect(Effect.yieldNow, 20, { discard: true }))

/** Timers that were started, and those that are pending. */
const counted = Effect.map(Clock.clockWith(Effect.succeed), (clock) => {
  const timers = { started: 0, pending: 0, most: 0 }
  const watched: Clock.Clock = Object.assign(Object.create(clock) as Clock.Clock, {
    sleep: (duration: Parameters<Clock.Clock["sleep"]>[0]) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          timers.started++
          timers.most = Math.max(timers.most, ++timers.pending)
        }),
        () => clock.sleep(duration),
        () => Effect.sync(() => void timers.pending--)
      )
  })
  return { timers, run: Effect.provideService(Clock.Clock, watched) }
})

describe("Framed: the deadline of a frame", () => {
  it.effect("30 s from its first byte, not more and not less", () =>
    between(({ ours, peer }) =>
      Effect.gen(function*() {
        const framed = Framed.make(ours, text)
        const receiving = yield* Effect.forkChild(outcome(framed.receive))
        yield* after(100_000)
        yield* peer.send(bytes("a"))
        yield* after(29_999)
        assert.isUndefined(receiving.pollUnsafe())
        yield* after(1)
        const error = "!FrameError FrameTimeout 1 of ? in 30000 ms @0"
        assert.strictEqual(yield* Fiber.join(receiving), error)
        assert.strictEqual(yield* outcome(framed.receive), error)
        // Whoever is too slow may be told.
        yield* framed.send("408")
        assert.strictEqual(yield* Framed.make(peer, text).receive, "408")
      })
    ))

  it.effect("a byte now and then does not extend it", () =>
    between(({ ours, peer }) =>
      Effect.gen(function*() {
        const framed = Framed.make(ours, u8, { frameTimeout: "10 seconds" })
        const receiving = yield* Effect.forkChild(outcome(framed.receive))
        yield* peer.send(bytes("\x20"))
        for (let sent = 0; sent < 9; sent++) {
          yield* after(1000)
          yield* peer.send(bytes("x"))
        }
        yield* after(999)
        assert.isUndefined(receiving.pollUnsafe())
        yield* after(1)
        assert.strictEqual(yield* Fiber.join(receiving), "!FrameError FrameTimeout 10 of 33 in 10000 ms @0")
      })
    ))

  it.effect("each frame has its own, and what is between frames is not counted", () =>
    between(({ ours, peer }) =>
      Effect.gen(function*() {
        const framed = Framed.make(ours, u8, { frameTimeout: "10 seconds" })
        for (let frame = 0; frame < 5; frame++) {
          const receiving = yield* Effect.forkChild(outcome(framed.receive))
          yield* after(60_000)
          yield* peer.send(bytes("\x02a"))
          yield* after(9_999)
          // The end of one frame and the beginning of the next.
          yield* peer.send(bytes("b\x01"))
          assert.strictEqual(yield* Fiber.join(receiving), "ab")
          // Nobody receives: not counted either.
          yield* after(60_000)
          const second = yield* Effect.forkChild(outcome(framed.receive))
          yield* after(9_999)
          yield* peer.send(bytes("c"))
          assert.strictEqual(yield* Fiber.join(second), "c")
        }
      })
    ))

  it.effect("by receiveEach: the frame behind a bad message has its own", () =>
    between(({ ours, peer }) =>
      Effect.gen(function*() {
        const framed = Framed.make(ours, text)
        const each = framed.receiveEach(() => Effect.void)
        const first = yield* Effect.forkChild(outcome(each))
        yield* peer.send(bytes("bad"))
        yield* after(20_000)
        yield* peer.send(bytes("\xff\n"))
        yield* after(0)
        assert.strictEqual(yield* Fiber.join(first), "!MessageError InvalidUtf8 @0")
        const second = yield* Effect.forkChild(outcome(each))
        yield* peer.send(bytes("b"))
        yield* after(29_999)
        assert.isUndefined(second.pollUnsafe())
        yield* after(1)
        assert.strictEqual(yield* Fiber.join(second), "!FrameError FrameTimeout 1 of ? in 30000 ms @5")
      })
    ))

  it.effect("a frame too long that goes by is not counted, the one behind it is", () =>
    Effect.gen(function*() {
      const framings: Readonly<Record<string, readonly [Codec.Framing, string]>> = {
        lines: [Lines.make({ limit: 3, onTooLong: "skip" }), "\n"],
        truncated: [Lines.make({ limit: 3, onTooLong: "truncate" }), "\n"],
        delimited: [Delimited.make({ delimiter: "--", limit: 3, onTooLong: "skip" }), "--"],
        slip: [Slip.make({ limit: 3, onTooLong: "skip" }), "\xc0"],
        length: [LengthPrefixed.make({ width: 1, limit: 3, onTooLong: "skip" }), "a".repeat(89)]
      }
      for (const [name, [framing, end]] of Object.entries(framings)) {
        for (const how of ["receive", "receiveEach"] as const) {
          yield* between(({ ours, peer }) =>
            Effect.gen(function*() {
              const framed = Framed.make(ours, Codec.text(framing))
              const seen: Array<unknown> = []
              const all = how === "receive"
                ? Effect.map(framed.receive, (message) => void seen.push(message))
                : framed.receiveEach((messages) => Effect.sync(() => void seen.push(...messages)))
              const fiber = yield* Effect.forkChild(
                Effect.repeat(Effect.map(outcome(all), (it) => it === undefined || seen.push(it)), {
                  while: () => !String(seen).includes("FrameError")
                })
              )
              yield* peer.send(bytes("a"))
              yield* after(20_000)
              for (const part of ["aaaaa", "aa", "a"]) {
                yield* peer.send(bytes(part))
                yield* after(20_000)
              }
              yield* peer.send(bytes(`${end}\x02`))
              yield* after(29_999)
              const label = `${name}, ${how}: ${seen.join()}`
              assert.isFalse(String(seen).includes("FrameTimeout"), label)
              assert.include(String(seen), "FrameTooLong", label)
              yield* after(1)
              yield* Fiber.interrupt(fiber)
              assert.include(String(seen), "FrameTimeout 1 of", label)
            })
          )
        }
      }
    }))

  it.effect("what has arrived is looked at first, however late it is received", () =>
    between(({ ours, peer }) =>
      Effect.gen(function*() {
        const framed = Framed.make(ours, u8, { frameTimeout: "10 seconds" })
        const waiting = yield* Effect.forkChild(framed.receive)
        yield* peer.send(bytes("\x02a"))
        yield* after(1)
        yield* Fiber.interrupt(waiting)
        yield* peer.send(bytes("b"))
        yield* after(60_000)
        assert.strictEqual(yield* framed.receive, "ab")
      })
    ))

  it.effect("holds for raw, not for rest; another one by switchTo; Infinity is none", () =>
    between(({ ours, peer }) =>
      Effect.gen(function*() {
        const framed = Framed.make(ours, u8, { frameTimeout: "Infinity" })
        const forever = yield* Effect.forkChild(framed.receive)
        yield* peer.send(bytes("\x02a"))
        yield* after(10_000_000)
        assert.isUndefined(forever.pollUnsafe())
        yield* peer.send(bytes("b"))
        yield* Fiber.join(forever)
        const next = yield* framed.switchTo(u8, { frameTimeout: "5 seconds" })
        const raw = yield* Effect.forkChild(outcome(next.raw(3)))
        yield* peer.send(bytes("a"))
        yield* after(5000)
        assert.strictEqual(yield* Fiber.join(raw), "!FrameError FrameTimeout 1 of 3 in 5000 ms @3")
      })
    ))

  it.effect("no timer where frames arrive whole, one where one waits, none when it is whole or given up", () =>
    Effect.gen(function*() {
      const { run, timers } = yield* counted
      yield* run(between(({ ours, peer }) =>
        Effect.gen(function*() {
          const framed = Framed.make(ours, u8)
          for (let frame = 0; frame < 100; frame++) {
            const receiving = yield* Effect.forkChild(framed.receive)
            yield* after(1)
            yield* peer.send(bytes("\x01a\x01b"))
            yield* Fiber.join(receiving)
            yield* framed.receive
          }
          assert.deepStrictEqual(timers, { started: 0, pending: 0, most: 0 })

          // The rest of a frame that is here when it is asked for.
          const script = fake(...Array.from({ length: 50 }, () => [["\x02"], ["ab"]]).flat(), done)
          yield* Effect.replicateEffect(Framed.make(script.connection, u8).receive, 50)
          yield* after(0)
          assert.deepStrictEqual(timers, { started: 0, pending: 0, most: 0 })

          const receiving = yield* Effect.forkChild(framed.receive)
          yield* peer.send(bytes("\x02"))
          yield* after(1)
          assert.deepStrictEqual(timers, { started: 1, pending: 1, most: 1 })
          yield* peer.send(bytes("ab"))
          yield* Fiber.join(receiving)
          yield* after(0)
          assert.deepStrictEqual(timers, { started: 1, pending: 0, most: 1 })

          const given = yield* Effect.forkChild(framed.receive)
          yield* peer.send(bytes("\x02"))
          yield* after(1)
          assert.strictEqual(timers.pending, 1)
          yield* Fiber.interrupt(given)
          yield* after(0)
          assert.strictEqual(timers.pending, 0)

          // A frame is whole and another has begun: the timer goes on for that, and ends with the connection.
          yield* peer.send(bytes("ab\x02"))
          assert.strictEqual(yield* framed.receive, "ab")
          const next = yield* Effect.forkChild(framed.receive)
          yield* after(20_000)
          yield* peer.send(bytes("ab\x02"))
          yield* Fiber.join(next)
          yield* after(1)
          assert.strictEqual(timers.pending, 1)
          const last = yield* Effect.forkChild(outcome(framed.receive))
          yield* after(29_999)
          assert.isUndefined(last.pollUnsafe())
          yield* Fiber.interrupt(last)
          yield* after(0)
          assert.strictEqual(timers.pending, 0)

          const ended = yield* Effect.forkChild(outcome(framed.receive))
          yield* after(1)
          yield* peer.shutdownWrite
          yield* Fiber.join(ended)
          yield* after(0)
          assert.deepStrictEqual([timers.pending, timers.most], [0, 1])
        })
      ))
    }))

  it.effect("the timer ends with the connection, also where nobody receives any more", () =>
    Effect.gen(function*() {
      const { run, timers } = yield* counted
      yield* run(between(({ ours, peer }) =>
        Effect.gen(function*() {
          const receiving = yield* Effect.forkChild(Framed.make(ours, u8).receive)
          yield* peer.send(bytes("\x02"))
          yield* after(1)
          yield* peer.send(bytes("ab\x02"))
          yield* Fiber.join(receiving)
          yield* after(1)
          assert.strictEqual(timers.pending, 1)
          yield* ours.abort
          yield* after(0)
          assert.strictEqual(timers.pending, 0)
        })
      ))
    }))
})
