import { assert, describe, it } from "@effect/vitest"
import { type Connection, Transport, type TransportError } from "@framewire/core"
import { MemoryTransport } from "@framewire/core/testing"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Inbox } from "../src/internal/Inbox.ts"
import { bothWays, bounded, bytes, eventually, failure, received, turn } from "./support/index.ts"

const text = (chunks: ReadonlyArray<Uint8Array>) => String(Buffer.concat(chunks))

for (const [way, make] of Object.entries(bothWays)) {
  describe(`lendEach (${way})`, () => {
    it.live("gives each batch as it comes, and ends with the peer's FIN", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        let got = ""
        const fiber = yield* Effect.forkChild(connection.lendEach((chunks) => {
          got += text(chunks)
          return Effect.void
        }))
        for (const each of ["one ", "two ", "three"]) {
          yield* peer.write(each)
          yield* eventually(() => got.endsWith(each))
        }
        yield* peer.end
        yield* Fiber.join(fiber)
        assert.strictEqual(got, "one two three")
      })))

    it.live("wakes no fiber for what is done when the handler returns", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        let steps = 0
        // The handler is called from the platform's event, in which no fiber of ours runs.
        const fiber = yield* Effect.forkChild(connection.lendEach((chunks) => {
          if (Fiber.getCurrent() !== undefined) steps++
          return connection.sendAllUnsafe(chunks)
        }))
        for (let i = 1; i <= 5; i++) {
          yield* peer.write("x")
          yield* peer.receivedBytes(i)
        }
        assert.strictEqual(steps, 0)
        yield* Fiber.interrupt(fiber)
      })))

    it.live("runs what the handler returns before the next batch, and reads no further than readBuffer", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer, socket } = yield* make({ readBuffer: 1000 })
        const seen: Array<number> = []
        let release = () => {}
        const fiber = yield* Effect.forkChild(connection.lendEach((chunks) => {
          seen.push(text(chunks).length)
          return Effect.callback((resume) => {
            release = () => resume(Effect.void)
          })
        }))
        yield* peer.write("x")
        yield* eventually(() => seen.length === 1)
        yield* peer.write(new Uint8Array(1_000_000))
        for (let i = 0; i < 50; i++) yield* turn
        assert.deepStrictEqual(seen, [1])
        assert.isBelow(socket.bytesRead, 300_000)
        const sum = () => seen.reduce((a, b) => a + b)
        while (sum() < 1_000_001) {
          release()
          yield* turn
        }
        yield* Fiber.interrupt(fiber)
      })))

    it.live("lends all connections' bytes from one buffer, and sends none of them in another's place", () =>
      bounded(Effect.gen(function*() {
        const first: Array<ArrayBufferLike> = []
        const size = 16_000_000
        const sent = ["a", "b", "c"].map((letter) => letter.repeat(size))
        const pairs = yield* Effect.forEach(sent, () => make())
        for (const { connection, peer } of pairs) {
          // What the kernel does not take has to wait: on this side, and for so long that the others read.
          peer.socket.pause()
          let calls = 0
          yield* Effect.forkChild(connection.lendEach((chunks) => {
            if (calls++ === 0) first.push(chunks[0].buffer)
            return connection.sendAllUnsafe(chunks)
          }))
        }
        for (const [index, { peer }] of pairs.entries()) yield* peer.write(sent[index]!)
        yield* eventually(() => pairs.every(({ socket }) => socket.writableLength > 0))
        for (let i = 0; i < 20; i++) yield* turn
        for (const { peer } of pairs) peer.socket.resume()
        for (const [index, { peer }] of pairs.entries()) {
          assert.isTrue((yield* peer.receivedBytes(size)) === sent[index])
        }
        assert.deepStrictEqual(first.map((buffer) => buffer === first[0]), [true, true, true])
      })))

    it.live("what a handler writes to the headroom is nobody's bytes", () =>
      bounded(Effect.gen(function*() {
        const pairs = yield* Effect.forEach(["a", "b"], () => make())
        const rooms: Array<number> = []
        for (const { connection } of pairs) {
          yield* Effect.forkChild(connection.lendEach(([first, ...others], headroom) => {
            rooms.push(headroom)
            const before = new Uint8Array(first.buffer, first.byteOffset - headroom, headroom)
            before.fill(0x21)
            // As it is when what waited lies in front of it.
            const sent = new Uint8Array(first.buffer, first.byteOffset - 1, 1 + first.length)
            return connection.sendAllUnsafe([sent, ...others])
          }))
        }
        for (const all of ["!x", "!x!yy", "!x!yy!z"]) {
          for (const { peer } of pairs) yield* peer.write(all.slice(all.lastIndexOf("!") + 1))
          for (const { peer } of pairs) assert.strictEqual(yield* peer.receivedBytes(all.length), all)
        }
        assert.isAtLeast(Math.min(...rooms), 65_536)
      })))

    it.live("all of the headroom and a whole read are sent, however large", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        let expected = ""
        let received = 0
        yield* Effect.forkChild(connection.lendEach(([first, ...others], headroom) => {
          const sent = new Uint8Array(first.buffer, first.byteOffset - headroom, headroom + first.length)
          sent.fill(0x21, 0, headroom)
          expected += "!".repeat(headroom) + text([first, ...others])
          received += text([first, ...others]).length
          return connection.sendAllUnsafe([sent, ...others])
        }))
        yield* peer.write("x".repeat(1_000_000))
        yield* eventually(() => received === 1_000_000)
        assert.isTrue((yield* peer.receivedBytes(expected.length)) === expected)
      })))

    it.live("fails with the handler's failure, and dies of its defect; what came after is still there", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        for (
          const [thrown, ended] of [
            [() => Effect.fail("no"), Exit.fail("no")],
            [() => Effect.andThen(Effect.yieldNow, Effect.fail("later")), Exit.fail("later")],
            [() => {
              throw new Error("bad")
            }, Exit.die(new Error("bad"))]
          ] as const
        ) {
          const fiber = yield* Effect.forkChild(Effect.exit(connection.lendEach(thrown)))
          yield* peer.write("x")
          assert.deepStrictEqual(String(yield* Fiber.join(fiber)), String(ended))
        }
        yield* peer.write("after")
        assert.strictEqual(yield* received(connection), "after")
      })))

    it.live("an interrupted one takes nothing more", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        let calls = 0
        const fiber = yield* Effect.forkChild(
          connection.lendEach(() => {
            calls++
            return Effect.void
          }),
          { startImmediately: true }
        )
        yield* Fiber.interrupt(fiber)
        yield* peer.write("x")
        assert.strictEqual(yield* received(connection), "x")
        assert.strictEqual(calls, 0)
      })))

    it.live("a second receiver of either kind is a defect, and does not disturb the first", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        let got = ""
        yield* Effect.forkChild(
          connection.lendEach((chunks) => {
            got += text(chunks)
            return Effect.void
          }),
          { startImmediately: true }
        )
        assert.isTrue(Cause.hasDies(yield* failure(Effect.sandbox(connection.receive))))
        assert.isTrue(Cause.hasDies(yield* failure(Effect.sandbox(connection.lendEach(() => Effect.void)))))
        yield* peer.write("first")
        yield* eventually(() => got === "first")
      })))

    it.live("fails with the network's failure, after all that had come", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        let got = ""
        const fiber = yield* Effect.forkChild(failure(connection.lendEach((chunks) => {
          got += text(chunks)
          return Effect.void
        })))
        yield* peer.write("last")
        yield* eventually(() => got === "last")
        yield* peer.reset
        const error = yield* Fiber.join(fiber)
        assert.strictEqual(error.reason._tag, "ConnectionReset")
      })))
  })

  describe(`sendAllUnsafe (${way})`, () => {
    it.live("sends when it is called, and is an Exit where the kernel has taken it", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        assert.isTrue(Exit.isExit(connection.sendAllUnsafe([bytes("once")])))
        assert.strictEqual(yield* peer.receivedBytes(4), "once")
        // Never run, and sent all the same.
        assert.isFalse(Exit.isExit(connection.sendAllUnsafe([new Uint8Array(20_000_000)])))
        yield* peer.receivedBytes(20_000_004)
      })))

    it.live("fails as sendAll does", () =>
      bounded(Effect.gen(function*() {
        const { connection } = yield* make()
        yield* connection.abort
        const error = yield* failure(connection.sendAllUnsafe([bytes("x")]))
        assert.strictEqual(error.reason._tag, "ConnectionClosed")
      })))
  })
}

