// What a server says of its own, faster than it is taken.
import { assert, describe, it } from "@effect/vitest"
import { Client, Pool, type RequestError } from "@framewire/client"
import { NodeTransport } from "@framewire/core/node"
import { Lines, Protocol } from "@framewire/framing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { bounded, MemoryServer, RawServer } from "./support/index.ts"

const { fork, inMemory, settle } = MemoryServer

const protocol = Protocol.json({
  framing: Lines.make(),
  request: Schema.String,
  response: Schema.String,
  push: Schema.Int
})

interface Said {
  readonly id: number
  readonly request?: string
}
const said = (line: string) => JSON.parse(line) as Said
const range = (count: number) => Array.from({ length: count }, (_, n) => n)
const push = (push: number) => JSON.stringify({ _tag: "Push", push })
const known = ({ delivery, reason }: RequestError.RequestError) => `${delivery} ${reason._tag}`

const count = 2000

/** Answers `flood` with as many pushes first, and says how far it has come. */
const flooding = Effect.gen(function*() {
  let progress = 0
  const server = yield* MemoryServer.make((line, say) => {
    const { id, request } = said(line)
    const answer = say(JSON.stringify({ _tag: "Response", id, response: "." }))
    if (request !== "flood") return answer
    const all = Effect.forEach(range(count), (n) => Effect.andThen(say(push(n)), Effect.sync(() => progress++)))
    return Effect.andThen(all, answer)
  })
  return { server, progress: () => progress }
})

