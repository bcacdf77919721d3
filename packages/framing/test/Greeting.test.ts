import { assert, describe, it } from "@effect/vitest"
import type { Connection } from "@framewire/core"
import { Codec, Greeting, LengthPrefixed, Lines, Protocol } from "@framewire/framing"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { done, fake, outcomes } from "./scripted.ts"

const text = Codec.text(Lines.make({ limit: 10 }))

// `ok 2` agrees on a version, `no` and why refuses.
const welcome = Codec.transform(
  text,
  (line): Greeting.Welcome<number, string> =>
    line.startsWith("ok ")
      ? { _tag: "Agreed", agreed: Number(line.slice(3)) }
      : { _tag: "Refused", refusal: line.slice(3) },
  (it: Greeting.Welcome<number, string>) => it._tag === "Agreed" ? `ok ${it.agreed}` : `no ${it.refusal}`
)

const greeting = Greeting.make({
  hello: text,
  welcome,
  offer: "hi 2",
  agree: (hello) => hello === "hi 2" ? Result.succeed(2) : Result.fail("too old"),
  speak: (version) => Protocol.toExchange(Protocol.symmetric(Codec.text(LengthPrefixed.u8({ limit: version }))))
})

/** How a greeting fails. */
const failure = <A>(run: Effect.Effect<A, string | Greeting.GreetingError>) =>
  Effect.map(Effect.flip(run), (error) => typeof error === "string" ? error : error.reason._tag)

const ends: ReadonlyArray<
  (connection: Connection.Connection) => Effect.Effect<unknown, string | Greeting.GreetingError>
> = [(connection) => Greeting.greet(greeting, connection), (connection) => Greeting.welcome(greeting, connection)]

describe("Greeting", () => {
  it.effect("as the client: what comes with the welcome is of the protocol after it", () =>
    Effect.gen(function*() {
      for (const script of [[["ok 2\n\x02ab\x03abc"]], [["ok"], [" 2"], ["\n\x02a"], ["b\x03abc"]]]) {
        const { connection, sent } = fake(...script, done)
        const { exchange, framed } = yield* Greeting.greet(greeting, connection)
        assert.deepStrictEqual(sent, ["hi 2\n"])
        assert.strictEqual(exchange.client.limit, 2)
        assert.deepStrictEqual(yield* outcomes(framed.receive, 2), [
          { _tag: "Response", id: 0, response: "ab" },
          "!FrameError FrameTooLong 3 > 2 @8"
        ])
      }
    }))

  it.effect("as the server: requests that come with the hello are of the protocol after it", () =>
    Effect.gen(function*() {
      const { connection, sent } = fake(["hi 2\n\x02ab"], done)
      const { framed } = yield* Greeting.welcome(greeting, connection)
      assert.deepStrictEqual(sent, ["ok 2\n"])
      assert.deepStrictEqual(yield* outcomes(framed.receive, 2), [{ _tag: "Request", id: 0, request: "ab" }, "!Done"])
    }))

  it.effect("a refusal is the failure of both", () =>
    Effect.gen(function*() {
      const { connection, sent } = fake(["hi 1\n"], done)
      assert.strictEqual(yield* failure(Greeting.welcome(greeting, connection)), "too old")
      assert.deepStrictEqual(sent, ["no too old\n"])
      assert.strictEqual(yield* failure(Greeting.greet(greeting, fake(["no too old\n"], done).connection)), "too old")
    }))

  it.effect("no greeting, and one that cannot be read, is a GreetingError", () =>
    Effect.gen(function*() {
      const scripts = { "0123456789x\n": "FrameError", "\xff\n": "MessageError", "": "NoGreeting" }
      for (const [bytes, expected] of Object.entries(scripts)) {
        for (const run of ends) {
          assert.strictEqual(yield* failure(run(fake([bytes], done).connection)), expected)
        }
      }
      const refusing = fake(done)
      refusing.refuse()
      assert.strictEqual(yield* failure(Greeting.greet(greeting, refusing.connection)), "SendError")
    }))

  it.effect("10 s in all, however slowly it comes", () =>
    Effect.gen(function*() {
      for (const run of ends) {
        const greeted = yield* Effect.forkChild(failure(run(fake(["h"], Effect.never).connection)))
        yield* TestClock.adjust(9_999)
        assert.isUndefined(greeted.pollUnsafe())
        yield* TestClock.adjust(1)
        assert.strictEqual(yield* Fiber.join(greeted), "NoGreeting")
      }
    }))
})

