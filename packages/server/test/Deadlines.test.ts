import { assert, describe, it } from "@effect/vitest"
import { type Connection, Transport } from "@framewire/core"
import { MemoryTransport } from "@framewire/core/testing"
import { type Codec, Framed } from "@framewire/framing"
import { Broadcast, Deadlines, type Handler, ProxyProtocol, Server } from "@framewire/server"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Turns from "../../../tests/support/Turns.ts"
import { bounded, eventually, lines, options, RawClient } from "./support/index.ts"

const inMemory = <A, E>(body: Effect.Effect<A, E, Scope.Scope | Transport.Transport>) =>
  Effect.scoped(body).pipe(Effect.provide(MemoryTransport.layer()))

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const line: Codec.Codec<string> = lines.server

/** Answers lines, and says how many it took: what a handler does that wants all deadlines. */
const echo =
  (answer: (text: string) => Effect.Effect<string> = Effect.succeed) => (connection: Connection.Connection) =>
    Effect.gen(function*() {
      const progress = yield* Deadlines.Progress
      const framed = Framed.make(connection, line)
      let pending = 0
      // Of a codec of lines: what stands behind the last one.
      const count = (chunks: ReadonlyArray<Uint8Array>) => {
        let frames = 0
        for (const chunk of chunks) {
          for (const byte of chunk) {
            pending = byte === 10 ? 0 : pending + 1
            if (byte === 10) frames++
          }
        }
        progress.took(frames, pending)
      }
      const text = new TextDecoder()
      let rest = ""
      return yield* Effect.forever(Effect.flatMap(connection.receive, (chunks) => {
        count(chunks)
        const whole = (rest + chunks.map((chunk) => text.decode(chunk)).join("")).split("\n")
        rest = whole.pop()!
        return Effect.forEach(whole, (each) => Effect.flatMap(answer(each), framed.send), { discard: true })
      })).pipe(Pull.catchDone(() => Effect.void))
    })

/** One connection under deadlines; time is TestClock's. */
const guarded = (
  how: Deadlines.DeadlineOptions,
  handler: (connection: Connection.Connection) => Effect.Effect<void, unknown> = echo()
) =>
  Effect.gen(function*() {
    const deadlines = yield* Deadlines.make(how)
    const listener = yield* Transport.listen({ host: "127.0.0.1", port: 0 }, { linger: 0 })
    const peer = yield* Transport.connect(listener.address, { linger: 0 })
    const connection = yield* listener.accept
    const serving = yield* fork(deadlines.guard(handler)(connection))
    return {
      connection,
      peer,
      serving,
      write: (text: string) => Effect.andThen(peer.send(Buffer.from(text)), TestClock.adjust(0)),
      /** Which deadline has passed. */
      passed: Effect.sync(() => {
        const exit = serving.pollUnsafe()
        if (exit === undefined) return undefined
        const error = Effect.runSync(Effect.flip(exit))
        return error instanceof Deadlines.DeadlineExceeded ? error.which : error
      })
    }
  })

// What a deadline may be late.
const late = 500

type Case = Effect.Success<ReturnType<typeof guarded>>

/** It is over so many milliseconds from now, by this deadline, and not one before. */
const endsIn = (millis: number, which: string, { connection, passed, peer }: Case) =>
  Effect.gen(function*() {
    yield* TestClock.adjust(millis - 1)
    assert.isUndefined(yield* passed)
    yield* TestClock.adjust(late + 1)
    assert.strictEqual(yield* passed, which)
    assert.deepStrictEqual(yield* connection.closed, { _tag: "Aborted" })
    const error = yield* Effect.flip(Effect.forever(peer.receive))
    assert.strictEqual(error._tag === "ReceiveError" && error.reason._tag, "ConnectionReset")
  })

/** Some time later it is as it was. */
const lastsFor = (millis: number, { passed }: Case) =>
  Effect.gen(function*() {
    yield* TestClock.adjust(millis)
    assert.isUndefined(yield* passed)
  })