describe("pushes", () => {
  for (const burst of [50, 800, 5000]) {
    it.live(`100,000 in bursts of ${burst} reach a consumer that does nothing else, over TCP`, () =>
      bounded(
        Effect.gen(function*() {
          const total = 100_000
          const batch = (nth: number) => range(burst).map((n) => `${push(nth * burst + n)}\n`).join("")
          const server = yield* RawServer.make({
            onConnection: (socket) => {
              let nth = 0
              const write = () => {
                while (nth < total / burst && socket.write(batch(nth++)));
                if (nth === total / burst) socket.end()
              }
              socket.on("drain", write)
              write()
            }
          })
          const client = yield* Client.connect(protocol, server.address)
          const taken = yield* Stream.runCollect(client.pushes)
          assert.deepStrictEqual(taken, range(total))
        }).pipe(Effect.provide(NodeTransport.layer))
      ))
  }

  it.effect("that are taken slowly hold the server back, within bounds, and none is lost", () =>
    inMemory(
      Effect.gen(function*() {
        const { progress, server } = yield* flooding
        const client = yield* Client.connect(protocol, server.address, { maxPushes: 10, readBuffer: 256 })
        const taken: Array<number> = []
        let may = 1
        const taking = yield* fork(Stream.runForEach(client.pushes, (it) =>
          Effect.andThen(
            Effect.sync(() => taken.push(it)),
            Effect.suspend(() => taken.length >= may ? Effect.sleep("1 seconds") : Effect.void)
          )))
        const asking = yield* fork(client.request("flood"))
        yield* settle
        const before = progress()
        assert.isBelow(before, 60)
        yield* TestClock.adjust("5 seconds")
        assert.isBelow(progress(), before + 60)
        may = Number.POSITIVE_INFINITY
        yield* TestClock.adjust("1 seconds")
        assert.strictEqual(yield* Fiber.join(asking), ".")
        yield* client.drain
        yield* Fiber.join(taking)
        assert.deepStrictEqual(taken, range(count))
      }),
      { buffer: 256 }
    ))

  it.effect("that a consumer does not take for all of requestTimeout end the line, and its peer is not taken for dead", () =>
    inMemory(
      Effect.gen(function*() {
        const { server } = yield* flooding
        const client = yield* Client.connect(protocol, server.address, {
          maxPushes: 10,
          readBuffer: 256,
          requestTimeout: "10 seconds",
          heartbeat: { ping: "ping", interval: "1 seconds" }
        })
        const never = yield* Latch.make(false)
        yield* fork(Stream.runForEach(client.pushes, () => never.await))
        yield* settle
        // What is asked later than it came to a stand has its own time.
        const asking = yield* fork(Effect.flip(client.request("flood")))
        yield* settle
        yield* TestClock.adjust("5 seconds")
        const later = yield* fork(Effect.flip(client.request("later")))
        yield* settle
        yield* TestClock.adjust("4999 millis")
        assert.isUndefined(asking.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        yield* settle
        assert.strictEqual(known(yield* Fiber.join(later)), "MaybeSent PushesUnread")
        assert.match(known(yield* Fiber.join(asking)), /^MaybeSent (PushesUnread|RequestTimedOut)$/)
      }),
      { buffer: 256 }
    ))

  it.effect("that are taken one by one all the time are never too many, however long each takes", () =>
    inMemory(
      Effect.gen(function*() {
        const { server } = yield* flooding
        const client = yield* Client.connect(protocol, server.address, {
          maxPushes: 20,
          requestTimeout: "10 seconds",
          heartbeat: { ping: "ping", interval: "1 seconds" }
        })
        let taken = 0
        yield* fork(Stream.runForEach(client.pushes, () =>
          Effect.andThen(
            Effect.sync(() => taken++),
            Effect.sleep("4 seconds")
          )))
        yield* client.send("flood")
        for (let n = 0; n < 100; n++) {
          yield* TestClock.adjust("4 seconds")
          yield* settle
        }
        assert.strictEqual(taken, 100)
      }),
      { buffer: 256 }
    ))

  it.effect("that a consumer leaves behind are there for the next one, and for those beside it", () =>
    inMemory(
      Effect.gen(function*() {
        const { server } = yield* flooding
        const client = yield* Client.connect(protocol, server.address, { maxPushes: count })
        yield* client.request("flood")
        assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(client.pushes, 3)), [0, 1, 2])
        const never = yield* Latch.make(false)
        const busy = yield* fork(Stream.runForEach(client.pushes, () => never.await))
        assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(client.pushes, 2)), [4, 5])
        yield* Fiber.interrupt(busy)
        assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(client.pushes, 2)), [6, 7])
      })
    ))

  it.effect("whose consumer leaves do not hold up the line, and end it once there are too many", () =>
    inMemory(
      Effect.gen(function*() {
        const { server } = yield* flooding
        const client = yield* Client.connect(protocol, server.address, { maxPushes: 10, readBuffer: 256 })
        const never = yield* Latch.make(false)
        const taking = yield* fork(Stream.runForEach(client.pushes, () => never.await))
        const asking = yield* fork(Effect.flip(client.request("flood")))
        yield* settle
        assert.isUndefined(asking.pollUnsafe())
        yield* Fiber.interrupt(taking)
        yield* settle
        assert.strictEqual(known(yield* Fiber.join(asking)), "MaybeSent PushesUnread")
      }),
      { buffer: 256 }
    ))

  it.effect("of several lines share their bound, and each line goes on when one is taken", () =>
    inMemory(
      Effect.gen(function*() {
        const { progress, server } = yield* flooding
        const client = yield* Pool.make(protocol, server.address, {
          size: 2,
          minSize: 2,
          maxPushes: 10,
          readBuffer: 256
        })
        const taken: Array<number> = []
        const may = yield* Latch.make(false)
        const taking = yield* fork(
          Stream.runForEach(client.pushes, (it) => Effect.andThen(may.await, Effect.sync(() => taken.push(it))))
        )
        yield* settle
        const asking = yield* fork(
          Effect.all([client.request("flood"), client.request("flood")], { concurrency: "unbounded" })
        )
        yield* settle
        assert.lengthOf(server.connections, 2)
        assert.isBelow(progress(), 120)
        yield* may.open
        assert.deepStrictEqual(yield* Fiber.join(asking), [".", "."])
        yield* client.drain
        yield* Fiber.join(taking)
        assert.deepStrictEqual(taken.toSorted((a, b) => a - b), range(count).flatMap((n) => [n, n]))
      }),
      { buffer: 256 }
    ))
})
