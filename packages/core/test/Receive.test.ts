import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import { createHash } from "node:crypto"
import {
  bothWays,
  bounded,
  bytes,
  dialled,
  eventually,
  failure,
  type Pair,
  type Raw,
  reasonOf,
  receiveAll,
  receiveBytes,
  received,
  tellsRstAfterBytes,
  turn
} from "./support/index.ts"

/** The kernel has all that the peer wrote. */
const flushed = (peer: Raw.Peer) => eventually(() => peer.socket.writableLength === 0)

/** The platform reads from now on. */
const flowing = ({ connection, peer }: Pair) =>
  Effect.gen(function*() {
    yield* peer.write("go")
    assert.strictEqual(yield* received(connection), "go")
  })

/** What the platform reads in one go. */
const chunk = 262_144

for (const [way, make] of Object.entries(bothWays)) {
  describe(`receive (${way})`, () => {
    it.live("bytes come before the RST that followed them: nobody had asked yet", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer, socket } = yield* make()
        yield* peer.write("last words")
        yield* flushed(peer)
        yield* peer.reset
        yield* eventually(() => peer.socket.closed)
        assert.strictEqual(socket.bytesRead, 0)
        assert.deepStrictEqual(yield* receiveAll(connection), { text: "last words", end: "ConnectionReset" })
      })), tellsRstAfterBytes)

    it.live(
      "bytes come before the RST that followed them: this process has seen both",
      () =>
        bounded(Effect.gen(function*() {
          const pair = yield* make()
          const { connection, peer, socket } = pair
          yield* flowing(pair)
          yield* peer.write("last words")
          yield* flushed(peer)
          yield* peer.reset
          yield* eventually(() => socket.closed)
          assert.deepStrictEqual(yield* receiveAll(connection), { text: "last words", end: "ConnectionReset" })
          assert.strictEqual(reasonOf(yield* connection.closed), "Failed")
          assert.deepStrictEqual(yield* receiveAll(connection), { text: "", end: "ConnectionReset" })
        })),
      tellsRstAfterBytes
    )

    it.live(
      "bytes come before the RST that followed them: paused by backpressure",
      () =>
        bounded(Effect.gen(function*() {
          const pair = yield* make({ readBuffer: 10 })
          const { connection, peer, socket } = pair
          yield* flowing(pair)
          // Some waits in our buffer, and some in this host's kernel.
          const sent = "0123456789".repeat(15_000)
          yield* peer.write(sent)
          yield* eventually(() => socket.isPaused())
          yield* flushed(peer)
          yield* peer.reset
          yield* eventually(() => peer.socket.closed)
          yield* turn
          assert.isFalse(socket.destroyed)
          const before = socket.bytesRead - 2
          assert.isBelow(before, sent.length)
          const all = yield* receiveAll(connection)
          assert.strictEqual(all.end, "ConnectionReset")
          assert.isAbove(all.text.length, before)
          assert.isTrue(sent.startsWith(all.text))
        })),
      tellsRstAfterBytes
    )

    it.live("bytes come before the RST that a send finds: what this process had read", () =>
      bounded(Effect.gen(function*() {
        const pair = yield* make({ readBuffer: 10 })
        const { connection, peer, socket } = pair
        yield* flowing(pair)
        const sent = "0123456789".repeat(30_000)
        yield* peer.write(sent)
        // Some wait in our buffer, and some in the kernel, which are lost.
        yield* eventually(() => socket.isPaused())
        yield* peer.reset
        yield* failure(Effect.forever(Effect.andThen(connection.send(bytes("x")), turn)))
        yield* connection.closed
        const all = yield* receiveAll(connection)
        assert.strictEqual(all.end, "ConnectionReset")
        assert.strictEqual(all.text.length, socket.bytesRead - 2)
        assert.isTrue(sent.startsWith(all.text))
      })))

    it.live("a reply that refuses what we still send is received before the RST", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make({ reads: false })
        const send = yield* Effect.forkChild(failure(connection.send(new Uint8Array(20_000_000))), {
          startImmediately: true
        })
        const all = yield* Effect.forkChild(receiveAll(connection), { startImmediately: true })
        yield* turn
        yield* peer.write("too large")
        yield* flushed(peer)
        yield* peer.reset
        assert.deepStrictEqual(yield* Fiber.join(all), { text: "too large", end: "ConnectionReset" })
        assert.strictEqual((yield* Fiber.join(send)).reason._tag, "ConnectionReset")
      })), tellsRstAfterBytes)

    it.live("the end stays the end, also when a send fails after it", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        yield* peer.write("all")
        yield* flushed(peer)
        peer.socket.destroy()
        assert.deepStrictEqual(yield* receiveAll(connection), { text: "all", end: "end" })
        yield* failure(Effect.forever(Effect.andThen(connection.send(bytes("x")), turn)))
        assert.strictEqual(reasonOf(yield* connection.closed), "Failed")
        assert.deepStrictEqual(yield* receiveAll(connection), { text: "", end: "end" })
      })))

    it.live("everything comes, in order and whole", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make({ readBuffer: 5000 })
        const sent = createHash("sha256")
        let size = 0
        for (let i = 0; i < 400; i++) {
          const part = Buffer.alloc(1 + (i * 7919) % 50_000, i)
          sent.update(part)
          size += part.length
          yield* peer.write(part)
        }
        yield* peer.end
        const got = createHash("sha256")
        for (let have = 0; have < size;) {
          for (const part of yield* connection.receive) {
            assert.isAbove(part.length, 0)
            got.update(part)
            have += part.length
          }
        }
        assert.strictEqual(yield* received(connection), "end")
        assert.strictEqual(got.digest("hex"), sent.digest("hex"))
      })))
  })

  describe(`backpressure (${way})`, () => {
    const large = 20_000_000

    it.live("nothing is read before the first receive", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer, socket } = yield* make()
        yield* peer.write(new Uint8Array(large))
        for (let i = 0; i < 10; i++) yield* turn
        assert.strictEqual(socket.bytesRead, 0)
        assert.isAbove(peer.socket.writableLength, 0)
        assert.strictEqual((yield* receiveBytes(connection, large)).length, large)
      })))

    for (const readBuffer of [1, 10_000, 65_536, 1_000_000]) {
      it.live(`a reader that stops stops the peer, with ${readBuffer} bytes ahead`, () =>
        bounded(Effect.gen(function*() {
          const pair = yield* make({ readBuffer })
          const { connection, peer, socket } = pair
          yield* flowing(pair)
          yield* peer.write(new Uint8Array(large))
          yield* eventually(() => socket.isPaused())
          for (let i = 0; i < 10; i++) yield* turn
          assert.isAtMost(socket.bytesRead - 2, readBuffer - 1 + chunk)
          assert.isAtLeast(socket.bytesRead - 2, readBuffer)
          assert.isAbove(peer.socket.writableLength, 0)
          assert.strictEqual((yield* receiveBytes(connection, large)).length, large)
        })))
    }
  })

  describe(`shutdownRead (${way})`, () => {
    it.live("what had arrived is delivered, then it is the end, however much the peer sends", () =>
      bounded(Effect.gen(function*() {
        const pair = yield* make()
        const { connection, peer, socket } = pair
        yield* flowing(pair)
        yield* peer.write("arrived")
        yield* eventually(() => socket.bytesRead === 9)
        yield* connection.shutdownRead
        yield* peer.write(new Uint8Array(20_000_000))
        for (let i = 0; i < 10; i++) yield* turn
        assert.deepStrictEqual(yield* receiveAll(connection), { text: "arrived", end: "end" })
        for (let i = 0; i < 10; i++) yield* turn
        assert.deepStrictEqual(yield* receiveAll(connection), { text: "", end: "end" })
        assert.isAtMost(socket.bytesRead, 9 + chunk)
        assert.isAbove(peer.socket.writableLength, 0)
      })))

    it.live("delivers what backpressure has left in the kernel", () =>
      bounded(Effect.gen(function*() {
        const pair = yield* make({ readBuffer: 10 })
        const { connection, peer, socket } = pair
        yield* flowing(pair)
        const sent = "0123456789".repeat(50_000)
        yield* peer.write(sent)
        yield* eventually(() => socket.isPaused())
        const before = socket.bytesRead - 2
        yield* Effect.all([connection.shutdownRead, connection.shutdownRead], { concurrency: "unbounded" })
        const all = yield* receiveAll(connection)
        assert.strictEqual(all.end, "end")
        assert.isAbove(all.text.length, before)
        assert.isTrue(sent.startsWith(all.text))
      })))

    it.live("does not keep a close that comes meanwhile from seeing the peer's FIN", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make({ linger: "1 hour" })
        const shutdown = yield* Effect.forkChild(connection.shutdownRead, { startImmediately: true })
        const close = yield* Effect.forkChild(connection.close(), { startImmediately: true })
        assert.strictEqual(yield* peer.ended, "FIN")
        yield* Fiber.join(shutdown)
        yield* turn
        yield* peer.write("to be discarded")
        yield* peer.end
        assert.strictEqual(reasonOf(yield* Fiber.join(close)), "Graceful by self")
      })))

    it.live("ends a suspended receive, and sending goes on", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        const receive = yield* Effect.forkChild(received(connection), { startImmediately: true })
        yield* turn
        yield* connection.shutdownRead
        assert.strictEqual(yield* Fiber.join(receive), "end")
        yield* connection.send(bytes("still here"))
        assert.strictEqual(yield* peer.receivedBytes(10), "still here")
        yield* peer.write("unheard")
        yield* peer.end
        assert.strictEqual(reasonOf(yield* connection.close()).slice(0, 8), "Graceful")
        assert.strictEqual(yield* received(connection), "end")
      })))

    it.live("before the first receive: delivers what waits in the kernel, and then the end", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        yield* peer.write("heard")
        yield* connection.shutdownRead
        assert.strictEqual(yield* received(connection), "heard")
        assert.strictEqual(yield* received(connection), "end")
      })))

    it.live("with nothing in the kernel: it is the end, and what comes later is not heard", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        yield* connection.shutdownRead
        yield* peer.write("unheard")
        assert.strictEqual(yield* received(connection), "end")
      })))

    it.live("stops a peer that never stops sending", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer, socket } = yield* make({ readBuffer: 100_000_000 })
        yield* peer.write(new Uint8Array(50_000_000))
        yield* connection.shutdownRead
        // What it waits for, and what the platform has under way.
        assert.isAtMost(socket.bytesRead, 1_048_576 + 2 * chunk)
        assert.strictEqual((yield* receiveAll(connection)).end, "end")
      })))

    it.live("close discards at most its 64 KiB after it", () =>
      bounded(Effect.gen(function*() {
        const pair = yield* make({ linger: "1 hour" })
        const { connection, peer, socket } = pair
        yield* flowing(pair)
        yield* connection.shutdownRead
        yield* peer.write(new Uint8Array(20_000_000))
        assert.strictEqual(reasonOf(yield* connection.close()), "LingerExpired")
        assert.isBelow(socket.bytesRead, 4_000_000)
      })))
  })

  describe(`one fiber at a time (${way})`, () => {
    it.live("a second receive is a defect, and does not disturb the first", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        const first = yield* Effect.forkChild(received(connection), { startImmediately: true })
        const second = yield* Effect.exit(connection.receive)
        assert(Exit.isFailure(second))
        assert.isTrue(Cause.hasDies(second.cause))
        assert.include(Cause.pretty(second.cause), "receive is already running in another fiber of this connection")
        yield* peer.write("for the first")
        assert.strictEqual(yield* Fiber.join(first), "for the first")
      })))
  })
}

