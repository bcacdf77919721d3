// Who observes a connection is told what passes it, on every way of receiving and sending, and changes nothing.
import { assert, describe, it } from "@effect/vitest"
import { type Connection, Delegate } from "@framewire/core"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { capricious } from "../../../tests/support/Capricious.ts"
import { bothWays, bounded, eventually, failure, receiveAll } from "./support/index.ts"

const text = (chunks: ReadonlyArray<Uint8Array>) => String(Buffer.concat(chunks))

const observed = (connection: Connection.Connection) => {
  const told: Array<string> = []
  const delegate = Delegate.observe(connection, {
    received: (batch) => told.push(`received ${text(batch)}`),
    sent: (chunks) => told.push(`sent ${text(chunks)}`),
    ended: () => told.push("ended"),
    failed: (error) => told.push(`failed ${error.reason._tag}`)
  })
  return { delegate, told }
}

/** Everything that comes, and how it ended. */
const each = (way: Connection.Each) =>
  Effect.suspend(() => {
    let got = ""
    return Effect.match(
      way((batch) => {
        got += text(batch)
        return Effect.void
      }),
      { onSuccess: () => ({ text: got, end: "end" }), onFailure: (error) => ({ text: got, end: error.reason._tag }) }
    )
  })

const ways = {
  receive: (connection: Connection.Connection) => receiveAll(connection),
  receiveEach: (connection: Connection.Connection) => each(connection.receiveEach),
  lendEach: (connection: Connection.Connection) => each(connection.lendEach)
}

for (const [side, make] of Object.entries(bothWays)) {
  for (const [way, receive] of Object.entries(ways)) {
    describe(`observe ${way} (${side})`, () => {
      it.live("bytes and the peer's FIN", () =>
        bounded(Effect.gen(function*() {
          const { connection, peer } = yield* make()
          const { delegate, told } = observed(connection)
          yield* peer.write("words")
          yield* peer.end
          assert.deepStrictEqual(yield* receive(delegate), { text: "words", end: "end" })
          assert.deepStrictEqual(told, ["received words", "ended"])
        })))

      it.live("bytes and the peer's RST", () =>
        bounded(Effect.gen(function*() {
          const { connection, peer } = yield* make()
          const { delegate, told } = observed(connection)
          const receiving = yield* Effect.forkChild(receive(delegate))
          yield* peer.write("words")
          yield* eventually(() => told.length === 1)
          yield* peer.reset
          assert.deepStrictEqual(yield* Fiber.join(receiving), { text: "words", end: "ConnectionReset" })
          assert.deepStrictEqual(told, ["received words", "failed ConnectionReset"])
        })))
    })
  }

  describe(`observe (${side})`, () => {
    it.live("what is sent, by each way to send", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        const { delegate, told } = observed(connection)
        yield* delegate.send(Buffer.from("a"))
        yield* delegate.sendAll([Buffer.from("b"), Buffer.from("c")])
        yield* delegate.sendAllUnsafe([Buffer.from("d")])
        assert.strictEqual(yield* peer.receivedBytes(4), "abcd")
        assert.deepStrictEqual(told, ["sent a", "sent bc", "sent d"])
      })))

    it.live("a handler's failure is not the connection's", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        const { delegate, told } = observed(connection)
        yield* peer.write("words")
        assert.strictEqual(yield* Effect.flip(delegate.receiveEach(() => Effect.fail("mine"))), "mine")
        assert.deepStrictEqual(told, ["received words"])
      })))

    it.live("is for one side: what is done with the connection itself is not told", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make()
        const { delegate, told } = observed(connection)
        yield* connection.send(Buffer.from("x"))
        assert.strictEqual(yield* peer.receivedBytes(1), "x")
        yield* delegate.abort
        assert.strictEqual((yield* failure(delegate.send(Buffer.from("y")))).reason._tag, "ConnectionClosed")
        assert.deepStrictEqual(told, ["sent y"])
      })))

    it.live("wherever the runtime yields, what was told was received", () =>
      bounded(
        Effect.gen(function*() {
          for (let seed = 0; seed < 50; seed++) {
            const { connection, peer } = yield* make()
            const { delegate, told } = observed(connection)
            yield* peer.write("words")
            yield* peer.end
            const { text } = yield* receiveAll(delegate).pipe(capricious(seed))
            assert.strictEqual(text, "words")
            assert.strictEqual(told.at(-1), "ended")
          }
        }).pipe(Effect.scoped)
      ))
  })
}
