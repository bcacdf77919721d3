// Both ends of an exchange, from one value: what a client and a server of ours make of it together.
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@framewire/client"
import type { Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Codec, Greeting, LengthPrefixed, Lines, Protocol } from "@framewire/framing"
import { Server } from "@framewire/server"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"

const options = { address: { host: "127.0.0.1", port: 0 }, drainDeadline: "100 millis", linger: 20 } as const

class Division extends Schema.TaggedError<Division>()("Division", { by: Schema.Number }) {}

const calls = (limit = 1000) =>
  Protocol.json({
    framing: LengthPrefixed.u32be({ limit }),
    request: Schema.Struct({ n: Schema.Number, by: Schema.Number }),
    response: Schema.Number,
    error: Division,
    push: Schema.String
  })

const divide = ({ by, n }: { readonly n: number; readonly by: number }) =>
  by === 0 ? Effect.fail(new Division({ by })) : Effect.succeed(n / by)

const bounded = <A, E>(body: Effect.Effect<A, E, Scope.Scope | Transport.Transport>) =>
  Effect.scoped(body).pipe(Effect.provide(NodeTransport.layer), Effect.timeout("12 seconds"))

/** Suspends until it is so; the bound is the test's. */
const eventually = (isSo: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => isSo() ? Effect.void : Effect.andThen(Effect.sleep("2 millis"), eventually(isSo)))

describe("an exchange by id", () => {
  it.live("answers come as they are ready, each to its own request", () =>
    bounded(Effect.gen(function*() {
      const finished: Array<number> = []
      const server = yield* Server.make(
        options,
        Server.respond(calls(), (call) =>
          divide(call).pipe(
            Effect.delay(call.n % 10),
            Effect.tap(() => Effect.sync(() => finished.push(call.n)))
          ))
      )
      const client = yield* Client.connect(calls(), server.address)
      const numbers = Array.from({ length: 200 }, (_, n) => n)
      const answers = yield* Effect.forEach(numbers, (n) => client.request({ n, by: 2 }), { concurrency: "unbounded" })
      assert.deepStrictEqual(answers, numbers.map((n) => n / 2))
      assert.notDeepEqual(finished, numbers)
    })))

  it.live("an error of the protocol is the request's failure, typed, and others go on", () =>
    bounded(Effect.gen(function*() {
      for (const wait of [Effect.void, Effect.yieldNow]) {
        const server = yield* Server.make(
          options,
          Server.respond(calls(), (call) => call.n < 0 ? divide(call) : Effect.andThen(wait, divide(call)))
        )
        const client = yield* Client.connect(calls(), server.address)
        for (const n of [1, -1]) {
          const error = yield* Effect.flip(client.request({ n, by: 0 }))
          assert.instanceOf(error, Division)
          assert.deepStrictEqual(
            yield* Effect.catchTag(client.request({ n, by: 0 }), "Division", ({ by }) => Effect.succeed(by)),
            0
          )
        }
        assert.strictEqual(yield* client.request({ n: 6, by: 3 }), 2)
      }
    })))

  it.live("an interrupted request interrupts its answer, and no other", () =>
    bounded(Effect.gen(function*() {
      const began: Array<number> = []
      const interrupted: Array<number> = []
      const server = yield* Server.make(
        options,
        Server.respond(calls(), ({ by, n }) =>
          Effect.suspend(() => {
            began.push(n)
            return by === 0 ? Effect.never : divide({ n, by })
          }).pipe(Effect.onInterrupt(() => Effect.sync(() => interrupted.push(n)))))
      )
      const client = yield* Client.connect(calls(), server.address, { maxInFlight: 3 })
      const stuck = yield* Effect.forEach([1, 2, 3], (n) => Effect.forkChild(client.request({ n, by: 0 })))
      yield* eventually(() => began.length === 3)
      yield* Fiber.interrupt(stuck[1]!)
      yield* eventually(() => interrupted.length > 0)
      assert.deepStrictEqual(interrupted, [2])
      // Its place is free again: the server has said that it gave the request up.
      assert.strictEqual(yield* client.request({ n: 8, by: 2 }), 4)
      yield* Fiber.interruptAll(stuck)
      yield* eventually(() => interrupted.length === 3)
      // Cancelled before it was sent, and while it is answered.
      for (let round = 0; round < 200; round++) {
        const fiber = yield* Effect.forkChild(client.request({ n: round, by: 1 }), { startImmediately: true })
        for (let turn = 0; turn < round % 5; turn++) yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
      }
      assert.strictEqual(yield* client.request({ n: 9, by: 3 }), 3)
    })))

  it.live("pushes come between answers, in order", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(
        options,
        Server.respond(calls(), (call, peer) =>
          Effect.andThen(
            Effect.orDie(Effect.andThen(peer.push(`${call.n}a`), peer.push(`${call.n}b`))),
            divide(call)
          ))
      )
      const client = yield* Client.connect(calls(), server.address)
      const pushes = yield* Effect.forkChild(Stream.runCollect(Stream.take(client.pushes, 6)))
      for (const n of [1, 2, 3]) assert.strictEqual(yield* client.request({ n, by: 1 }), n)
      assert.deepStrictEqual(yield* Fiber.join(pushes), ["1a", "1b", "2a", "2b", "3a", "3b"])
    })))

  it.live("as many as concurrency are answered at a time", () =>
    bounded(Effect.gen(function*() {
      let most = 0
      let now = 0
      const server = yield* Server.make(
        options,
        Server.respond(calls(), (call) =>
          Effect.gen(function*() {
            most = Math.max(most, ++now)
            yield* Effect.sleep("2 millis")
            now--
            return yield* divide(call)
          }), { concurrency: 3 })
      )
      const client = yield* Client.connect(calls(), server.address)
      const ns = Array.from({ length: 30 }, (_, n) => n)
      assert.deepStrictEqual(
        yield* Effect.forEach(ns, (n) => client.request({ n, by: 1 }), { concurrency: "unbounded" }),
        ns
      )
      assert.strictEqual(most, 3)
    })))

  it.live("ids of few bits are used again, after the answer and not before", () =>
    bounded(Effect.gen(function*() {
      const small = { ...calls(), maxId: 3 }
      const held = yield* Deferred.make<void>()
      const server = yield* Server.make(
        options,
        Server.respond(small, (it) => Effect.andThen(it.n === 0 ? Deferred.await(held) : Effect.yieldNow, divide(it)))
      )
      const client = yield* Client.connect(small, server.address)
      const first = yield* Effect.forkChild(client.request({ n: 0, by: 1 }), { startImmediately: true })
      const ns = Array.from({ length: 50 }, (_, n) => n + 1)
      assert.deepStrictEqual(
        yield* Effect.forEach(ns, (n) => client.request({ n, by: 1 }), { concurrency: "unbounded" }),
        ns
      )
      yield* Deferred.succeed(held, undefined)
      assert.strictEqual(yield* Fiber.join(first), 0)
    })))
})

