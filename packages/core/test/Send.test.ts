import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { bothWays, bounded, bytes, dialled, eventually, failure, type Pair, turn } from "./support/index.ts"
import { writesOf } from "./support/writes.ts"

/** More than the kernel's buffers of both ends take. */
const large = new Uint8Array(20_000_000)
const one = new Uint8Array(1)

describe("every send settles", () => {
  const ends: Record<string, (pair: Pair) => Effect.Effect<unknown, unknown>> = {
    "the peer's RST": ({ connection, peer }) => Effect.andThen(peer.reset, Effect.exit(connection.receive)),
    "the peer's RST that nobody has seen": ({ peer }) => Effect.andThen(peer.reset, turn),
    "the peer's FIN and RST": ({ connection, peer }) =>
      Effect.sync(() => peer.socket.destroy()).pipe(
        Effect.andThen(Effect.exit(connection.receive)),
        Effect.andThen(connection.send(one)),
        Effect.andThen(turn)
      ),
    "our close": ({ connection, peer }) => Effect.andThen(peer.end, connection.close()),
    "our close without waiting for it": ({ connection }) => Effect.forkDetach(connection.close({ linger: 0 })),
    "our abort": ({ connection }) => connection.abort,
    "our abort without waiting for it": ({ connection }) => Effect.forkDetach(connection.abort),
    "our scope": ({ closeScope, peer }) => Effect.andThen(peer.end, closeScope),
    "our FIN": ({ connection }) => connection.shutdownWrite,
    "our FIN without waiting for it": ({ connection }) => Effect.forkDetach(connection.shutdownWrite)
  }
  for (const [way, make] of Object.entries(bothWays)) {
    for (const [name, end] of Object.entries(ends)) {
      it.live(`after ${name} (${way})`, () =>
        bounded(Effect.gen(function*() {
          const pair = yield* make()
          yield* end(pair)
          const { connection } = pair
          // The first can still find room in the kernel; then each one fails, also of many at once.
          yield* Effect.exit(connection.send(one))
          yield* eventually(() => !pair.socket.writable)
          const exits = yield* Effect.forEach(
            [connection.send(one), connection.sendAll([one, one]), connection.send(large), connection.sendAll([])],
            Effect.exit,
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(exits.map(Exit.isFailure), [true, true, true, true])
        })))
    }
  }

  const interruptions: Record<string, readonly [reason: string, (pair: Pair) => Effect.Effect<unknown>]> = {
    "abort": ["ConnectionClosed", ({ connection }) => connection.abort],
    "close": ["ConnectionClosed", ({ connection }) => connection.close({ linger: "20 millis" })],
    "close that does not wait": ["ConnectionClosed", ({ connection }) => connection.close({ linger: 0 })],
    "the end of the scope": ["ConnectionClosed", ({ closeScope }) => closeScope],
    "the peer's RST": ["ConnectionReset", ({ peer }) => peer.reset]
  }
  for (const [way, make] of Object.entries(bothWays)) {
    for (const [name, [reason, interrupt]] of Object.entries(interruptions)) {
      it.live(`that waits for a peer that never reads, by ${name} (${way})`, () =>
        bounded(Effect.gen(function*() {
          const pair = yield* make({ reads: false, linger: "20 millis", maxWriteBuffer: 1e9 })
          const sends = yield* Effect.forEach(
            [pair.connection.send(large), pair.connection.sendAll([one, large]), pair.connection.send(one)],
            (send) => Effect.forkChild(failure(send), { startImmediately: true })
          )
          yield* turn
          for (const send of sends) assert.isUndefined(send.pollUnsafe())
          yield* interrupt(pair)
          const errors = yield* Fiber.joinAll(sends)
          assert.deepStrictEqual(errors.map((error) => error.reason._tag), [reason, reason, reason])
        })))
    }
  }

  it.live("that follows a failed one at once, in the same turn", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer } = yield* dialled({ reads: false })
      const sending = Effect.flatMap(failure(connection.send(large)), (first) =>
        Effect.map(failure(connection.send(one)), (second) => [first.reason._tag, second.reason._tag]))
      const fiber = yield* Effect.forkChild(sending, { startImmediately: true })
      yield* peer.reset
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["ConnectionReset", "ConnectionReset"])
    })))

  it.live("what waits is sent before close sends FIN", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer } = yield* dialled({ reads: false })
      const send = yield* Effect.forkChild(connection.send(large), { startImmediately: true })
      const close = yield* Effect.forkChild(connection.close(), { startImmediately: true })
      yield* peer.read
      yield* peer.end
      yield* Fiber.join(send)
      assert.deepStrictEqual((yield* Fiber.join(close))._tag, "Graceful")
      yield* peer.receivedBytes(large.length)
      assert.strictEqual(yield* peer.ended, "FIN")
      assert.strictEqual(peer.size(), large.length)
    })))
})