describe("a handler that has to wait", () => {
  for (const borrows of [true, false]) {
    it.live(`leaves nothing behind on its fiber, however often it does (${borrows ? "lendEach" : "receiveEach"})`, () =>
      Effect.gen(function*() {
        setFlagsFromString("--expose-gc")
        const collect = runInNewContext("gc") as () => void
        const inbox = new Inbox({ wanted: () => {} })
        let goOn = () => {}
        let handled = 0
        const handler = () => {
          handled++
          return Effect.callback<void>((resume) => {
            goOn = () => resume(Effect.void)
          })
        }
        const fiber = yield* Effect.forkChild(inbox.each(handler, borrows), { startImmediately: true })
        const batches = (count: number) => {
          for (let i = 0; i < count; i++) {
            inbox.add(bytes("x"))
            inbox.wake()
            goOn()
          }
          collect()
          return process.memoryUsage().heapUsed
        }
        const before = batches(10_000)
        const after = batches(100_000)
        assert.strictEqual(handled, 110_000)
        assert.isBelow(after - before, 1_000_000)
        yield* Fiber.interrupt(fiber)
      }))
  }
})

describe("lendEach in memory", () => {
  it.live("lends behind headroom, and overwrites all of it when the handler returns", () =>
    Effect.gen(function*() {
      const listener = yield* Transport.listen({ host: "a.example", port: 1 })
      const dialled = yield* Transport.connect(listener.address, { linger: 0 })
      const accepted = yield* listener.accept
      const lent: Array<{ readonly text: string; readonly buffer: Uint8Array; readonly headroom: number }> = []
      yield* Effect.forkChild(accepted.lendEach((chunks, headroom) => {
        lent.push({ text: text(chunks), buffer: new Uint8Array(chunks[0].buffer), headroom })
        return Effect.void
      }))
      yield* dialled.send(bytes("ball"))
      yield* eventually(() => lent.length > 0)
      const [{ buffer, headroom, text: seen } = assert.fail("nothing was lent")] = lent
      assert.strictEqual(seen, "ball")
      assert.strictEqual(buffer.length, headroom + 4)
      assert.isTrue(buffer.every((byte) => byte === 0xdd))
      assert.isAtLeast(headroom, 65_536)
    }).pipe(Effect.scoped, Effect.provide(MemoryTransport.layer())))

  it.live("an echo at both ends goes on by itself without growing the stack", () =>
    Effect.gen(function*() {
      const listener = yield* Transport.listen({ host: "a.example", port: 1 })
      const dialled = yield* Transport.connect(listener.address, { linger: 0 })
      const accepted = yield* listener.accept
      let count = 0
      const echo = (connection: Connection.Connection) =>
        connection.lendEach((chunks): Effect.Effect<void, TransportError.SendError | "enough"> =>
          ++count < 20_000 ? connection.sendAllUnsafe(chunks) : Effect.fail("enough")
        )
      yield* dialled.send(bytes("ball"))
      const [ended] = yield* Effect.all([Effect.raceFirst(failure(echo(dialled)), failure(echo(accepted)))])
      assert.strictEqual(ended, "enough")
    }).pipe(Effect.scoped, Effect.provide(MemoryTransport.layer())))
})
