import { assert, describe, it } from "@effect/vitest"
import { Client, Reconnect, type RequestError } from "@framewire/client"
import { Codec, Lines, Protocol } from "@framewire/framing"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { MemoryServer } from "./support/index.ts"

const { fork, inMemory, settle } = MemoryServer

/** Answers until a dot. */
const isLast = (response: string) => response === "."

const byId = Protocol.json({
  framing: Lines.make(),
  request: Schema.String,
  response: Schema.String,
  error: Schema.Int,
  isLast
})

const inOrder = Protocol.inOrder<string, string>({
  call: Codec.transform(
    Codec.text(Lines.make()),
    (request): Protocol.Call<string> => ({ _tag: "Request", id: 0, request }),
    (call: Protocol.Call<string>) => call._tag === "Request" ? call.request : ""
  ),
  reply: Codec.transform(
    Codec.text(Lines.make()),
    (response): Protocol.Reply<string> => ({ _tag: "Response", id: 0, response }),
    () => ""
  ),
  isLast
})

interface Said {
  readonly _tag: string
  readonly id: number
  readonly request?: string
}
const said = (line: string) => JSON.parse(line) as Said
const answers = (id: number, ...responses: ReadonlyArray<string>) =>
  responses.map((response) => JSON.stringify({ _tag: "Response", id, response }))
const range = (count: number) => Array.from({ length: count }, (_, n) => `${n}`)

const known = ({ delivery, reason }: RequestError.RequestError) => `${delivery} ${reason._tag}`

/** What comes before the failure, and the failure. */
const collected = <A, E>(stream: Stream.Stream<A, E>) =>
  Effect.gen(function*() {
    const all: Array<A> = []
    const exit = yield* Effect.exit(Stream.runForEach(stream, (it) => Effect.sync(() => all.push(it))))
    const failed = Exit.isFailure(exit) ? exit.cause.reasons.find((it) => it._tag === "Fail")?.error : undefined
    return [all, failed] as const
  })

describe("Client.requestStream", () => {
  it.effect("by id: each has its own answers, the last one too, however they are mixed; request has the last", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make((line, say) =>
        said(line).id < 3
          ? Effect.void
          : say(...answers(2, "c"), ...answers(1, "a"), ...answers(3, "x"), ...answers(1, "b", "."))
            .pipe(Effect.andThen(say(...answers(3, "."), ...answers(2, "d", "."))))
      )
      const client = yield* Client.connect(byId, server.address)
      const first = yield* fork(collected(client.requestStream("first")))
      const second = yield* fork(collected(client.requestStream("second")))
      assert.strictEqual(yield* client.request("third"), ".")
      assert.deepStrictEqual(yield* Fiber.join(first), [["a", "b", "."], undefined])
      assert.deepStrictEqual(yield* Fiber.join(second), [["c", "d", "."], undefined])
    })))

  it.effect("in order: what is before the last is of the first request, and the next has what follows", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make((line, say) => say(`${line}1`, `${line}2`, "."))
      const client = yield* Client.connect(inOrder, server.address)
      const streams = ["a", "b"].map((it) => Stream.runCollect(client.requestStream(it)))
      assert.deepStrictEqual(
        yield* Effect.all(streams, { concurrency: "unbounded" }),
        [["a1", "a2", "."], ["b1", "b2", "."]]
      )
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(client.requestStream("c"), 1)), ["c1"])
      assert.strictEqual(yield* client.request("d"), ".")
    })))

  it.effect("a stream that is left is cancelled once, and keeps its id until the server is done with it", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make((line, say) => {
        const { _tag, id, request } = said(line)
        if (_tag === "Cancel") return say(...answers(id, "late"), JSON.stringify({ _tag: "Cancelled", id }))
        return say(...answers(id, ...request === "long" ? ["a", "b", "c"] : ["."]))
      })
      const client = yield* Client.connect({ ...byId, maxId: 1 }, server.address)
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(client.requestStream("long"), 2)), ["a", "b"])
      assert.strictEqual(yield* client.request("next"), ".")
      assert.deepStrictEqual(server.log.map(said).map(({ _tag, id }) => [_tag, id]), [
        ["Request", 1],
        ["Cancel", 1],
        ["Request", 1]
      ])
    })))

  it.effect("a failure comes behind the answers before it: the protocol's own, the end of the line", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make((line, say, connection) => {
        const { id, request } = said(line)
        return Effect.andThen(
          say(...answers(id, "a", "b")),
          request === "fails" ? say(JSON.stringify({ _tag: "Failure", id, error: 7 })) : connection.close()
        )
      })
      const client = yield* Client.connect(byId, server.address)
      assert.deepStrictEqual(yield* collected(client.requestStream("fails")), [["a", "b"], 7])
      const [before, error] = yield* collected(client.requestStream("breaks"))
      assert.deepStrictEqual(before, ["a", "b"])
      assert(typeof error === "object")
      assert.strictEqual(known(error), "MaybeSent LineClosed")
      const [none, late] = yield* collected(client.requestStream("late"))
      assert.deepStrictEqual(none, [])
      assert(typeof late === "object")
      assert.strictEqual(known(late), "NotSent LineClosed")
    })))

  it.effect("one that began is never begun again on another line", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make((line, say, connection) =>
        Effect.andThen(say(...answers(said(line).id, "a")), connection.abort)
      )
      const client = yield* Reconnect.make(byId, server.address, { queue: true })
      const [, error] = yield* collected(client.requestStream("x"))
      assert(typeof error === "object")
      assert.strictEqual(error.delivery, "MaybeSent")
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(server.log, 1)
    })))

  it.effect("in order: behind an answer that the codec refuses nobody knows whether another follows: the line ends", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make((line, say, connection) =>
        Effect.andThen(Effect.ignore(connection.send(Uint8Array.of(0xFF, 10))), say(`${line}1`, "."))
      )
      const client = yield* Client.connect(inOrder, server.address)
      const both = yield* client.requestAll(["a", "b"])
      assert.deepStrictEqual(
        both.map((it) => Exit.isFailure(it) && it.cause.reasons.map((it) => it._tag === "Fail" && known(it.error))),
        [["MaybeSent MessageError"], ["MaybeSent MessageError"]]
      )
    })))

  it.effect("an answer of a request that is not in flight ends the line", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make((line, say) => say(...answers(said(line).id + 1, "a")))
      const client = yield* Client.connect(byId, server.address)
      assert.deepStrictEqual((yield* collected(client.requestStream("x")))[0], [])
      assert.strictEqual((yield* client.closed)._tag, "Graceful")
    })))
})