describe("refusals", () => {
  const table: Record<string, readonly [string, (pair: Pair) => Effect.Effect<unknown, unknown>]> = {
    "shutdownWrite": ["WriteSideClosed", ({ connection }) => connection.shutdownWrite],
    "shutdownWrite that nobody waits for": [
      "WriteSideClosed",
      ({ connection }) => Effect.forkDetach(connection.shutdownWrite, { startImmediately: true })
    ],
    "both FINs, ours by shutdownWrite": [
      "WriteSideClosed",
      ({ connection, peer }) =>
        Effect.andThen(
          Effect.andThen(connection.shutdownWrite, peer.end),
          Effect.andThen(Effect.exit(connection.receive), connection.closed)
        )
    ],
    "close": ["ConnectionClosed", ({ connection }) => connection.close({ linger: 0 })],
    "shutdownWrite and close": [
      "ConnectionClosed",
      ({ connection }) => Effect.andThen(connection.shutdownWrite, connection.close({ linger: 0 }))
    ],
    "shutdownWrite and abort": [
      "ConnectionClosed",
      ({ connection }) => Effect.andThen(connection.shutdownWrite, connection.abort)
    ],
    "abort": ["ConnectionClosed", ({ connection }) => connection.abort]
  }
  for (const [name, [expected, before]] of Object.entries(table)) {
    it.live(`after ${name}: ${expected}`, () =>
      bounded(Effect.gen(function*() {
        const pair = yield* dialled()
        yield* before(pair)
        assert.strictEqual((yield* failure(pair.connection.send(one))).reason._tag, expected)
      })))
  }

  it.live("WriteBufferExceeded: while more than the limit waits, and then no longer", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer, socket } = yield* dialled({ reads: false, maxWriteBuffer: 1000 })
      const send = yield* Effect.forkChild(connection.send(large), { startImmediately: true })
      const error = yield* failure(connection.send(one))
      assert(error.reason._tag === "WriteBufferExceeded")
      assert.strictEqual(error.retry, "after-backoff")
      assert.deepInclude(error.reason, { waiting: socket.writableLength, limit: 1000 })
      assert.strictEqual(error.reason.message, `${socket.writableLength} bytes wait to be sent, 1000 are allowed`)
      yield* peer.read
      yield* Fiber.join(send)
      yield* connection.send(one)
      yield* peer.receivedBytes(large.length + 1)
    })))

  it.live("exactly the limit may wait", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer } = yield* dialled({ reads: false, maxWriteBuffer: large.length })
      const sends = [yield* Effect.forkChild(connection.send(large), { startImmediately: true })]
      sends.push(yield* Effect.forkChild(connection.send(one), { startImmediately: true }))
      assert.strictEqual((yield* failure(connection.send(one))).reason._tag, "WriteBufferExceeded")
      yield* peer.read
      yield* Fiber.joinAll(sends)
      yield* peer.receivedBytes(large.length + 1)
      assert.strictEqual(peer.size(), large.length + 1)
    })))
})