// `salt N` begins, `hi 2 N` proves that it was heard.
const salted = Greeting.serverFirst({
  banner: text,
  announce: Effect.map(Clock.currentTimeMillis, (now) => `salt ${now}`),
  hello: text,
  welcome,
  offer: (banner) => banner.startsWith("salt ") ? Result.succeed(`hi ${banner.slice(5)}`) : Result.fail(banner),
  agree: (hello, banner) => hello === `hi ${banner.slice(5)}` ? Result.succeed(2) : Result.fail("who"),
  speak: greeting.speak
})

describe("Greeting.serverFirst", () => {
  it.effect("as the client: says nothing before the banner, then what follows from it", () =>
    Effect.gen(function*() {
      for (const script of [[["salt 7\nok 2\n\x02ab"]], [["salt"], [" 7\n"], ["ok 2"], ["\n\x02a"], ["b"]]]) {
        const { connection, sent } = fake(...script, done)
        const { framed } = yield* Greeting.greet(salted, connection)
        assert.deepStrictEqual(sent, ["hi 7\n"])
        assert.deepStrictEqual(yield* outcomes(framed.receive, 2), [
          { _tag: "Response", id: 0, response: "ab" },
          "!Done"
        ])
      }
      const silent = fake(Effect.never)
      yield* Effect.forkChild(Greeting.greet(salted, silent.connection))
      yield* TestClock.adjust(9_999)
      assert.deepStrictEqual(silent.sent, [])
    }))

  it.effect("as the server: its banner is made for each connection, and the hello is held against it", () =>
    Effect.gen(function*() {
      for (const now of [5, 6]) {
        yield* TestClock.setTime(now)
        const { connection, sent } = fake([`hi ${now}\n\x02ab`], done)
        const { framed } = yield* Greeting.welcome(salted, connection)
        assert.deepStrictEqual(sent, [`salt ${now}\n`, "ok 2\n"])
        assert.deepStrictEqual(yield* outcomes(framed.receive, 2), [
          { _tag: "Request", id: 0, request: "ab" },
          "!Done"
        ])
      }
      const { connection, sent } = fake(["hi 5\n"], done)
      assert.strictEqual(yield* failure(Greeting.welcome(salted, connection)), "who")
      assert.deepStrictEqual(sent, ["salt 6\n", "no who\n"])
    }))

  it.effect("a banner that the client will have none of is its refusal, and nothing is sent", () =>
    Effect.gen(function*() {
      const { connection, sent } = fake(["busy\n"], done)
      assert.strictEqual(yield* failure(Greeting.greet(salted, connection)), "busy")
      assert.deepStrictEqual(sent, [])
    }))

  it.effect("no banner, one that cannot be read, one that cannot be said, is a GreetingError, within 10 s in all", () =>
    Effect.gen(function*() {
      const scripts = { "0123456789x\n": "FrameError", "\xff\n": "MessageError", "": "NoGreeting" }
      for (const [bytes, expected] of Object.entries(scripts)) {
        assert.strictEqual(yield* failure(Greeting.greet(salted, fake([bytes], done).connection)), expected)
      }
      const refusing = fake(done)
      refusing.refuse()
      assert.strictEqual(yield* failure(Greeting.welcome(salted, refusing.connection)), "SendError")
      const slow = yield* Effect.forkChild(failure(Greeting.greet(salted, fake(["salt 7\n"], Effect.never).connection)))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(slow), "NoGreeting")
    }))
})