describe("interrupting a receive loses nothing", () => {
  it.live("that is suspended", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer } = yield* dialled()
      for (let i = 0; i < 20; i++) {
        const receive = yield* Effect.forkChild(received(connection), { startImmediately: true })
        yield* Fiber.interrupt(receive)
        yield* peer.write(`${i}`)
        assert.strictEqual(yield* received(connection), `${i}`)
      }
    })))

  it.live("that times out while bytes come: each is delivered once", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer } = yield* dialled()
      const sent = Array.from({ length: 300 }, (_, index) => `${index} `)
      const sending = Effect.forEach(sent, (text) => Effect.andThen(peer.write(text), Effect.sleep("1 millis")))
      yield* Effect.forkChild(Effect.andThen(sending, peer.end))
      let text = ""
      for (;;) {
        const next = yield* Effect.timeoutOption(received(connection), "1 millis")
        if (next._tag === "None") continue
        assert.isString(next.value)
        if (next.value === "end") break
        text += String(next.value)
      }
      assert.strictEqual(text, sent.join(""))
    })))

  // With 2 the runtime does nothing but yield.
  for (let operations = 3; operations <= 12; operations++) {
    it.live(`that begins to wait, and has to yield after ${operations} operations while bytes come`, () =>
      bounded(Effect.gen(function*() {
        const pair = yield* dialled()
        yield* flowing(pair)
        const { connection, peer } = pair
        // They are read in the turn of the loop to which the fiber yields.
        yield* peer.write("once")
        const receive = yield* Effect.forkChild(
          Effect.provideService(received(connection), Scheduler.MaxOpsBeforeYield, operations),
          { startImmediately: true }
        )
        assert.strictEqual(yield* Fiber.join(receive), "once")
      })))
  }

  // The fiber of a receive may have to yield between two steps, and be interrupted there.
  for (let operations = 2; operations <= 12; operations++) {
    it.live(`that finds bytes and has to yield after ${operations} operations`, () =>
      bounded(Effect.gen(function*() {
        const pair = yield* dialled()
        yield* flowing(pair)
        const { connection, peer, socket } = pair
        yield* peer.write("once")
        yield* eventually(() => socket.bytesRead === 6)
        let got = ""
        const receive = yield* Effect.map(connection.receive, (chunks) => {
          got += String(Buffer.concat(chunks))
        }).pipe(
          Effect.provideService(Scheduler.MaxOpsBeforeYield, operations),
          Effect.forkChild({ startImmediately: true })
        )
        yield* Fiber.interrupt(receive)
        yield* peer.write(" more")
        yield* eventually(() => socket.bytesRead === 11)
        assert.strictEqual(got + (yield* received(connection)), "once more")
      })))
  }
})