describe("firstFrame", () => {
  it.effect("a peer that says nothing has 10 s", () =>
    inMemory(Effect.flatMap(guarded({}), (it) => endsIn(10_000, "firstFrame", it))))

  it.effect("a first frame that is not whole is none", () =>
    inMemory(Effect.gen(function*() {
      const it = yield* guarded({})
      yield* lastsFor(9000, it)
      yield* it.write("hel")
      yield* endsIn(1000, "firstFrame", it)
    })))

  it.effect("a frame that is whole one millisecond before is in time", () =>
    inMemory(Effect.gen(function*() {
      const it = yield* guarded({})
      yield* lastsFor(9999, it)
      yield* it.write("hello\n")
      yield* lastsFor(50_000, it)
    })))

  it.effect("where nobody says what a frame is, the first byte is one", () =>
    inMemory(Effect.gen(function*() {
      const raw = (connection: Connection.Connection) =>
        connection.lendEach((chunks) => connection.sendAllUnsafe(chunks))
      const it = yield* guarded({}, raw)
      yield* lastsFor(9999, it)
      yield* it.write("h")
      yield* lastsFor(50_000, it)
      yield* endsIn(10_000, "readIdle", it)
      yield* endsIn(10_000, "firstFrame", yield* guarded({}, raw))
    })))
})

describe("frame", () => {
  it.effect("has 30 s from its first byte to its last, however often a byte comes", () =>
    inMemory(Effect.gen(function*() {
      const it = yield* guarded({ minRate: "unbounded" })
      yield* it.write("hello\nw")
      for (let second = 0; second < 29; second++) {
        yield* lastsFor(1000, it)
        yield* it.write("w")
      }
      yield* endsIn(1000, "frame", it)
    })))

  it.effect("whole one millisecond before is in time, and the next one has as long", () =>
    inMemory(Effect.gen(function*() {
      const it = yield* guarded({ minRate: "unbounded" })
      yield* it.write("hello\nw")
      yield* lastsFor(29_999, it)
      yield* it.write("orld\na")
      yield* lastsFor(29_999, it)
      yield* it.write("gain\n")
      yield* lastsFor(59_999, it)
    })))

  it.effect("many that overlap a batch are many", () =>
    inMemory(Effect.gen(function*() {
      const it = yield* guarded({ frame: "2 seconds" })
      for (let i = 0; i < 20; i++) {
        yield* it.write("end\nbegin")
        yield* lastsFor(1500, it)
      }
      yield* endsIn(500, "frame", it)
    })))
})

describe("minRate", () => {
  it.effect("slow loris, one byte a second, is over after 10 s", () =>
    inMemory(Effect.gen(function*() {
      const it = yield* guarded({ firstFrame: "unbounded" })
      for (let second = 0; second < 10; second++) {
        yield* it.write("x")
        yield* lastsFor(1000, it)
      }
      yield* it.write("x")
      yield* TestClock.adjust(late)
      assert.strictEqual(yield* it.passed, "minRate")
    })))

  for (const [rate, which] of [[63, "minRate"], [64, "frame"]] as const) {
    it.effect(`${rate} bytes a second: ${which}`, () =>
      inMemory(Effect.gen(function*() {
        const it = yield* guarded({ firstFrame: "unbounded" })
        for (let second = 0; second < 31 && (yield* it.passed) === undefined; second++) {
          yield* it.write("x".repeat(rate))
          yield* TestClock.adjust(1000)
        }
        assert.strictEqual(yield* it.passed, which)
      })))
  }
})

