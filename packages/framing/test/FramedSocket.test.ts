import { assert, describe, it } from "@effect/vitest"
import { type Connection, Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Codec, Framed, LengthPrefixed, Lines } from "@framewire/framing"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { bytes, encoded, inChunks, random } from "./support.ts"

const text = Codec.text(Lines.make())

/** Two ends of one TCP connection over loopback. */
const pair = Effect.gen(function*() {
  // The ends close one after the other, so that each would wait for a peer that has not begun to.
  const listener = yield* Transport.listen({ host: "127.0.0.1", port: 0 }, { linger: 10 })
  const accepting = yield* Effect.forkChild(listener.accept)
  const client = yield* Transport.connect(listener.address, { linger: 10 })
  return { client, server: yield* Fiber.join(accepting) }
})

const bounded = <A, E>(
  body: (ends: { readonly client: Connection.Connection; readonly server: Connection.Connection }) => Effect.Effect<
    A,
    E,
    Scope.Scope
  >
) => Effect.scoped(Effect.flatMap(pair, body)).pipe(Effect.provide(NodeTransport.layer), Effect.timeout("15 seconds"))

describe("Framed over TCP", () => {
  it.live("messages there and answers back, then both ends finish", () =>
    bounded(({ client, server }) =>
      Effect.gen(function*() {
        const schema = Schema.Struct({ id: Schema.Int, data: Schema.Uint8Array })
        const codec = Codec.json(schema)(LengthPrefixed.u32be())
        const near = Framed.make(client, codec)
        const far = Framed.make(server, codec)
        const echo = Stream.runForEachArray(far.messages, far.sendAll)
        const echoing = yield* Effect.forkChild(Effect.andThen(echo, server.shutdownWrite))
        const messages = Array.from({ length: 1000 }, (_, id) => ({ id, data: new Uint8Array(id % 50).fill(id) }))
        const collecting = yield* Effect.forkChild(Stream.runCollect(near.messages))
        for (let at = 0; at < messages.length; at += 100) yield* near.sendAll(messages.slice(at, at + 100))
        yield* client.shutdownWrite
        assert.deepStrictEqual(yield* Fiber.join(collecting), messages)
        yield* Fiber.join(echoing)
      })
    ))

  it.live("bytes in pieces of any size are the same messages", () =>
    bounded(({ client, server }) =>
      Effect.gen(function*() {
        const next = random(7)
        const messages = Array.from({ length: 300 }, (_, index) => "\u20ac".repeat(next(200)) + index)
        const all = encoded(text, messages)
        const collecting = yield* Effect.forkChild(Stream.runCollect(Framed.make(server, text).messages))
        for (let at = 0; at < all.length;) {
          const size = 1 + next(1000)
          yield* client.send(all.slice(at, at + size))
          if (next(10) === 0) yield* Effect.sleep("1 millis")
          at += size
        }
        yield* client.shutdownWrite
        assert.deepStrictEqual(yield* Fiber.join(collecting), messages)
      })
    ))

  it.live("a frame of 8 MiB", () =>
    bounded(({ client, server }) =>
      Effect.gen(function*() {
        const codec = LengthPrefixed.u32be({ limit: 2 ** 23 })
        const payload = new Uint8Array(2 ** 23).map((_, index) => index * 31)
        const receiving = yield* Effect.forkChild(Framed.make(server, codec).receive)
        yield* Framed.make(client, codec).send(payload)
        assert.isTrue(Buffer.from(yield* Fiber.join(receiving)).equals(payload))
      })
    ))

  it.live("frames are plain Uint8Arrays, whatever the platform reads into", () =>
    bounded(({ client, server }) =>
      Effect.gen(function*() {
        yield* Framed.make(client, Lines.make()).sendAll([bytes("a"), bytes("b")])
        const frame = yield* Framed.make(server, Lines.make()).receive
        assert.strictEqual(Object.getPrototypeOf(frame), Uint8Array.prototype)
      })
    ))

  it.live("a frame that is kept does not change when more arrives", () =>
    bounded(({ client, server }) =>
      Effect.gen(function*() {
        const framed = Framed.make(server, LengthPrefixed.u8())
        const sending = yield* Effect.forkChild(Effect.forEach(
          Array.from({ length: 200 }, (_, index) => encoded(LengthPrefixed.u8(), [new Uint8Array(200).fill(index)])),
          (wire) => Effect.forEach(inChunks(wire, 67), (chunk) => client.send(chunk))
        ))
        const kept = yield* Effect.replicateEffect(framed.receive, 200)
        kept.forEach((frame, index) => assert.isTrue(frame.every((byte) => byte === index)))
        yield* Fiber.join(sending)
      })
    ))

  it.live("the peer's FIN is Done between frames and Truncated within one", () =>
    bounded(({ client, server }) =>
      Effect.gen(function*() {
        const framed = Framed.make(server, LengthPrefixed.u8())
        yield* client.send(bytes("\x01a\x03bc"))
        yield* client.shutdownWrite
        assert.strictEqual((yield* framed.receive).length, 1)
        const error = yield* Effect.flip(framed.receive)
        assert.strictEqual(error._tag === "FrameError" ? error.reason._tag : error._tag, "Truncated")

        const back = Framed.make(client, LengthPrefixed.u8())
        yield* server.shutdownWrite
        assert.isTrue(Cause.isDone(yield* Effect.flip(back.receive)))
      })
    ))

  it.live("the peer's RST is a ReceiveError after the messages that had arrived", () =>
    bounded(({ client, server }) =>
      Effect.gen(function*() {
        const framed = Framed.make(server, text)
        yield* Framed.make(client, text).sendAll(["a", "b"])
        assert.strictEqual(yield* framed.receive, "a")
        yield* client.abort
        assert.strictEqual(yield* framed.receive, "b")
        assert.strictEqual((yield* Effect.flip(framed.receive))._tag, "ReceiveError")
        assert.strictEqual((yield* Effect.flip(framed.receive))._tag, "ReceiveError")
      })
    ))

  it.live("any number of fibers may send: messages stay whole", () =>
    bounded(({ client, server }) =>
      Effect.gen(function*() {
        const near = Framed.make(client, text)
        const messages = Array.from({ length: 50 }, (_, index) => String(index).repeat(1 + index * 40))
        const receiving = yield* Effect.forkChild(
          Stream.runCollect(Stream.take(Framed.make(server, text).messages, messages.length))
        )
        yield* Effect.forEach(messages, near.send, { concurrency: "unbounded" })
        assert.deepStrictEqual((yield* Fiber.join(receiving)).toSorted(), messages.toSorted())
      })
    ))
})
