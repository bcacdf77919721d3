// The PROXY header as the server itself reads it: before admission, and bounded apart from who is served.
import { assert, describe, it } from "@effect/vitest"
import { Address, type Connection, Transport } from "@framewire/core"
import { Codec, FramingError, ProxyHeader } from "@framewire/framing"
import { Admission, type Handler, ProxyProtocol, Server, ServerMetrics } from "@framewire/server"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import * as Certificates from "../../../tests/support/Certificates.ts"
import {
  bounded,
  countsOf,
  eventsOf,
  inMemory,
  lines,
  options,
  RawClient,
  rejections,
  valueOf
} from "./support/index.ts"

const trusted = ["127.0.0.0/8"]
const echo = Server.respond(lines, Effect.succeed<string>)

/** What a proxy says before the bytes of its client. */
const from = (host: string, port = 1000) =>
  Buffer.concat(
    Result.getOrThrow(Codec.encodeAll(ProxyHeader.make(), [{
      version: 2,
      command: "proxy",
      family: "ipv4",
      transport: "stream",
      source: { host, port },
      destination: { host: "198.51.100.1", port: 443 },
      tlvs: []
    }]))
  )

const quiet = TestClock.adjust(0)

const serve = (how: Partial<Server.ServerOptions> = {}, handler: Handler.Handler<unknown> = echo) =>
  Effect.gen(function*() {
    const server = yield* Server.make({ ...options, linger: 0, proxy: { trusted }, ...how }, handler)
    const events = yield* eventsOf(server)
    /** Says this, and is looked at when all has happened. */
    const dial = (said: Uint8Array = new Uint8Array(), more = "") =>
      Effect.gen(function*() {
        const peer = yield* Transport.connect(server.address, { linger: 0 })
        if (said.length + more.length > 0) yield* peer.send(Buffer.concat([said, Buffer.from(more)]))
        yield* quiet
        return peer
      })
    return { server, events, dial }
  })

const answer = (peer: Connection.Connection) => Effect.map(peer.receive, (chunks) => String(Buffer.concat(chunks)))

/** How the connection ends for its peer. */
const end = (peer: Connection.Connection) =>
  Effect.map(
    Effect.flip(Effect.forever(peer.receive)),
    (error) => error._tag === "ReceiveError" ? error.reason._tag : "FIN"
  )

