import { assert, describe, it } from "@effect/vitest"
import { Transport } from "@framewire/core"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import {
  Blocked,
  bothWays,
  bounded,
  bytes,
  descriptors,
  dialled,
  eventually,
  failure,
  Raw,
  reasonOf,
  received,
  sockets,
  tellsRstAfterBytes,
  turn
} from "./support/index.ts"

const large = new Uint8Array(20_000_000)

/** How long it takes. */
const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const start = yield* Clock.currentTimeMillis
    yield* effect
    return (yield* Clock.currentTimeMillis) - start
  })

for (const [way, make] of Object.entries(bothWays)) {
  describe(`close (${way})`, () => {
    it.live("waits for the peer's FIN, and no longer", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make({ linger: "1 hour" })
        const close = yield* Effect.forkChild(connection.close(), { startImmediately: true })
        assert.strictEqual(yield* peer.ended, "FIN")
        yield* turn
        assert.isUndefined(close.pollUnsafe())
        yield* peer.end
        assert.strictEqual(reasonOf(yield* Fiber.join(close)), "Graceful by self")
      })))

    it.live("of a scope is bounded where the peer never closes", () =>
      bounded(Effect.gen(function*() {
        const { closeScope, connection, peer } = yield* make({ linger: "50 millis" })
        assert.isBelow(yield* timed(closeScope), 1500)
        assert.strictEqual(reasonOf(yield* connection.closed), "LingerExpired")
        assert.strictEqual(yield* peer.ended, "FIN")
      })))

    it.live("of a scope is bounded where the peer never reads", () =>
      bounded(Effect.gen(function*() {
        const { closeScope, connection, peer } = yield* make({ linger: "50 millis", reads: false })
        const send = yield* Effect.forkChild(failure(connection.send(large)), { startImmediately: true })
        assert.isBelow(yield* timed(closeScope), 1500)
        assert.strictEqual(reasonOf(yield* connection.closed), "LingerExpired")
        assert.strictEqual((yield* Fiber.join(send)).reason._tag, "ConnectionClosed")
        // What was lost the peer must not take for the whole.
        yield* peer.read
        assert.strictEqual(yield* peer.ended, "ECONNRESET")
      })), tellsRstAfterBytes)

    it.live("of a scope is bounded where the peer never stops to send", () =>
      bounded(Effect.gen(function*() {
        const { closeScope, connection, peer, socket } = yield* make({ linger: "1 hour" })
        yield* Effect.forkScoped(Effect.forever(Effect.andThen(peer.write(new Uint8Array(10_000)), turn)))
        yield* closeScope
        assert.strictEqual(reasonOf(yield* connection.closed), "LingerExpired")
        // 64 KiB, what the platform reads at once, and what had been read before.
        assert.isBelow(socket.bytesRead, 1_000_000)
      })))

    it.live("ends a suspended receive with ConnectionClosed", () =>
      bounded(Effect.gen(function*() {
        const { closeScope, connection, peer } = yield* make()
        const receive = yield* Effect.forkChild(received(connection), { startImmediately: true })
        yield* turn
        yield* Effect.forkChild(closeScope, { startImmediately: true })
        const error = yield* Fiber.join(receive)
        assert(typeof error !== "string")
        assert.strictEqual(error.reason._tag, "ConnectionClosed")
        // Also when the peer's FIN has come: nobody knows what was discarded before it.
        yield* peer.end
        yield* connection.closed
        const after = yield* received(connection)
        assert(typeof after !== "string")
        assert.strictEqual(after.reason._tag, "ConnectionClosed")
      })))

    it.live("what arrived before is still delivered", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        yield* peer.write("one")
        assert.strictEqual(yield* received(connection), "one")
        yield* peer.write("two")
        yield* eventually(() => peer.socket.bytesWritten === 6 && peer.socket.writableLength === 0)
        yield* turn
        yield* Effect.forkChild(connection.close({ linger: 0 }), { startImmediately: true })
        assert.strictEqual(yield* received(connection), "two")
        assert.isNotString(yield* received(connection))
      })))

    it.live("joins: every caller gets the same reason", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make({ linger: "1 hour" })
        const closes = yield* Effect.forEach(
          [connection.close(), connection.close({ linger: 0 }), connection.closed],
          (effect) => Effect.forkChild(effect, { startImmediately: true })
        )
        yield* turn
        yield* peer.end
        const reasons = yield* Fiber.joinAll(closes)
        const late = [yield* connection.closed, yield* connection.close(), yield* connection.abort]
        for (const reason of [...reasons, ...late]) {
          assert.strictEqual(reason, reasons[0])
        }
        assert.strictEqual(reasonOf(reasons[0]!), "Graceful by self")
        assert.deepStrictEqual(yield* connection.state, { _tag: "Closed", reason: reasons[0]! })
      })))

    it.live("with unread bytes does not lose the reply that we sent", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make({ linger: "1 hour" })
        yield* peer.write("a request that nobody reads")
        yield* eventually(() => peer.socket.writableLength === 0)
        yield* connection.send(bytes("reply"))
        const close = yield* Effect.forkChild(connection.close(), { startImmediately: true })
        assert.strictEqual(yield* peer.ended, "FIN")
        assert.strictEqual(peer.text(), "reply")
        yield* peer.end
        assert.strictEqual(reasonOf(yield* Fiber.join(close)), "Graceful by self")
      })))

    it.live("of linger 0 does not wait, and the kernel still delivers", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make({ linger: "1 hour" })
        yield* connection.send(bytes("last words"))
        assert.strictEqual(reasonOf(yield* connection.close({ linger: 0 })), "LingerExpired")
        assert.strictEqual(yield* peer.ended, "FIN")
        assert.strictEqual(peer.text(), "last words")
      })))

    it.live("of linger 0 after the peer's FIN is graceful: there is nobody to wait for", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        yield* peer.end
        assert.strictEqual(yield* received(connection), "end")
        assert.strictEqual(reasonOf(yield* connection.close({ linger: 0 })), "Graceful by peer")
        assert.strictEqual(yield* peer.ended, "FIN")
      })))

    for (const linger of ["10000 days", "Infinity"] as const) {
      it.live(`of linger ${linger} is not over at once`, () =>
        bounded(Effect.gen(function*() {
          const { connection, peer } = yield* make({ linger })
          const close = yield* Effect.forkChild(connection.close(), { startImmediately: true })
          assert.strictEqual(yield* peer.ended, "FIN")
          assert.strictEqual((yield* Effect.timeoutOption(Fiber.join(close), "30 millis"))._tag, "None")
          yield* peer.end
          assert.strictEqual(reasonOf(yield* Fiber.join(close)), "Graceful by self")
        })))
    }

    it.live("after the peer's RST is over, with that reason", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make({ linger: "1 hour" })
        yield* peer.reset
        assert.isNotString(yield* received(connection))
        assert.strictEqual(reasonOf(yield* connection.close()), "Failed")
      })))

    it.live("that finds a RST nobody has seen ends with it", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make({ linger: "1 hour" })
        yield* peer.reset
        yield* eventually(() => peer.socket.closed)
        assert.strictEqual(reasonOf(yield* connection.close()), "Failed")
      })))

    it.live("that the peer answers with RST ends with it", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make({ linger: "1 hour" })
        const close = yield* Effect.forkChild(connection.close(), { startImmediately: true })
        assert.strictEqual(yield* peer.ended, "FIN")
        yield* peer.reset
        assert.strictEqual(reasonOf(yield* Fiber.join(close)), "Failed")
      })))
  })

  describe(`abort (${way})`, () => {
    const before: Record<string, (pair: Effect.Success<ReturnType<typeof make>>) => Effect.Effect<unknown, unknown>> = {
      "an idle connection": () => Effect.void,
      "a send that waits": ({ connection }) =>
        Effect.forkDetach(Effect.exit(connection.send(large)), { startImmediately: true }),
      "a suspended receive": ({ connection }) =>
        Effect.forkDetach(Effect.exit(connection.receive), { startImmediately: true }),
      "shutdownWrite": ({ connection }) => connection.shutdownWrite,
      // libuv refuses RST while shutdown(2) is under way, and node:net then forgets the descriptor.
      "shutdownWrite in the same turn": ({ connection }) =>
        Effect.forkDetach(Effect.exit(connection.shutdownWrite), { startImmediately: true }),
      "close in the same turn": ({ connection }) =>
        Effect.forkDetach(connection.close({ linger: "1 hour" }), { startImmediately: true }),
      "close": ({ connection, peer }) =>
        Effect.andThen(
          Effect.forkDetach(connection.close({ linger: "1 hour" }), { startImmediately: true }),
          peer.ended
        )
    }
    // Who has read FIN reads no more: RST is seen by what it sends.
    const sendsAgain = ({ peer }: Effect.Success<ReturnType<typeof make>>) =>
      Effect.forever(Effect.andThen(peer.write("x"), turn))
    for (const [name, prepare] of Object.entries(before)) {
      it.live(`${name}: at once, and the peer is told`, () =>
        bounded(Effect.gen(function*() {
          const pair = yield* make({ reads: name !== "a send that waits", linger: "1 hour" })
          const { connection, peer, socket } = pair
          const error = Effect.callback<string | undefined>((resume) => {
            peer.socket.once("error", (error: NodeJS.ErrnoException) => resume(Effect.succeed(error.code)))
          })
          const told = yield* Effect.forkChild(error, { startImmediately: true })
          yield* prepare(pair)
          assert.strictEqual(reasonOf(yield* connection.abort), "Aborted")
          assert.isTrue(socket.closed)
          yield* peer.read
          if (/shutdownWrite|close/.test(name)) {
            yield* peer.ended
            yield* Effect.forkScoped(sendsAgain(pair))
            assert.strictEqual(yield* Fiber.join(told), "EPIPE")
          } else {
            assert.strictEqual(yield* Fiber.join(told), "ECONNRESET")
          }
          assert.strictEqual(reasonOf(yield* connection.closed), "Aborted")
          assert.isNotString(yield* received(connection))
        })), name === "a send that waits" ? tellsRstAfterBytes : {})
    }

    it.live("frees the descriptor, also in the turn of shutdownWrite or close", () =>
      bounded(Effect.gen(function*() {
        const open = descriptors()
        for (const first of ["shutdownWrite", "close", "abort"] as const) {
          yield* Effect.scoped(Effect.gen(function*() {
            const { connection } = yield* make()
            yield* Effect.all([
              first === "close" ? connection.close() : Effect.exit(connection[first]),
              connection.abort
            ], {
              concurrency: "unbounded"
            })
          }))
        }
        yield* eventually(() => descriptors() <= open)
      })))
  })
}