describe("a stream that is not taken", () => {
  const count = 2000

  /** Says all of it, and how far it has come. */
  const flooding = Effect.gen(function*() {
    let progress = 0
    const server = yield* MemoryServer.make((line, say) => {
      const { _tag, id, request } = said(line)
      // It is done before it hears of it.
      if (_tag === "Cancel") return Effect.void
      if (request !== "flood") return say(...answers(id, "."))
      return Effect.andThen(
        Effect.forEach(range(count), (n) => Effect.andThen(say(...answers(id, n)), Effect.sync(() => progress++))),
        say(...answers(id, "."))
      )
    })
    return { server, progress: () => progress }
  })

  it.effect("holds the server back, within bounds, and loses nothing", () =>
    inMemory(
      Effect.gen(function*() {
        const { progress, server } = yield* flooding
        const client = yield* Client.connect(byId, server.address, { maxStreamed: 10, readBuffer: 256 })
        const taken: Array<string> = []
        let may = 1
        const taking = yield* fork(Stream.runForEach(client.requestStream("flood"), (it) =>
          Effect.andThen(
            Effect.sync(() => taken.push(it)),
            Effect.suspend(() => taken.length >= may ? Effect.sleep("1 seconds") : Effect.void)
          )))
        yield* settle
        const before = progress()
        // What one batch of the client may hold, and what is on its way: 256 bytes each side, some 40 to an answer.
        assert.isBelow(before, 60)
        yield* TestClock.adjust("5 seconds")
        assert.isBelow(progress(), before + 60)
        may = Number.POSITIVE_INFINITY
        yield* TestClock.adjust("1 seconds")
        yield* Fiber.join(taking)
        assert.deepStrictEqual(taken, [...range(count), "."])
        assert.strictEqual(yield* client.request("then"), ".")
      }),
      { buffer: 256 }
    ))

  it.effect("holds the others up for no longer than a request may take, and its peer is not taken for dead", () =>
    inMemory(
      Effect.gen(function*() {
        const { server } = yield* flooding
        const client = yield* Client.connect(byId, server.address, {
          maxStreamed: 10,
          readBuffer: 256,
          requestTimeout: "10 seconds",
          heartbeat: { ping: "ping", interval: "1 seconds" }
        })
        const taking = Latch.makeUnsafe(false)
        const slow = yield* fork(
          Effect.flip(Stream.runForEach(client.requestStream("flood"), () => taking.await))
        )
        yield* settle
        yield* TestClock.adjust("5 seconds")
        const waits = yield* fork(client.request("waits"))
        yield* TestClock.adjust("4 seconds")
        assert.isUndefined(waits.pollUnsafe())
        yield* TestClock.adjust("1 seconds")
        yield* settle
        assert.strictEqual(yield* Fiber.join(waits), ".")
        // What had come before it is given first.
        yield* taking.open
        const error = yield* Fiber.join(slow)
        assert(typeof error === "object")
        assert.strictEqual(known(error), "Answered AnswersUnread")
        assert.strictEqual(yield* client.request("still"), ".")
      }),
      { buffer: 256 }
    ))

  it.effect("one by one all the time does not fail, however long each takes", () =>
    inMemory(
      Effect.gen(function*() {
        const all = [...range(200), "."]
        const server = yield* MemoryServer.make((line, say) => say(...answers(said(line).id, ...all)))
        const client = yield* Client.connect(byId, server.address, { requestTimeout: "10 seconds", maxStreamed: 20 })
        const slow = Stream.tap(client.requestStream("rows"), () => Effect.sleep("4 seconds"))
        const taking = yield* fork(collected(slow))
        for (let n = 0; n <= all.length; n++) {
          yield* TestClock.adjust("4 seconds")
          yield* settle
        }
        assert.deepStrictEqual(yield* Fiber.join(taking), [all, undefined])
      })
    ))

  it.effect("a server that stops in the middle is waited for from its last answer on", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make((line, say) => {
        const { _tag, id } = said(line)
        if (_tag === "Cancel") return Effect.void
        return say(...answers(id, "a")).pipe(
          Effect.andThen(Effect.delay(say(...answers(id, "b")), "9 seconds")),
          Effect.andThen(Effect.delay(say(...answers(id, "c")), "9 seconds"))
        )
      })
      const client = yield* Client.connect(byId, server.address, { requestTimeout: "10 seconds" })
      const taking = yield* fork(collected(client.requestStream("x")))
      yield* settle
      yield* TestClock.adjust("9 seconds")
      yield* TestClock.adjust("9 seconds")
      yield* TestClock.adjust("9999 millis")
      assert.isUndefined(taking.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const [before, error] = yield* Fiber.join(taking)
      assert.deepStrictEqual(before, ["a", "b", "c"])
      assert(typeof error === "object")
      assert.strictEqual(known(error), "MaybeSent RequestTimedOut")
    })))
})
