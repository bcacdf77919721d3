import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { bothWays, bounded, bytes, eventually, failure, reasonOf, receiveAll, received, turn } from "./support/index.ts"

for (const [way, make] of Object.entries(bothWays)) {
  describe(`half-close (${way})`, () => {
    const tag = (connection: { readonly state: Effect.Effect<{ readonly _tag: string }> }) =>
      Effect.map(connection.state, ({ _tag }) => _tag)

    it.live("we send FIN, and a late reply still comes", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        yield* connection.send(bytes("request"))
        yield* connection.shutdownWrite
        assert.strictEqual(yield* tag(connection), "WriteClosed")
        assert.strictEqual(yield* peer.ended, "FIN")
        assert.strictEqual(peer.text(), "request")
        yield* turn
        yield* peer.write("late reply")
        assert.strictEqual(yield* received(connection), "late reply")
        yield* peer.end
        assert.strictEqual(yield* received(connection), "end")
        assert.strictEqual(reasonOf(yield* connection.closed), "Graceful by self")
        assert.strictEqual(yield* received(connection), "end")
      })))

    it.live("the peer sends FIN, and still hears us", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        yield* peer.write("request")
        yield* peer.end
        assert.deepStrictEqual(yield* receiveAll(connection), { text: "request", end: "end" })
        assert.strictEqual(yield* tag(connection), "ReadClosed")
        yield* turn
        yield* connection.send(bytes("late "))
        yield* connection.send(bytes("reply"))
        assert.strictEqual(yield* tag(connection), "ReadClosed")
        assert.strictEqual(reasonOf(yield* connection.close()), "Graceful by peer")
        assert.strictEqual(yield* peer.ended, "FIN")
        assert.strictEqual(peer.text(), "late reply")
      })))

    it.live("both FINs are the end: nobody has to call close", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        yield* peer.end
        assert.strictEqual(yield* received(connection), "end")
        yield* connection.shutdownWrite
        assert.strictEqual(reasonOf(yield* connection.closed), "Graceful by peer")
        assert.strictEqual(yield* tag(connection), "Closed")
        assert.strictEqual(reasonOf(yield* connection.close()), "Graceful by peer")
        assert.strictEqual(reasonOf(yield* connection.abort), "Graceful by peer")
        assert.strictEqual(yield* peer.ended, "FIN")
      })))

    it.live("shutdownWrite sends what waits, then FIN", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make({ reads: false })
        const large = new Uint8Array(5_000_000)
        const send = yield* Effect.forkChild(connection.send(large), { startImmediately: true })
        const shutdown = yield* Effect.forkChild(connection.shutdownWrite, { startImmediately: true })
        yield* turn
        assert.isUndefined(shutdown.pollUnsafe())
        yield* peer.read
        yield* Fiber.join(send)
        yield* Fiber.join(shutdown)
        assert.strictEqual(yield* peer.ended, "FIN")
        assert.strictEqual(peer.size(), large.length)
      })))

    it.live("shutdownWrite again: nothing happens, and both tell when FIN is sent", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        yield* Effect.all([connection.shutdownWrite, connection.shutdownWrite], { concurrency: "unbounded" })
        yield* connection.shutdownWrite
        assert.strictEqual(yield* peer.ended, "FIN")
        yield* peer.write("still open")
        assert.strictEqual(yield* received(connection), "still open")
      })))

    it.live("shutdownWrite and close race: one FIN, no error", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        yield* peer.end
        const ends = yield* Effect.all([connection.shutdownWrite, connection.close(), connection.shutdownWrite], {
          concurrency: "unbounded"
        })
        assert.match(reasonOf(ends[1]), /^Graceful/)
        assert.strictEqual(yield* peer.ended, "FIN")
        yield* connection.shutdownWrite
      })))

    it.live("shutdownWrite that cannot send FIN fails: our abort", () =>
      bounded(Effect.gen(function*() {
        const { connection } = yield* make({ reads: false, maxWriteBuffer: 1e9 })
        yield* Effect.forkChild(Effect.exit(connection.send(new Uint8Array(20_000_000))), { startImmediately: true })
        const shutdown = yield* Effect.forkChild(failure(connection.shutdownWrite), { startImmediately: true })
        yield* connection.abort
        assert.strictEqual((yield* Fiber.join(shutdown)).reason._tag, "ConnectionClosed")
        assert.strictEqual((yield* failure(connection.shutdownWrite)).reason._tag, "ConnectionClosed")
      })))

    it.live("shutdownWrite that cannot send FIN fails: the peer's RST", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make({ reads: false, maxWriteBuffer: 1e9 })
        yield* Effect.forkChild(Effect.exit(connection.send(new Uint8Array(20_000_000))), { startImmediately: true })
        const shutdown = yield* Effect.forkChild(failure(connection.shutdownWrite), { startImmediately: true })
        yield* peer.reset
        assert.strictEqual((yield* Fiber.join(shutdown)).reason._tag, "ConnectionReset")
        assert.strictEqual((yield* failure(connection.shutdownWrite)).reason._tag, "ConnectionReset")
      })))

    it.live("shutdownWrite after a RST that nobody has seen settles", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer, socket } = yield* make()
        yield* peer.reset
        yield* eventually(() => peer.socket.closed)
        yield* Effect.exit(connection.shutdownWrite)
        assert.isTrue(socket.writableEnded)
        assert.isTrue(Exit.isSuccess(yield* Effect.exit(connection.close({ linger: 0 }))))
      })))
  })
}