describe("readIdle", () => {
  it.effect("a peer that says nothing more has 60 s", () =>
    inMemory(Effect.gen(function*() {
      const it = yield* guarded({})
      yield* it.write("hello\n")
      yield* endsIn(60_000, "readIdle", it)
    })))

  it.effect("any byte begins it anew", () =>
    inMemory(Effect.gen(function*() {
      const it = yield* guarded({ firstFrame: "unbounded", frame: "unbounded", minRate: "unbounded" })
      for (let i = 0; i < 5; i++) {
        yield* it.write("x")
        yield* lastsFor(59_999, it)
      }
      yield* TestClock.adjust(late)
      assert.strictEqual(yield* it.passed, "readIdle")
    })))

  it.effect("a handler that works is no idle peer, whether it receives meanwhile or not", () =>
    inMemory(Effect.gen(function*() {
      const it = yield* guarded({}, echo((text) => Effect.as(Effect.sleep("10 minutes"), text)))
      yield* it.write("hello\nwor")
      yield* lastsFor(600_000, it)
      assert.strictEqual(String(Buffer.concat(yield* it.peer.receive)), "hello\n")
      yield* endsIn(10_000, "minRate", it)

      const beside = yield* guarded({}, (connection) =>
        Effect.gen(function*() {
          const progress = yield* Deadlines.Progress
          yield* Effect.forkChild(Effect.forever(connection.receive))
          progress.working++
          yield* Effect.sleep("10 minutes")
          progress.working--
          return yield* Effect.never
        }))
      yield* beside.write("x")
      yield* lastsFor(600_000, beside)
      yield* TestClock.adjust(60_000 + late)
      assert.deepStrictEqual(yield* beside.connection.closed, { _tag: "Aborted" })
    })))

  it.effect("a push that suspends the receiver of lendEach is no idleness of the peer", () =>
    inMemory(Effect.gen(function*() {
      const it = yield* guarded({}, (connection) => connection.lendEach(() => Effect.sleep("10 minutes")))
      yield* it.write("x")
      yield* lastsFor(600_000, it)
      yield* endsIn(60_000, "readIdle", it)
    })))
})

it.effect("those that are late together end in portions, and others have their turns between", () =>
  inMemory(Effect.gen(function*() {
    const turn = yield* Turns.turns
    const endedIn: Array<number> = []
    const deadlines = yield* Deadlines.make({ onExceeded: () => void endedIn.push(turn()) })
    const listener = yield* Transport.listen({ host: "127.0.0.1", port: 0 }, { linger: 0 })
    const crowd = yield* Effect.forEach(Array.from({ length: 100 }), () =>
      Effect.gen(function*() {
        yield* Transport.connect(listener.address, { linger: 0 })
        return yield* fork(deadlines.guard(echo())(yield* listener.accept))
      }))
    yield* TestClock.adjust("11 seconds")
    yield* Effect.forEach(crowd, (served) => Effect.exit(Fiber.join(served)))
    assert.lengthOf(endedIn, 100)
    assert.strictEqual(Turns.mostInOne(endedIn), 8)
  })))

describe("onFrames", () => {
  const speaking: Readonly<Record<string, Handler.Handler<unknown, Scope.Scope>>> = {
    "Server.respond": Server.respond(lines, Effect.succeed<string>),
    "Server.respond, several at a time": Server.respond(lines, Effect.succeed<string>, { concurrency: 2 }),
    "Framed.send": Server.forEach(line, (text, framed) => framed.send(text)),
    "Framed.sendAllUnsafe": (connection) => {
      const framed = Framed.make(connection, line)
      return framed.lendEach((texts) => framed.sendAllUnsafe(texts))
    },
    "Framed.send, by a fiber that is not the handler's": Server.forEach(
      line,
      (text, framed) => Effect.promise(() => Effect.runPromise(framed.send(text)))
    ),
    "a broadcast": (connection) =>
      Effect.gen(function*() {
        const broadcast = yield* Broadcast.make(line)
        yield* broadcast.join(connection)
        yield* Framed.make(connection, line).receiveEach((texts) => broadcast.publishAll(texts))
      })
  }
  for (const [name, handler] of Object.entries(speaking)) {
    it.effect(`is told of what comes and what is sent: ${name}`, () =>
      inMemory(Effect.gen(function*() {
        const told = { receive: 0, transmit: 0 }
        const onFrames = (frames: number, direction: "receive" | "transmit") => void (told[direction] += frames)
        const it = yield* guarded({ onFrames }, (connection) => Effect.scoped(handler(connection)))
        yield* it.write("a\nb\nc\npart")
        assert.deepStrictEqual(told, { receive: 3, transmit: 3 })
        yield* it.write("ial\n")
        assert.deepStrictEqual(told, { receive: 4, transmit: 4 })
        yield* it.peer.abort
      })))
  }
})

