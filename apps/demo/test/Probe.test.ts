// What a server's own dashboard sees, on the network in memory.
import { assert, describe, it } from "@effect/vitest"
import { Transport } from "@framewire/core"
import { MemoryTransport } from "@framewire/core/testing"
import { Codec, Framed, Lines } from "@framewire/framing"
import { type Handler, Server } from "@framewire/server"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Hub from "../src/tap/Hub.ts"
import * as Probe from "../src/tap/Probe.ts"
import type { TapEvent } from "../src/tap/TapEvent.ts"
import { Watch } from "../src/tap/Watch.ts"

const framing = Lines.make({ limit: 8 })
const codec = Codec.text(framing)
const door: Probe.Door = { name: "lines", framings: { client: framing, server: framing } }

class Unwilling extends Data.TaggedError("Unwilling") {}

/** Every way there is to receive and to send. */
const handlers: Readonly<Record<string, Handler.Handler<Handler.HandlerError | Unwilling>>> = {
  receive: (connection) => {
    const framed = Framed.make(connection, codec)
    return Effect.forever(Effect.flatMap(framed.receive, framed.send)).pipe(Pull.catchDone(() => Effect.void))
  },
  receiveEach: (connection) => {
    const framed = Framed.make(connection, codec)
    return framed.receiveEach((lines) => framed.sendAll(lines))
  },
  lendEach: (connection) => {
    const framed = Framed.make(connection, codec)
    return framed.lendEach((lines) => framed.sendAllUnsafe(lines))
  }
}

/** A server with the handler, and what was told of it. */
const start = Effect.fnUntraced(function*(
  handler: Handler.Handler<Handler.HandlerError | Unwilling>,
  options: Partial<Server.ServerOptions> = {}
) {
  const hub = yield* Hub.make
  const told: Array<TapEvent> = []
  yield* Stream.fromPubSub(hub.events).pipe(
    Stream.runForEach((event) => Effect.sync(() => told.push(event))),
    Effect.forkScoped({ startImmediately: true })
  )
  const server = yield* Server.make(
    { address: { host: "127.0.0.1", port: 0 }, ...options },
    Probe.watching(new Watch(hub, undefined, 100), door, handler)
  )
  yield* Probe.follow(hub, door, server)
  const words = () =>
    told.map((event) => {
      switch (event._tag) {
        case "Frame":
          return `${event.from} ${Buffer.from(event.bytes).toString().trim()}`
        case "HalfClosed":
          return `FIN ${event.by}`
        case "Closed":
          return `Closed ${event.client}`
        case "Trouble":
          return `${event.error}: ${event.message.replaceAll(/127\.0\.0\.1:\d+/g, "A")}`
        default:
          return event._tag
      }
    })
  return { hub, dial: Transport.connect(server.address), words }
})

const provided = <A, E>(test: Effect.Effect<A, E, Transport.Transport>) => Effect.provide(test, MemoryTransport.layer())

describe("a probe in a server", () => {
  it.effect.each(Object.entries(handlers))(
    "sees both ways and the whole life, by %s",
    ([, handler]) =>
      Effect.gen(function*() {
        const { dial, hub, words } = yield* start(handler)
        const client = yield* dial
        yield* client.send(Buffer.from("one\n"))
        yield* client.receive
        yield* client.send(Buffer.from("tw"))
        yield* client.send(Buffer.from("o\n"))
        yield* client.receive
        assert.deepStrictEqual(hub.here().lives.map(({ door, fin, open }) => ({ door, fin, open })), [
          { door: "lines", fin: [], open: true }
        ])
        yield* client.close()
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(words(), [
          "Listening",
          "Accepted",
          "Dialled",
          "client one",
          "server one",
          "client two",
          "server two",
          "FIN client",
          "FIN server",
          "Closed graceful"
        ])
        assert.deepStrictEqual(hub.here().lives, [])
      }).pipe(Effect.scoped, provided)
  )

  it.effect("tells what is wrong once: with a frame, in the handler, at the door", () =>
    Effect.gen(function*() {
      const { dial, words } = yield* start(
        (connection) => Effect.andThen(Framed.make(connection, codec).receive.pipe(Effect.ignore), new Unwilling()),
        { maxConnections: 1 }
      )
      const one = yield* dial
      yield* Effect.exit(Effect.flatMap(dial, ({ receive }) => receive))
      yield* one.send(Buffer.from("far too long\n"))
      yield* Effect.exit(one.receive)
      yield* one.close()
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(
        words().flatMap((word) => /^\w+: [^,]*/.exec(word) ?? []),
        ["Rejected: A: full", "FrameTooLong: a frame of 9 bytes", "Unwilling: "]
      )
    }).pipe(Effect.scoped, provided))

  it.effect("tells a reset as a reset, and no FIN of a server that had no time for one", () =>
    Effect.gen(function*() {
      const { dial, words } = yield* start(handlers["lendEach"] ?? (() => Effect.void))
      const client = yield* dial
      yield* TestClock.adjust(0)
      yield* client.abort
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(words(), ["Listening", "Accepted", "Dialled", "Closed reset by it"])
    }).pipe(Effect.scoped, provided))
})
