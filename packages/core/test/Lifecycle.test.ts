import { assert, describe, it } from "@effect/vitest"
import { type ConnectionState, type Lifecycle, Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as AddressResolver from "effect/net/AddressResolver"
import * as Dns from "effect/net/Dns"
import * as Stream from "effect/Stream"
import * as Certificates from "../../../tests/support/Certificates.ts"
import { anyPort, bounded, bytes, eventually, failure, Raw, received, turn } from "./support/index.ts"

/** What the transport tells from now on. */
const watch = Effect.gen(function*() {
  const seen: Array<Lifecycle.LifecycleEvent> = []
  yield* Effect.forkScoped(
    Stream.runForEach(Transport.events, (event) => Effect.sync(() => void seen.push(event))),
    { startImmediately: true }
  )
  yield* turn
  return seen
})

const story = (seen: ReadonlyArray<Lifecycle.LifecycleEvent>, side: Lifecycle.LifecycleEvent["side"]) => {
  const show = (state: ConnectionState.ConnectionState | undefined) =>
    state === undefined
      ? "-"
      : (state._tag === "Closed" || state._tag === "Closing") && state.reason !== undefined
      ? `${state._tag}(${state.reason._tag})`
      : state._tag
  const its = seen.filter((event) => event.side === side)
  return its.length === 0 ? "" : [show(its[0]?.from), ...its.map(({ to }) => show(to))].join(" ")
}

describe("lifecycle events", () => {
  it.live("of a name that is dialled, secured, and closed", () =>
    bounded(Effect.gen(function*() {
      const seen = yield* watch
      const listener = yield* Transport.listen(anyPort, { tls: { identity: Certificates.server } })
      assert("port" in listener.address)
      const client = yield* Transport.connect({ host: "localhost", port: listener.address.port }, {
        family: 4,
        tls: { ca: Certificates.ca }
      })
      const its = yield* listener.accept
      yield* Effect.forkChild(client.close())
      assert.strictEqual(yield* received(its), "end")
      yield* its.close()
      yield* client.closed
      yield* turn
      assert.strictEqual(
        story(seen, "dialled"),
        "- Resolving Connecting Open Handshaking Open Closing Closing Closing(Graceful) Closed(Graceful)"
      )
      assert.strictEqual(
        story(seen, "accepted"),
        "- Open Handshaking Open ReadClosed Closing Closing(Graceful) Closed(Graceful)"
      )
      const [first, ...rest] = seen.filter(({ side }) => side === "dialled")
      assert.deepStrictEqual([first?.local, first?.remote], [
        undefined,
        { host: "localhost", port: listener.address.port }
      ])
      assert.isTrue(rest.every(({ id }) => id === client.id))
      assert.deepStrictEqual(rest.at(-1)?.local, client.local)
    })))

  it.live("of attempts that fail, at whatever stage", () =>
    bounded(Effect.gen(function*() {
      const seen = yield* watch
      const port = yield* Raw.freePort
      yield* failure(Transport.connect({ host: "127.0.0.1", port }))
      yield* turn
      assert.strictEqual(story(seen, "dialled"), "- Connecting Closing(Failed) Closed(Failed)")
      seen.length = 0
      yield* failure(Transport.connect({ host: "no.such.name.invalid", port }))
      yield* turn
      assert.strictEqual(story(seen, "dialled"), "- Resolving Closing(Failed) Closed(Failed)")
      seen.length = 0
      // Nothing was dialled.
      yield* failure(Transport.connect({ host: "127.0.0.1", port: 70_000 }))
      yield* turn
      assert.strictEqual(story(seen, "dialled"), "")
    })))

  it.live("of an attempt that is interrupted", () =>
    bounded(Effect.gen(function*() {
      const seen = yield* watch
      // Nobody answers there, and nothing is asked: the socket is freed before its SYN could fail.
      const fiber = yield* Effect.forkChild(Transport.connect({ host: "192.0.2.1", port: 9 }), {
        startImmediately: true
      })
      yield* Fiber.interrupt(fiber)
      yield* turn
      assert.strictEqual(story(seen, "dialled"), "- Connecting Closing(Aborted) Closed(Aborted)")
    })))

  it.live("a slow subscriber sees by the sequence that it missed some", () =>
    bounded(Effect.gen(function*() {
      const { events } = yield* Transport.Transport
      const listener = yield* Transport.listen(anyPort)
      const got = yield* Effect.forkChild(
        Stream.runCollect(Stream.take(
          // It takes one, and then nothing until all has happened.
          Stream.tap(events, () => slow),
          100
        )),
        { startImmediately: true }
      )
      let many = 0
      const slow = Effect.suspend(() => eventually(() => many >= 900))
      yield* turn
      for (; many < 900; many++) {
        yield* Effect.scoped(Effect.gen(function*() {
          const [client, its] = yield* Effect.all([Transport.connect(listener.address), listener.accept], {
            concurrency: 2
          })
          yield* Effect.all([client.abort, its.abort], { concurrency: 2 })
        }))
      }
      const sequence = (yield* Fiber.join(got)).map((event) => event.sequence)
      assert.strictEqual(sequence[0], 1)
      // 4096 were kept.
      assert.isAbove(sequence[99]!, 1000)
      assert.deepStrictEqual(sequence, sequence.toSorted((a, b) => a - b))
    })))
})

describe("NodeTransport.layerResolver", () => {
  const dns = Dns.layerStatic({ hosts: { "service.internal": ["127.0.0.2", "127.0.0.1"], "empty.internal": [] } })
  const layer = Layer.provide(NodeTransport.layerResolver, Layer.provide(AddressResolver.layer(), dns))

  it.live("asks the resolver of effect/net, in its order", () =>
    bounded(Effect.gen(function*() {
      const peer = yield* Raw.listen()
      assert("port" in peer.address)
      const { port } = peer.address
      yield* Effect.gen(function*() {
        const client = yield* Transport.connect({ host: "service.internal", port })
        assert.deepStrictEqual(client.remote, { host: "127.0.0.1", port })
        const accepted = yield* peer.next
        yield* client.send(bytes("x"))
        yield* accepted.receivedBytes(1)
        const unknown = yield* failure(Transport.connect({ host: "nobody.internal", port }))
        assert.strictEqual(unknown.reason._tag, "NameNotFound")
        const none = yield* failure(Transport.connect({ host: "service.internal", port }, { family: 6 }))
        assert.strictEqual(none.reason._tag, "NameNotFound")
      }).pipe(Effect.scoped, Effect.provide(layer))
    })))
})
