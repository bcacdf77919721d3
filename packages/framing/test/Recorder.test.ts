import { assert, describe, it } from "@effect/vitest"
import { type Connection, Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { type MemoryNetwork, MemoryTransport } from "@framewire/core/testing"
import { Codec, Framed, LengthPrefixed, Lines, Resp } from "@framewire/framing"
import { Recorder, Vector } from "@framewire/framing/testing"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { bytes, hex, show } from "./support.ts"

interface Ends {
  readonly client: Connection.Connection
  readonly server: Connection.Connection
}

/** Two ends in memory; time goes on by itself. */
const between = (options: MemoryTransport.Options) =>
<A, E>(
  body: (ends: Ends) => Effect.Effect<A, E, Scope.Scope | Transport.Transport | MemoryNetwork.MemoryNetwork>
) =>
  Effect.gen(function*() {
    const listener = yield* Transport.listen({ host: "127.0.0.1", port: 0 }, { linger: 0 })
    const client = yield* Transport.connect(listener.address, { linger: 0 })
    return yield* body({ client, server: yield* listener.accept })
  }).pipe(
    Effect.scoped,
    Effect.provide(MemoryTransport.layer(options)),
    Effect.raceFirst(Effect.forever(Effect.andThen(TestClock.adjust("1 millis"), Effect.yieldNow)))
  )

const spec = { kind: "framewire", spec: "u16be:limit=100" }
const u16 = LengthPrefixed.u16be({ limit: 100 })
const named = { id: "a-1", source: "a test" }

/** Through JSON, as a file would take it. */
const stored = (vector: Vector.Vector): Vector.Vector => JSON.parse(JSON.stringify(vector)) as Vector.Vector

describe("Recorder", () => {
  it.live("records by every form, on a real socket too, and the rest of the connection is as it was", () =>
    Effect.gen(function*() {
      for (const form of ["receive", "receiveEach", "lendEach"] as const) {
        const listener = yield* Transport.listen({ host: "127.0.0.1", port: 0 })
        const client = yield* Transport.connect(listener.address)
        const recorder = yield* Recorder.record(yield* listener.accept, { ...named, codec: u16, spec })
        const { connection } = recorder
        yield* client.send(Uint8Array.of(0, 2, 65, 66))
        yield* client.shutdownWrite
        if (form === "receive") {
          yield* Effect.flatMap(connection.receive, connection.sendAll)
          yield* Effect.exit(connection.receive)
        } else yield* connection[form](connection.sendAllUnsafe)
        yield* connection.shutdownWrite
        const echo = yield* client.receive
        assert.deepStrictEqual(echo.flatMap((chunk) => [...chunk]), [0, 2, 65, 66])
        assert.strictEqual((yield* connection.close())._tag, "Graceful")
        const { chunks, eof, note } = yield* recorder.vector
        assert.deepStrictEqual({ chunks, eof, note }, { chunks: ["00024142"], eof: true, note: undefined }, form)
      }
    }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer), Effect.timeout("10 seconds")))

  it.effect("what a connection received is a vector, which gives the same again", () =>
    between({ rechunk: 7, latency: ["1 millis", "5 millis"] })(({ client, server }) =>
      Effect.gen(function*() {
        const codec = Codec.json(Schema.Struct({ n: Schema.Int, text: Schema.String }))(u16)
        const recorder = yield* Recorder.record(server, { ...named, codec, spec })
        const began = yield* Clock.currentTimeMillis
        const messages = Array.from({ length: 20 }, (_, n) => ({ n, text: "€".repeat(n) }))
        const received = yield* Effect.forkChild(Stream.runCollect(Framed.make(recorder.connection, codec).messages))
        const framed = Framed.make(client, codec)
        for (const message of messages) yield* Effect.andThen(framed.send(message), Effect.sleep("3 millis"))
        yield* client.shutdownWrite
        assert.deepStrictEqual(yield* Fiber.join(received), messages)

        const vector = stored(yield* recorder.vector)
        assert.deepInclude(vector, { ...named, codec: spec, eof: true })
        assert.isUndefined(vector.note)
        assert.isAbove(vector.chunks.length, messages.length)
        assert.isTrue(vector.chunks.every((chunk) => chunk.length <= 14))
        const texts = vector.expect.map((one) => "frame" in one ? new TextDecoder().decode(hex(one.frame)) : one.error)
        assert.deepStrictEqual(texts, messages.map((message) => JSON.stringify(message)))

        const times = vector.times ?? []
        assert.strictEqual(times.length, vector.chunks.length)
        assert.deepStrictEqual(times, times.toSorted((a, b) => a - b))
        assert.isAtLeast(times[0] ?? 0, 1)
        assert.isAtMost(times.at(-1) ?? Infinity, (yield* Clock.currentTimeMillis) - began)
        assert.isAbove(new Set(times).size, 10)

        assert.isTrue(Vector.replay(vector, codec).pass)
        assert.isFalse(Vector.replay(vector, Codec.text(LengthPrefixed.u16be({ limit: 10 }))).pass)
      })
    ))

  it.effect("a failure is in it, and how the connection ended", () =>
    between({})(({ client, server }) =>
      Effect.gen(function*() {
        const recorder = yield* Recorder.record(server, { ...named, codec: u16, spec })
        const framed = Framed.make(recorder.connection, u16)
        yield* client.sendAll([hex("0001 61 00"), hex("ff 62")])
        assert.deepStrictEqual(yield* framed.receive, hex("61"))
        assert.isTrue(Exit.isFailure(yield* Effect.exit(framed.receive)))
        const vector = yield* recorder.vector
        assert.isFalse(vector.eof)
        const [frame, error] = vector.expect
        assert.deepStrictEqual(frame, { frame: "61", at: 0 })
        assert.deepInclude(error, { error: "FrameTooLong", at: vector.chunks.length - 1 })
        assert.isTrue(Vector.replay(stored(vector), u16).pass)

        yield* client.abort
        assert.isTrue(Exit.isFailure(yield* Effect.exit(recorder.connection.receive)))
        assert.match((yield* recorder.vector).note ?? "", /^the connection failed: ReceiveError/)
      })
    ))

  for (const [bound, kept] of [[{ maxBytes: 10 }, 3], [{ maxBytes: 9 }, 3], [{ maxChunks: 2 }, 2]] as const) {
    it.effect(`holds no more than asked for: ${JSON.stringify(bound)}`, () =>
      between({ rechunk: 1 })(({ client, server }) =>
        Effect.gen(function*() {
          const recorder = yield* Recorder.record(server, { ...named, codec: u16, spec, ...bound })
          const framed = Framed.make(recorder.connection, u16)
          for (let n = 0; n < 5; n++) yield* Framed.make(client, u16).send(Uint8Array.of(n))
          yield* client.shutdownWrite
          const received = yield* Stream.runCollect(framed.messages)
          assert.deepStrictEqual(received, [0, 1, 2, 3, 4].map((n) => Uint8Array.of(n)))
          const vector = yield* recorder.vector
          const bytes = vector.chunks.join("").length / 2
          assert.strictEqual(bytes, "maxBytes" in bound ? bound.maxBytes : kept)
          assert.isFalse(vector.eof)
          assert.strictEqual(vector.note, `the recording is full: ${15 - bytes} bytes more came`)
          assert.strictEqual(vector.expect.length, Math.floor(bytes / 3))
          assert.isTrue(Vector.replay(vector, u16).pass)
        })
      ))
  }

  it.effect("loses nothing of what is received, also when a receive is interrupted", () =>
    between({ rechunk: 3 })(({ client, server }) =>
      Effect.gen(function*() {
        const recorder = yield* Recorder.record(server, {
          ...named,
          codec: Lines.make(),
          spec: { kind: "framewire", spec: "lines" }
        })
        const framed = Framed.make(recorder.connection, Codec.text(Lines.make()))
        const lines = Array.from({ length: 200 }, (_, n) => `line ${n}`)
        const sending = yield* Effect.forkChild(Framed.make(client, Codec.text(Lines.make())).sendAll(lines))
        const received: Array<string> = []
        while (received.length < lines.length) {
          const receiving = yield* Effect.forkChild(Effect.map(framed.receive, (line) => void received.push(line)))
          yield* Effect.yieldNow
          yield* Fiber.interrupt(receiving)
          yield* Effect.yieldNow
        }
        yield* Fiber.join(sending)
        assert.deepStrictEqual(received, lines)
        assert.strictEqual((yield* recorder.vector).expect.length, lines.length)
      })
    ))
})