describe("interrupting connect", () => {
  it.live("frees the socket while the SYN is not answered", () =>
    bounded(Effect.gen(function*() {
      const blocked = yield* Blocked.listener
      yield* Raw.connect(blocked)
      yield* Raw.connect(blocked)
      const seen = yield* sockets
      const open = descriptors()
      const connect = yield* Effect.forkChild(Effect.scoped(Transport.connect(blocked)), { startImmediately: true })
      yield* turn
      assert.strictEqual(descriptors(), open + 1)
      yield* Fiber.interrupt(connect)
      assert.isTrue(seen.at(-1)!.destroyed)
      yield* eventually(() => descriptors() <= open)
    })))

  it.live("frees the socket while the name resolves", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Raw.listen()
      const port = "port" in server.address ? server.address.port : 0
      const open = descriptors()
      const connect = yield* Effect.forkChild(Effect.scoped(Transport.connect({ host: "localhost", port })), {
        startImmediately: true
      })
      yield* Fiber.interrupt(connect)
      yield* eventually(() => descriptors() <= open)
    })))

  it.live("a deadline frees it too", () =>
    bounded(Effect.gen(function*() {
      const blocked = yield* Blocked.listener
      yield* Raw.connect(blocked)
      yield* Raw.connect(blocked)
      const open = descriptors()
      yield* failure(Effect.scoped(Transport.connect(blocked, { timeout: "20 millis" })))
      yield* eventually(() => descriptors() <= open)
    })))

  it.live("the scope closes the connection that connect made", () =>
    bounded(Effect.gen(function*() {
      const { connection, closeScope, peer } = yield* dialled({ linger: "1 hour" })
      const closing = yield* Effect.forkChild(closeScope, { startImmediately: true })
      assert.strictEqual(yield* peer.ended, "FIN")
      yield* peer.end
      yield* Fiber.join(closing)
      assert.strictEqual(reasonOf(yield* connection.closed), "Graceful by self")
    })))
})