describe("ServerOptions.proxy", () => {
  it.live("the handler, its events and Current know the client", () =>
    bounded(Effect.gen(function*() {
      const seen = Deferred.makeUnsafe<readonly [Address.Address, ProxyProtocol.Forwarding | undefined]>()
      const { events, server } = yield* serve({}, (connection) =>
        Effect.gen(function*() {
          yield* Deferred.succeed(seen, [connection.remote, yield* ProxyProtocol.Current])
          yield* echo(connection)
        }))
      const peer = yield* RawClient.connect(server.address)
      peer.socket.write(Buffer.concat([from("203.0.113.9"), Buffer.from("hello\n")]))
      assert.strictEqual(yield* peer.received(6), "hello\n")
      const [remote, current] = yield* Deferred.await(seen)
      const client = { host: "203.0.113.9", port: 1000 }
      assert.deepStrictEqual(remote, client)
      assert.deepStrictEqual(current?.proxy, { host: "127.0.0.1", port: peer.socket.localPort! })
      assert.deepInclude(current?.header, { destination: { host: "198.51.100.1", port: 443 } })
      assert.deepInclude(events[0], { _tag: "Accepted", client })
    })))

  it.live("TLS is behind the header, whether it comes with it or after it", () =>
    bounded(Effect.gen(function*() {
      const { server } = yield* serve({ tls: { identity: Certificates.server } })
      for (const pause of [0, 20]) {
        const client = yield* Transport.connect(server.address)
        yield* client.send(from("203.0.113.9"))
        yield* Effect.sleep(pause)
        yield* client.upgradeTls({ client: { ca: Certificates.ca, serverName: "localhost" } })
        yield* client.send(Buffer.from("hello\n"))
        assert.strictEqual(yield* answer(client), "hello\n")
      }
    })))

  it.effect("a client's limits and the lists hold for whom the header names, not for the proxy", () =>
    inMemory(Effect.gen(function*() {
      const network = Result.getOrThrow(Address.parseNetwork("192.0.2.0/24"))
      const { dial, events } = yield* serve({ perClient: { maxConnections: 1 }, deny: [network] })
      const first = yield* dial(from("203.0.113.9"), "a\n")
      assert.strictEqual(yield* answer(first), "a\n")
      assert.strictEqual(yield* end(yield* dial(from("203.0.113.9", 2000))), "FIN")
      assert.strictEqual(yield* answer(yield* dial(from("203.0.113.10"), "b\n")), "b\n")
      assert.strictEqual(yield* end(yield* dial(from("192.0.2.1"))), "FIN")
      assert.deepStrictEqual(
        events.flatMap((event) => event._tag === "Rejected" ? [[event.reason, event.client]] : []),
        [
          ["clientConnections", { host: "203.0.113.9", port: 2000 }],
          ["denied", { host: "192.0.2.1", port: 1000 }]
        ]
      )
    })))

  const cases: ReadonlyArray<
    readonly [Admission.Reason, string, (peer: Connection.Connection) => Effect.Effect<unknown>]
  > = [
    ["noHeader", "FIN", (peer) => Effect.orDie(peer.shutdownWrite)],
    ["noHeader", "ConnectionClosed", (peer) => peer.abort],
    ["badHeader", "ConnectionReset", (peer) => Effect.orDie(peer.send(Buffer.from("GET / HTTP/1.1\r\n")))],
    [
      "badHeader",
      "ConnectionReset",
      (peer) => Effect.orDie(Effect.andThen(peer.send(from("203.0.113.9").subarray(0, 20)), peer.shutdownWrite))
    ],
    ["headerTimeout", "ConnectionReset", () => TestClock.adjust("5 seconds")]
  ]
  it.effect.each(cases)(
    "%s, ended by %s, is an event and a metric",
    ([reason, how, act]) =>
      inMemory(Effect.gen(function*() {
        const { dial, events, server } = yield* serve()
        const peer = yield* dial()
        yield* act(peer)
        yield* quiet
        assert.strictEqual(yield* end(peer), how)
        assert.deepStrictEqual(rejections(events), [reason])
        assert.deepStrictEqual(yield* countsOf(ServerMetrics.rejected), { [reason]: 1 })
        assert.strictEqual(yield* server.connections, 0)
        assert.deepInclude(yield* server.stop, { accepted: 0, rejected: 1 })
      }))
  )

  it.effect("a header from where no proxy is, forged or not, is reset, and takes nobody's place", () =>
    inMemory(Effect.gen(function*() {
      const { dial, events, server } = yield* serve({ proxy: { trusted: ["127.0.0.1"], maxPending: 1 } })
      const waiting = yield* dial()
      for (let i = 0; i < 5; i++) {
        const forger = yield* Transport.connect(server.address, { linger: 0, localAddress: { host: "127.0.0.2" } })
        yield* forger.send(from("203.0.113.9"))
        yield* quiet
        assert.strictEqual(yield* end(forger), "ConnectionReset")
      }
      yield* waiting.send(Buffer.concat([from("203.0.113.9"), Buffer.from("a\n")]))
      yield* quiet
      assert.strictEqual(yield* answer(waiting), "a\n")
      assert.deepStrictEqual(rejections(events), Array(5).fill("untrusted"))
    })))

  it.effect("those without a header take no slot, and the one that has waited longest gives way", () =>
    inMemory(Effect.gen(function*() {
      const { dial, events, server } = yield* serve({ maxConnections: 1, proxy: { trusted, maxPending: 3 } })
      const silent = yield* Effect.replicateEffect(dial(), 3)
      assert.strictEqual(yield* server.connections, 0)
      assert.strictEqual(yield* valueOf(ServerMetrics.headersPending), 3)
      const good = yield* dial(from("203.0.113.9"), "a\n")
      assert.strictEqual(yield* answer(good), "a\n")
      assert.strictEqual(yield* end(silent[0]!), "ConnectionReset")
      assert.deepStrictEqual(rejections(events), ["headers"])
      // They are as many as may be, not more, however many come.
      yield* Effect.replicateEffect(dial(), 100)
      assert.deepStrictEqual(rejections(events), Array(100).fill("headers"))
      yield* good.send(Buffer.from("b\n"))
      yield* quiet
      assert.strictEqual(yield* answer(good), "b\n")
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* countsOf(ServerMetrics.rejected), { headers: 100, headerTimeout: 3 })
      assert.strictEqual(yield* valueOf(ServerMetrics.headersPending), 0)
    })))

  it.effect("full is full behind the header, parked included", () =>
    inMemory(Effect.gen(function*() {
      const { dial, events } = yield* serve({ maxConnections: 1, whenFull: Admission.park({ max: 1 }) })
      yield* dial()
      const first = yield* dial(from("203.0.113.1"), "a\n")
      assert.strictEqual(yield* answer(first), "a\n")
      yield* dial(from("203.0.113.2"))
      assert.strictEqual(yield* end(yield* dial(from("203.0.113.3"))), "FIN")
      assert.deepStrictEqual(events.map(({ _tag }) => _tag), ["Accepted", "Parked", "Rejected"])
      assert.deepStrictEqual(rejections(events), ["full"])
    })))

  it.effect("a stop waits for headers to its deadline, and says whom it turned away", () =>
    inMemory(Effect.gen(function*() {
      const { dial, server } = yield* serve({ drainDeadline: "1 second" })
      const silent = yield* dial()
      const late = yield* dial()
      const stopping = yield* Effect.forkChild(server.stop, { startImmediately: true })
      yield* quiet
      yield* late.send(Buffer.concat([from("203.0.113.9"), Buffer.from("a\n")]))
      yield* quiet
      assert.strictEqual(yield* answer(late), "a\n")
      yield* TestClock.adjust("1 second")
      const { accepted, rejected } = yield* Fiber.join(stopping)
      assert.deepStrictEqual({ accepted, rejected }, { accepted: 1, rejected: 1 })
      assert.strictEqual(yield* end(silent), "ConnectionReset")
    })))

  it.effect("what cannot be trusted is refused when the server is made", () =>
    inMemory(Effect.gen(function*() {
      const exit = yield* Effect.exit(Effect.suspend(() => serve({ proxy: { trusted: ["localhost"] } })))
      assert(Exit.isFailure(exit))
      const defect = exit.cause.reasons.find((reason) => reason._tag === "Die")?.defect
      assert.instanceOf(defect, FramingError.InvalidOption)
    })))
})