describe("an exchange in order", () => {
  // `=12` is an answer, `-text` an error, `>text` a push.
  const text = Codec.text(Lines.make())
  const protocol = Protocol.inOrder({
    call: Codec.transform(text, (line): Protocol.Call<string> => ({ _tag: "Request", id: 0, request: line }), (
      call: Protocol.Call<string>
    ) => call._tag === "Request" ? call.request : ""),
    reply: Codec.transform(text, (line): Protocol.Reply<number, string, string> => {
      if (line.startsWith("=")) return { _tag: "Response", id: 0, response: Number(line.slice(1)) }
      if (line.startsWith("-")) return { _tag: "Failure", id: 0, error: line.slice(1) }
      return { _tag: "Push", push: line.slice(1) }
    }, (reply: Protocol.Reply<number, string, string>) => {
      if (reply._tag === "Response") return `=${reply.response}`
      if (reply._tag === "Failure") return `-${reply.error}`
      return reply._tag === "Push" ? `>${reply.push}` : "-cancelled"
    })
  })

  it.live("has typed errors and pushes, too", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(
        options,
        Server.respond(protocol, (line, peer) =>
          Effect.gen(function*() {
            if (line === "push") yield* Effect.orDie(peer.push("hello"))
            return Number.isNaN(Number(line)) && line !== "push"
              ? yield* Effect.fail(`not a number: ${line}`)
              : line.length
          }))
      )
      const client = yield* Client.connect(protocol, server.address)
      const answers = yield* Effect.forEach(
        ["1", "two", "push", "333"],
        (line) => Effect.result(client.request(line)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(answers.map(Result.getOrElse((error) => error)), [1, "not a number: two", 4, 3])
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(client.pushes, 1)), ["hello"])
    })))
})

