import { assert, describe, it } from "@effect/vitest"
import { Codec, Greeting, LengthPrefixed, Lines, Protocol } from "@framewire/framing"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import { expectTypeOf } from "vitest"
import { encoded, events, gives, refusal } from "./support.ts"

const request = Codec.text(Lines.make({ limit: 10 }))
const response = Codec.json(Schema.Number)(LengthPrefixed.u16be({ limit: 20 }))

describe("Protocol", () => {
  it("what the client sends the server reads, and the other way round", () => {
    const { client, server } = Protocol.make({ request, response })
    gives(server, encoded(client, ["one", "two"]), ["one", "two"])
    gives(client, encoded(server, [1, 2]), [1, 2])
    assert.deepStrictEqual(events(request, [encoded(client, ["one"])]), ["one"])
    assert.deepStrictEqual(events(response, [encoded(server, [1])]), [1])
  })

  it("each direction has its own limit, the same at both ends", () => {
    const { client, server } = Protocol.make({ request, response })
    assert.strictEqual(client.limit, 10)
    assert.strictEqual(server.limit, 20)
    assert.strictEqual(refusal(client, "x".repeat(11)), "MessageError FrameTooLong 11 > 10")
    gives(server, `${"x".repeat(11)}\n`, ["!FrameError FrameTooLong 11 > 10 @0"])
  })

  it("symmetric: one codec both ways", () => {
    const { client, server } = Protocol.symmetric(request)
    assert.strictEqual(client, request)
    assert.strictEqual(server, request)
  })

  it("can be used for any number of connections at once: its decoders share nothing", () => {
    const { server } = Protocol.make({ request, response })
    assert.deepStrictEqual(
      [events(server, [encoded(request, ["a"])]), events(server, [encoded(request, ["b"])])],
      [["a"], ["b"]]
    )
  })
})

describe("traceparent", () => {
  const traceId = "0af7651916cd43dd8448eb211c80319c"
  const spanId = "b7ad6b7169203331"
  const read = (traceparent?: string) => {
    const call = { _tag: "Request", id: 1, request: 0 } as const
    const span = Protocol.parentSpan(traceparent === undefined ? call : { ...call, traceparent })
    return Option.isSome(span) ? [span.value.traceId, span.value.spanId, span.value.sampled] : []
  }

  it("there and back", () => {
    for (const sampled of [true, false]) {
      const text = Protocol.traceparent(Tracer.externalSpan({ traceId, spanId, sampled }))
      assert.strictEqual(text, `00-${traceId}-${spanId}-0${sampled ? 1 : 0}`)
      assert.deepStrictEqual(read(text), [traceId, spanId, sampled])
    }
    const short = Protocol.traceparent(Tracer.externalSpan({ traceId: spanId, spanId }))
    assert.deepStrictEqual(read(short), [`${"0".repeat(16)}${spanId}`, spanId, true])
  })

  it("a later version is read as far as it is known, what is none is none", () => {
    assert.deepStrictEqual(read(`cc-${traceId}-${spanId}-03-what-comes-later`), [traceId, spanId, true])
    for (
      const bad of [
        undefined,
        "",
        `00-${traceId}-${spanId}-01-more`,
        `cc-${traceId}-${spanId}-01more`,
        `ff-${traceId}-${spanId}-01`,
        `00-${"0".repeat(32)}-${spanId}-01`,
        `00-${traceId}-${"0".repeat(16)}-01`,
        `00-${traceId.toUpperCase()}-${spanId}-01`,
        `00-${traceId}-${spanId}-0g`,
        `00-${traceId}-${spanId}`
      ]
    ) {
      assert.deepStrictEqual(read(bad), [], bad)
    }
    assert.isUndefined(Protocol.traceparent(Tracer.externalSpan({ traceId: "noop", spanId: "noop" })))
  })
})