describe("Vector.replay", () => {
  const vector: Vector.Vector = {
    ...named,
    codec: spec,
    chunks: ["0001", "61", "0002"],
    eof: true,
    expect: [{ frame: "61", at: 1 }, { error: "Truncated", at: "eof" }]
  }

  it("holds order, bytes, tags and places against the vector, and no notes", () => {
    assert.isTrue(Vector.replay(vector, u16).pass)
    const others: ReadonlyArray<Partial<Vector.Vector>> = [
      { eof: false },
      { chunks: ["000161", "0002"] },
      { expect: [] },
      { expect: vector.expect.slice(0, 1) },
      { expect: [...vector.expect, { frame: "61" }] },
      { expect: [{ frame: "62", at: 1 }, { error: "Truncated" }] },
      { expect: [{ frame: "61", at: 0 }, { error: "Truncated" }] },
      { expect: [{ frame: "61", at: 1 }, { error: "FrameTooLong" }] },
      { expect: vector.expect.toReversed() }
    ]
    for (const other of others) assert.isFalse(Vector.replay({ ...vector, ...other }, u16).pass, JSON.stringify(other))
    const vague = [{ frame: "61" }, { error: "Truncated", note: "in other words" }]
    assert.isTrue(Vector.replay({ ...vector, expect: vague, chunks: ["0001610002"] }, u16).pass)
  })

  it("has bigints, too", () => {
    const most = "9223372036854775807"
    const expect = Vector.play(Resp.make(), [bytes(`:${most}\r\n:1\r\n`)], true)
    assert.deepStrictEqual(
      expect.map((one) => "frame" in one ? show(hex(one.frame)) : one.error),
      [`{"type":"integer","value":"${most}n"}`, `{"type":"integer","value":1}`]
    )
    assert.strictEqual(show(Vector.bytesOf(1n)), "\"1n\"")
  })

  it("refuses what is not hex digits", () => {
    for (const chunk of ["0", "0g", "00 01"]) {
      assert.throws(
        () => Vector.replay({ ...vector, chunks: ["00", chunk] }, u16),
        RangeError,
        "a-1: chunk 1 is not hex"
      )
    }
  })
})