describe("a greeting", () => {
  class TooOld extends Schema.TaggedError<TooOld>()("TooOld", { oldest: Schema.Int }) {}
  const lines = Lines.make({ limit: 200 })
  const greeting = (versions: ReadonlyArray<number>) =>
    Greeting.make({
      hello: Codec.json(Schema.Struct({ versions: Schema.Array(Schema.Int) }))(lines),
      welcome: Codec.json(Greeting.Welcome({ agreed: Schema.Struct({ limit: Schema.Int }), refusal: TooOld }))(lines),
      offer: { versions },
      agree: (hello) =>
        hello.versions.includes(2) ? Result.succeed({ limit: 60 }) : Result.fail(new TooOld({ oldest: 2 })),
      speak: ({ limit }) => calls(limit)
    })

  it.live("then the protocol that was agreed on, with its codec and its limit, on the same connection", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(options, Server.respond(greeting([2]), divide))
      const client = yield* Client.connect(greeting([1, 2]), server.address)
      assert.strictEqual(yield* client.request({ n: 6, by: 2 }), 3)
      assert.strictEqual((yield* Effect.flip(client.request({ n: 6, by: 0 })))._tag, "Division")
      const long = yield* Effect.flip(client.request({ n: 1.23456789012345, by: 1e-300 }))
      assert(long._tag === "RequestError" && long.reason._tag === "MessageError")
      assert.strictEqual(long.reason.reason._tag, "FrameTooLong")
    })))

  it.live("is refused with an error of its own type, and the connection ends", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(options, Server.respond(greeting([2]), divide))
      const error = yield* Effect.flip(Client.connect(greeting([1]), server.address))
      assert(error._tag === "TooOld")
      assert.strictEqual(error.oldest, 2)
      yield* Effect.forever(
        Effect.flatMap(server.connections, (open) => open === 0 ? Effect.fail("none") : Effect.sleep(2))
      )
        .pipe(Effect.ignore)
    })))

  it.live("is waited for as long as it may take, at either end", () =>
    bounded(Effect.gen(function*() {
      const silent = yield* Server.make(options, () => Effect.never)
      const error = yield* Effect.flip(Client.connect(greeting([2]), silent.address, { greetingTimeout: "30 millis" }))
      assert(error._tag === "GreetingError")
      assert.strictEqual(error.reason._tag, "NoGreeting")
      const gone = yield* Server.make(options, () => Effect.void)
      const closed = yield* Effect.flip(Client.connect(greeting([2]), gone.address))
      assert.strictEqual(closed._tag, "GreetingError")
      const server = yield* Server.make(
        options,
        Server.respond(greeting([2]), divide, { greetingTimeout: "30 millis" })
      )
      const plain = yield* Client.connect(Protocol.symmetric(Codec.text(Lines.make())), server.address)
      assert.strictEqual((yield* plain.closed)._tag, "Graceful")
    })))
})

describe("a greeting that the server begins", () => {
  const short = Codec.text(Lines.make({ limit: 50 }))
  let connections = 0
  const secret = Greeting.serverFirst({
    banner: short,
    announce: Effect.sync(() => `salt ${++connections}`),
    hello: short,
    welcome: Codec.json(Greeting.Welcome({ agreed: Schema.Int, refusal: Schema.String }))(Lines.make({ limit: 50 })),
    offer: (banner) => Result.succeed(`secret with ${banner}`),
    agree: (hello, banner) => hello === `secret with ${banner}` ? Result.succeed(1000) : Result.fail("wrong"),
    speak: calls
  })
  const wrong: typeof secret = {
    ...secret,
    open: (use) => secret.open((opening) => use({ ...opening, offer: () => Result.succeed("secret with salt 1") }))
  }

  it.live("each connection has its own banner, and one hello does for no other", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(options, Server.respond(secret, divide))
      for (const n of [2, 4]) {
        const client = yield* Client.connect(secret, server.address)
        assert.strictEqual(yield* client.request({ n, by: 2 }), n / 2)
      }
      assert.strictEqual(yield* Effect.flip(Client.connect(wrong, server.address)), "wrong")
      assert.strictEqual(connections, 3)
    })))
})

describe("an exchange with several answers", () => {
  const protocol = Protocol.json({
    framing: LengthPrefixed.u32be({ limit: 1000 }),
    request: Schema.Int,
    response: Schema.Int,
    carries: ["traceparent"],
    isLast: (response) => response === 0
  })

  it.live("they come in order to a stream, and one trace goes through both ends", () =>
    bounded(Effect.gen(function*() {
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const server = yield* Server.make(
        options,
        Server.forEach(protocol.server, (call, framed) => {
          if (call._tag === "Cancel") return Effect.void
          const parent = Option.getOrThrow(Protocol.parentSpan(call))
          return Effect.forEach(
            Array.from({ length: call.request }, (_, n) => call.request - 1 - n),
            (response) => framed.send({ _tag: "Response", id: call.id, response }),
            { discard: true }
          ).pipe(Effect.withSpan("answer", { parent }), Effect.provideService(Tracer.Tracer, tracer))
        })
      )
      const client = yield* Client.connect(protocol, server.address, { span: () => ({ name: "count" }) })
      const counted = Stream.runCollect(client.requestStream(2000)).pipe(
        Effect.provideService(Tracer.Tracer, tracer)
      )
      assert.deepStrictEqual(yield* counted, Array.from({ length: 2000 }, (_, n) => 1999 - n))
      const [asked, answered] = ["count", "answer"].map((name) => spans.find((span) => span.name === name))
      assert.strictEqual(answered?.traceId, asked?.traceId)
      assert.strictEqual(Option.getOrThrow(answered!.parent).spanId, asked?.spanId)
    })))
})