describe("Protocol by id", () => {
  const framing = Lines.make({ limit: 100 })

  // A protocol with messages of its own, JSON-RPC: ids are taken from them and put into them here.
  const Call = Schema.Struct({ id: Schema.Int, method: Schema.String })
  const Answer = Schema.Struct({
    id: Schema.optionalKey(Schema.Int),
    result: Schema.optionalKey(Schema.Int),
    error: Schema.optionalKey(Schema.String),
    method: Schema.optionalKey(Schema.String)
  })
  const call = Codec.transform(
    Codec.json(Call)(framing),
    ({ id, method }): Protocol.Call<string> => ({ _tag: "Request", id, request: method }),
    (call: Protocol.Call<string>) => ({
      id: Number(call.id),
      method: call._tag === "Request" ? call.request : "$/cancel"
    })
  )
  const reply = Codec.transform(
    Codec.json(Answer)(framing),
    ({ error, id = 0, method, result = 0 }): Protocol.Reply<number, string, string> =>
      method !== undefined
        ? { _tag: "Push", push: method }
        : error !== undefined
        ? { _tag: "Failure", id, error }
        : { _tag: "Response", id, response: result },
    (reply: Protocol.Reply<number, string, string>) =>
      reply._tag === "Push"
        ? { method: reply.push }
        : reply._tag === "Response"
        ? { id: Number(reply.id), result: reply.response }
        : { id: Number(reply.id), error: reply._tag === "Failure" ? reply.error : "cancelled" }
  )
  const rpc = Protocol.byId({ call, reply })

  it("the protocol's own messages, both ways", () => {
    const calls = [{ _tag: "Request", id: 5, request: "sum" }] as const
    assert.deepStrictEqual(String(Buffer.from(encoded(rpc.client, calls))), "{\"id\":5,\"method\":\"sum\"}\n")
    gives(rpc.server, encoded(rpc.client, calls), calls)
    const replies = [
      { _tag: "Push", push: "tick" },
      { _tag: "Failure", id: 6, error: "no" },
      { _tag: "Response", id: 5, response: 42 }
    ] as const
    gives(rpc.client, encoded(rpc.server, replies), replies)
    gives(rpc.client, "{\"id\":7,\"error\":\"e\"}\n", [{ _tag: "Failure", id: 7, error: "e" }])
  })

  it("json: every message there and back, and no other", () => {
    const { client, server } = Protocol.json({
      framing,
      request: Schema.Struct({ at: Schema.Date }),
      response: Schema.Uint8Array,
      error: Schema.String,
      push: Schema.Int
    })
    const calls: ReadonlyArray<Protocol.Call<{ readonly at: Date }>> = [
      { _tag: "Request", id: 1, request: { at: new Date(0) } },
      { _tag: "Cancel", id: "a" }
    ]
    gives(server, encoded(client, calls), calls)
    const replies: ReadonlyArray<Protocol.Reply<Uint8Array, string, number>> = [
      { _tag: "Response", id: "a", response: new Uint8Array([1, 2]) },
      { _tag: "Failure", id: 1, error: "no" },
      { _tag: "Cancelled", id: 2 },
      { _tag: "Push", push: 7 }
    ]
    gives(client, encoded(server, replies), replies)
    gives(server, "{\"_tag\":\"Request\",\"id\":1.5,\"request\":0}\n", ["!MessageError SchemaMismatch @0"])
    gives(client, "{\"_tag\":\"Push\",\"push\":\"x\"}\n", ["!MessageError SchemaMismatch @0"])
  })

  it("json: what stands beside a request, where it does", () => {
    const { carries, client, isLast, server } = Protocol.json({
      framing: Lines.make({ limit: 200 }),
      request: Schema.Int,
      response: Schema.Int,
      carries: ["timeout"],
      isLast: (response) => response === 0
    })
    assert.deepStrictEqual(carries, ["timeout"])
    assert.deepStrictEqual([isLast?.(1), isLast?.(0)], [false, true])
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    const calls: ReadonlyArray<Protocol.Call<number>> = [
      { _tag: "Request", id: 1, request: 7, timeout: 0, traceparent },
      { _tag: "Request", id: 2, request: 7 }
    ]
    gives(server, encoded(client, calls), calls)
    for (const bad of ["-1", "\"1\"", "1e999"]) {
      gives(server, `{"_tag":"Request","id":1,"request":7,"timeout":${bad}}\n`, ["!MessageError SchemaMismatch @0"])
    }
    const { carries: none, isLast: each } = Protocol.toExchange(Protocol.symmetric(request))
    assert.deepStrictEqual([none, each], [[], undefined])
  })

  it("refuses a maxId that is none", () => {
    for (const maxId of [0, -1, 1.5, Number.NaN, 2 ** 53]) {
      assert.throws(() => Protocol.byId({ call, reply, maxId }), /maxId is/)
    }
  })

  it("toExchange: the same bytes", () => {
    const plain = Protocol.make({ request, response })
    const { client, server } = Protocol.toExchange(plain)
    const call = { _tag: "Request", id: 9, request: "one" } as const
    assert.deepStrictEqual(encoded(client, [call]), encoded(plain.client, ["one"]))
    assert.deepStrictEqual(
      encoded(server, [{ _tag: "Response", id: 9, response: 1 }]),
      encoded(plain.server, [1])
    )
    assert.deepStrictEqual(events(server, [encoded(request, ["one"])]), [{ _tag: "Request", id: 0, request: "one" }])
    assert.strictEqual(client.limit, 10)
  })

  it("types are inferred from the one value", () => {
    expectTypeOf(rpc).toEqualTypeOf<Protocol.Exchange<string, number, string, string>>()
    const small = Protocol.json({ framing, request: Schema.String, response: Schema.Number })
    expectTypeOf(small).toEqualTypeOf<Protocol.Exchange<string, number>>()
    const whole = Protocol.json({
      framing,
      request: Schema.String,
      response: Schema.Number,
      error: Schema.Boolean,
      push: Schema.Date
    })
    expectTypeOf(whole).toEqualTypeOf<Protocol.Exchange<string, number, boolean, Date>>()
    expectTypeOf(Protocol.make({ request, response })).toEqualTypeOf<Protocol.Protocol<string, number>>()
    const greeting = Greeting.make({
      hello: request,
      welcome: Codec.json(Greeting.Welcome({ agreed: Schema.Int, refusal: Schema.String }))(framing),
      offer: "v2",
      agree: (hello) => hello === "v2" ? Result.succeed(2) : Result.fail("too old"),
      speak: () => whole
    })
    expectTypeOf(greeting).toEqualTypeOf<
      Greeting.ClientFirst<string, number, string, string, number, boolean, Date>
    >()
  })
})