describe("age", () => {
  const age = { after: "1 hour", jitter: 0, grace: "10 seconds" } as const

  it.effect("the handler is told, reads to the end of what came, and ends by itself", () =>
    inMemory(Effect.gen(function*() {
      let told = false
      const it = yield* guarded({ readIdle: "unbounded", age }, (connection) =>
        Effect.gen(function*() {
          yield* Effect.forkChild(Effect.map(connection.draining, () => void (told = true)))
          yield* echo()(connection)
        }))
      yield* it.write("hello\n")
      yield* lastsFor(3_599_999, it)
      assert.isFalse(told)
      yield* TestClock.adjust(late)
      assert.isTrue(told)
      assert.deepStrictEqual(it.serving.pollUnsafe(), Exit.void)
    })))

  it.effect("one that does not end is reset after the grace, and interrupted", () =>
    inMemory(Effect.gen(function*() {
      const errors: Array<string> = []
      const it = yield* guarded(
        { readIdle: "unbounded", age, onExceeded: (error) => errors.push(error.message) },
        () => Effect.never
      )
      yield* lastsFor(3_609_999, it)
      yield* TestClock.adjust(late)
      assert.deepStrictEqual(yield* it.connection.closed, { _tag: "Aborted" })
      const exit = yield* Fiber.await(it.serving)
      assert.isTrue(Exit.hasInterrupts(exit))
      assert.deepStrictEqual(errors, ["the deadline age has passed, after 3610000 ms"])
    })))

  it.effect("jitter spreads the ends over a tenth of the age, either way", () =>
    inMemory(Effect.gen(function*() {
      const deadlines = yield* Deadlines.make({
        readIdle: "unbounded",
        firstFrame: "unbounded",
        age: { after: "100 minutes" }
      })
      const listener = yield* Transport.listen({ host: "127.0.0.1", port: 0 }, { linger: 0 })
      const handlers: Array<Fiber.Fiber<void, unknown>> = []
      for (let i = 0; i < 50; i++) {
        yield* Transport.connect(listener.address, { linger: 0 })
        handlers.push(yield* fork(deadlines.guard(echo())(yield* listener.accept)))
      }
      const over = () => handlers.filter((handler) => handler.pollUnsafe() !== undefined).length
      yield* TestClock.adjust("90 minutes")
      assert.strictEqual(over(), 0)
      yield* TestClock.adjust("10 minutes")
      assert.isAbove(over(), 10)
      assert.isBelow(over(), 40)
      yield* TestClock.adjust("11 minutes")
      assert.strictEqual(over(), 50)
    })))
})

describe("Deadlines", () => {
  it.effect("unbounded is for ever", () =>
    inMemory(Effect.gen(function*() {
      const it = yield* guarded({
        firstFrame: "unbounded",
        frame: "unbounded",
        minRate: "unbounded",
        readIdle: "unbounded"
      })
      yield* it.write("x")
      yield* lastsFor(86_400_000, it)
    })))

  it.effect("the failure of a handler stays its own", () =>
    inMemory(Effect.gen(function*() {
      const it = yield* guarded({}, () => Effect.fail("mine"))
      assert.deepStrictEqual(yield* Fiber.await(it.serving), Exit.fail("mine"))
    })))

  it.effect("a header of a proxy is before the first frame, and counts for none", () =>
    inMemory(Effect.gen(function*() {
      const proxied = ProxyProtocol.accept({ trusted: ["127.0.0.1"] })(echo())
      const it = yield* guarded({}, proxied)
      yield* it.write("PROXY UNKNOWN\r\nhel")
      yield* endsIn(10_000, "firstFrame", it)
      const other = yield* guarded({ minRate: "unbounded" }, proxied)
      yield* other.write("PROXY UNKNOWN\r\nhello\nw")
      yield* endsIn(30_000, "frame", other)
    })))

  it.live("over sockets: those in time are served while the silent and the slow are reset", () =>
    bounded(Effect.gen(function*() {
      const deadlines = yield* Deadlines.make({ firstFrame: "300 millis", readIdle: "1 minute" })
      const server = yield* Server.make(options, deadlines.guard(echo()))
      const good = yield* RawClient.connect(server.address)
      good.write("one\n")
      const silent = yield* RawClient.connect(server.address)
      const slow = yield* RawClient.connect(server.address)
      const drip = setInterval(() => slow.write("x"), 20)
      yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(drip)))
      assert.strictEqual(yield* silent.closed, "ECONNRESET")
      yield* slow.closed
      good.write("two\n")
      assert.strictEqual(yield* good.received(8), "one\ntwo\n")
      yield* eventually(() => Effect.runSync(server.connections) === 1)
    })))
})