describe("one write a batch", () => {
  for (const [way, make] of Object.entries(bothWays)) {
    it.live(`sendAll of many chunks is one write to the platform (${way})`, () =>
      bounded(Effect.gen(function*() {
        const { connection, peer, socket } = yield* make()
        const log = writesOf(socket)
        const chunks = Array.from({ length: 100 }, (_, index) => bytes(`${index} `))
        yield* connection.sendAll(chunks)
        const text = String(Buffer.concat(chunks))
        assert.deepStrictEqual(log, [text.length])
        assert.strictEqual(yield* peer.receivedBytes(text.length), text)
        yield* connection.send(bytes("one"))
        yield* connection.sendAll([bytes("two")])
        assert.deepStrictEqual(log, [text.length, 3, 3])
      })))
  }

  it.live("small chunks go out as one piece, and large ones between them as they are", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer, socket } = yield* dialled()
      const pieces: Array<Uint8Array> = []
      const write = socket.write.bind(socket)
      Object.assign(socket, {
        write: (piece: Uint8Array, ...rest: []) => {
          pieces.push(piece)
          return write(piece, ...rest)
        }
      })
      const small = Array.from({ length: 100 }, (_, index) => bytes(`${index} `))
      const text = String(Buffer.concat(small))
      const body = new Uint8Array(4096).fill(0x21)
      yield* connection.sendAll([...small, body, ...small])
      assert.deepStrictEqual(pieces.map(({ length }) => length), [text.length, 4096, text.length])
      assert.strictEqual(pieces[1], body)
      assert.strictEqual(yield* peer.receivedBytes(2 * text.length + 4096), text + "!".repeat(4096) + text)
    })))

  it.live("what waits stays as it is, whatever is sent beside it", () =>
    bounded(Effect.gen(function*() {
      const pairs = yield* Effect.forEach([1, 2, 3], () => dialled({ reads: false, maxWriteBuffer: 1e9 }))
      const expected = pairs.map(() => "")
      // Until the kernel takes no more: then each of these waits, and others take their turns.
      for (const { connection } of pairs) yield* Effect.forkChild(connection.send(large), { startImmediately: true })
      for (let round = 0; round < 500; round++) {
        for (const [index, { connection }] of pairs.entries()) {
          const chunks = [`${round}`.repeat(500), ".", `${index}`.repeat(700)]
          expected[index] += chunks.join("")
          yield* Effect.forkChild(connection.sendAll(chunks.map(bytes)), { startImmediately: true })
        }
      }
      for (const [index, { peer }] of pairs.entries()) {
        yield* peer.read
        yield* peer.receivedBytes(large.length + expected[index]!.length)
        assert.isTrue(peer.text().slice(large.length) === expected[index])
      }
    })))

  it.live("batches that wait go out in order, by one write", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer, socket } = yield* dialled({ reads: false, maxWriteBuffer: 1e9 })
      const log = writesOf(socket)
      const sends = [yield* Effect.forkChild(connection.send(large), { startImmediately: true })]
      for (let i = 0; i < 10; i++) {
        sends.push(
          yield* Effect.forkChild(connection.sendAll([bytes(`${i}`), bytes(".")]), { startImmediately: true })
        )
      }
      yield* peer.read
      yield* Fiber.joinAll(sends)
      yield* peer.receivedBytes(large.length + 20)
      assert.strictEqual(peer.text().slice(large.length), "0.1.2.3.4.5.6.7.8.9.")
      assert.deepStrictEqual(log, [large.length, 20])
    })))
})

describe("the fast path", () => {
  it.live("what the kernel takes at once does not suspend", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer } = yield* dialled()
      for (const send of [connection.send(bytes("a")), connection.sendAll([bytes("b"), bytes("c")])]) {
        assert.deepStrictEqual(Effect.runSyncExit(send), Exit.void)
      }
      assert.strictEqual(yield* peer.receivedBytes(3), "abc")
    })))

  for (const chunks of [[one], [one, one]]) {
    it.live(`it does not hide a write of ${chunks.length} that fails at once`, () =>
      bounded(Effect.gen(function*() {
        const { connection, peer, socket } = yield* dialled()
        yield* peer.reset
        // The kernel knows of the RST, this process has not looked: the write itself fails.
        yield* eventually(() => peer.socket.closed)
        assert.isTrue(socket.writable)
        const error = yield* failure(connection.sendAll(chunks))
        assert.strictEqual(error.reason._tag, "ConnectionReset")
        assert.strictEqual(error.code, "ECONNRESET")
      })))
  }

  it.live("nothing to send: succeeds at once and writes nothing", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer, socket } = yield* dialled()
      const log = writesOf(socket)
      const empty = new Uint8Array(0)
      for (const chunks of [[], [empty], [empty, empty]]) {
        assert.deepStrictEqual(Effect.runSyncExit(connection.sendAll(chunks)), Exit.void)
      }
      assert.deepStrictEqual(log.filter((size) => size > 0), [])
      yield* connection.sendAll([empty, bytes("a"), empty])
      assert.strictEqual(yield* peer.receivedBytes(1), "a")
    })))

  it.live("nothing to send waits for nothing, and exceeds no limit", () =>
    bounded(Effect.gen(function*() {
      const { connection } = yield* dialled({ reads: false, maxWriteBuffer: 1000 })
      yield* Effect.forkChild(Effect.exit(connection.send(large)), { startImmediately: true })
      assert.strictEqual((yield* failure(connection.send(one))).reason._tag, "WriteBufferExceeded")
      assert.deepStrictEqual(Effect.runSyncExit(connection.sendAll([])), Exit.void)
    })))
})

describe("interruption", () => {
  it.live("stops the waiting, not the sending", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer } = yield* dialled({ reads: false })
      const send = yield* Effect.forkChild(connection.send(large), { startImmediately: true })
      yield* turn
      yield* Fiber.interrupt(send)
      yield* peer.read
      yield* peer.receivedBytes(large.length)
      yield* connection.send(bytes("next"))
      yield* peer.receivedBytes(large.length + 4)
      assert.strictEqual(peer.text().slice(large.length), "next")
    })))
})
