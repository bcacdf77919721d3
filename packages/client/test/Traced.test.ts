// What a client says beside a request: how long it waits, and on whose behalf; and the span that it has for it.
import { assert, describe, it } from "@effect/vitest"
import { Client, Pool, type RequestError } from "@framewire/client"
import { Lines, Protocol } from "@framewire/framing"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Tracer from "effect/Tracer"
import { MemoryServer } from "./support/index.ts"

const { fork, inMemory, settle } = MemoryServer

const protocol = (...carries: ReadonlyArray<Protocol.Carried>) =>
  Protocol.json({
    framing: Lines.make(),
    request: Schema.String,
    response: Schema.String,
    error: Schema.TaggedStruct("Refused", {}),
    carries
  })

interface Said extends Protocol.Request<string> {
  readonly id: number
}
const said = (line: string) => JSON.parse(line) as Said

/** Answers, or refuses "no", or is silent to "never". */
const serve = (line: string, say: MemoryServer.Say) => {
  const { id, request } = said(line)
  if (request === "never") return Effect.void
  return say(JSON.stringify(
    request === "no" ? { _tag: "Failure", id, error: { _tag: "Refused" } } : { _tag: "Response", id, response: "yes" }
  ))
}

/** With a tracer that keeps what it was asked for, in a span of the caller's. */
const traced = <A, E, R>(body: (spans: ReadonlyArray<Tracer.Span>) => Effect.Effect<A, E, R>) => {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return Effect.provideService(Effect.withSpan(body(spans), "caller"), Tracer.Tracer, tracer)
}

const span = (request: string) => ({ name: `ask/${request}`, attributes: { "rpc.method": request } })

describe("the time of a request", () => {
  it.effect("is said where the protocol has a field for it: what is left of it when it goes out", () =>
    inMemory(Effect.gen(function*() {
      const held: Array<Effect.Effect<void>> = []
      const server = yield* MemoryServer.make((line, say) => Effect.sync(() => void held.push(serve(line, say))))
      const client = yield* Client.connect(protocol("timeout"), server.address, {
        requestTimeout: "10 seconds",
        maxInFlight: 1
      })
      const first = yield* fork(client.request("first"))
      const second = yield* fork(client.request("second"))
      yield* settle
      yield* TestClock.adjust("4 seconds")
      yield* held[0]!
      assert.strictEqual(yield* Fiber.join(first), "yes")
      yield* settle
      yield* held[1]!
      assert.strictEqual(yield* Fiber.join(second), "yes")
      assert.deepStrictEqual(server.log.map((line) => said(line).timeout), [10_000, 6000])
    })))

  it.effect("is not said where there is no field, or no end to it", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make(serve)
      const without = yield* Client.connect(protocol("traceparent"), server.address)
      const endless = yield* Client.connect(protocol("timeout"), server.address, { requestTimeout: "Infinity" })
      yield* without.request("a")
      yield* endless.request("b")
      assert.deepStrictEqual(server.log.map((line) => "timeout" in said(line)), [false, false])
    })))
})

describe("the span of a request", () => {
  it.effect("is the caller's child, names the line, and is the parent that the server reads", () =>
    traced((spans) =>
      inMemory(Effect.gen(function*() {
        const server = yield* MemoryServer.make(serve)
        const client = yield* Client.connect(protocol("traceparent"), server.address, { span })
        yield* client.request("a")
        const [caller, asked] = spans
        assert.deepStrictEqual([asked?.name, asked?.kind], ["ask/a", "client"])
        assert.deepStrictEqual(Object.fromEntries(asked?.attributes ?? []), {
          "rpc.method": "a",
          "server.address": "server",
          "server.port": "7",
          "network.transport": "tcp"
        })
        assert.strictEqual(Option.getOrThrow(asked!.parent).spanId, caller?.spanId)
        const parent = Option.getOrThrow(Protocol.parentSpan(said(server.log[0]!)))
        assert.deepStrictEqual(
          [parent.traceId, parent.spanId, parent.sampled],
          [caller?.traceId, asked?.spanId, true]
        )
        const { status } = asked!
        assert.isTrue(status._tag === "Ended" && Exit.isSuccess(status.exit))
      }))
    ))

  it.effect("ends as the request does: with its failure, its interruption, the end of its stream", () =>
    traced((spans) =>
      inMemory(Effect.gen(function*() {
        const server = yield* MemoryServer.make(serve)
        const client = yield* Pool.make(protocol(), server.address, { span, requestTimeout: "1 seconds" })
        yield* settle
        assert.strictEqual((yield* Effect.flip(client.request("no")))._tag, "Refused")
        const never = yield* fork(Effect.flip(client.request("never")))
        yield* settle
        yield* TestClock.adjust("1 seconds")
        assert.strictEqual(((yield* Fiber.join(never)) as RequestError.RequestError).reason._tag, "RequestTimedOut")
        const left = yield* fork(client.request("never"))
        yield* settle
        yield* Fiber.interrupt(left)
        assert.deepStrictEqual(yield* Stream.runCollect(client.requestStream("stream")), ["yes"])
        const all = yield* client.requestAll(["b", "no"])
        assert.deepStrictEqual(all.map(Exit.isSuccess), [true, false])
        yield* client.send("c")
        const asked = spans.filter(({ name }) => name.startsWith("ask/"))
        assert.deepStrictEqual(
          asked.map(({ attributes, name, status }) => [
            name.slice(4),
            status._tag === "Ended" && status.exit._tag,
            attributes.get("error.type")
          ]),
          [
            ["no", "Failure", "Refused"],
            ["never", "Failure", "RequestTimedOut"],
            ["never", "Failure", undefined],
            ["stream", "Success", undefined],
            ["b", "Success", undefined],
            ["no", "Failure", "Refused"],
            ["c", "Success", undefined]
          ]
        )
      }))
    ))

  it.effect("is none unless it is asked for, nor where there is no tracer; nothing is carried then", () =>
    Effect.gen(function*() {
      const ask = (options: Client.ClientOptions<string>) =>
        inMemory(Effect.gen(function*() {
          const server = yield* MemoryServer.make(serve)
          const client = yield* Client.connect(protocol("traceparent"), server.address, options)
          yield* client.request("a")
          return "traceparent" in said(server.log[0]!)
        }))
      assert.isFalse(yield* ask({ span }))
      const names = yield* traced((spans) =>
        Effect.gen(function*() {
          assert.isFalse(yield* ask({}))
          assert.isFalse(yield* ask({ span: () => undefined }))
          assert.isFalse(yield* Effect.withTracerEnabled(ask({ span }), false))
          return spans.map(({ name }) => name)
        })
      )
      assert.deepStrictEqual(names, ["caller"])
    }))
})
