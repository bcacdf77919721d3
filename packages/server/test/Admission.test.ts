import { assert, describe, it } from "@effect/vitest"
import { Server } from "@framewire/server"
import * as Effect from "effect/Effect"
import {
  bounded,
  capricious,
  connections,
  descriptors,
  eventually,
  FakeTransport,
  lines,
  options,
  RawClient
} from "./support/index.ts"

const echo = Server.respond(lines, Effect.succeed<string>)

/** Connects and asks, so that the server has surely taken it. */
const admitted = (server: Server.Server["Service"]) =>
  Effect.gen(function*() {
    const client = yield* RawClient.connect(server.address, { finishes: true })
    client.write("hello\n")
    yield* client.received(6)
    return client
  })

describe("maxConnections", () => {
  it.live("one below and at the limit are served, one above sees FIN", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make({ ...options, maxConnections: 3 }, echo)
      const clients = [yield* admitted(server), yield* admitted(server), yield* admitted(server)]
      const above = yield* RawClient.connect(server.address)
      assert.strictEqual(yield* above.ended, "")
      assert.strictEqual(yield* server.connections, 3)
      for (const client of clients) {
        client.write("again\n")
        assert.strictEqual(yield* client.received(12), "hello\nagain\n")
      }
      const { accepted, rejected } = yield* server.stop
      assert.deepStrictEqual({ accepted, rejected }, { accepted: 3, rejected: 1 })
    })))

  it.live("a slot is free again when a connection has closed", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make({ ...options, maxConnections: 1 }, echo)
      for (let i = 0; i < 20; i++) {
        const client = yield* admitted(server)
        const above = yield* RawClient.connect(server.address)
        assert.strictEqual(yield* above.ended, "")
        client.socket.end()
        yield* client.closed
        yield* eventually(() => connections(server) === 0)
      }
    })))

  it.live("none at all turns everybody away", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make({ ...options, maxConnections: 0 }, echo)
      const client = yield* RawClient.connect(server.address)
      assert.strictEqual(yield* client.ended, "")
    })))

  it.live("whoever asks at once and is turned away sees FIN, not RST", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make({ ...options, maxConnections: 0 }, echo)
      const outcomes = yield* Effect.forEach(
        Array.from({ length: 200 }),
        () =>
          Effect.scoped(Effect.gen(function*() {
            const client = yield* RawClient.connect(server.address)
            client.write("hello\n")
            return yield* Effect.match(client.ended, { onSuccess: () => "FIN", onFailure: (code) => code })
          })),
        { concurrency: 50 }
      )
      assert.deepStrictEqual(new Set(outcomes), new Set(["FIN"]))
    })))

  it.live("500 that are turned away leak nothing, and disturb nobody", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make({ ...options, maxConnections: 1 }, echo)
      const client = yield* admitted(server)
      const before = descriptors()
      yield* Effect.forEach(
        Array.from({ length: 500 }),
        () => Effect.scoped(Effect.flatMap(RawClient.connect(server.address), ({ ended }) => ended)),
        { concurrency: 50 }
      )
      yield* eventually(() => descriptors() <= before)
      assert.strictEqual(yield* server.connections, 1)
      client.write("again\n")
      assert.strictEqual(yield* client.received(12), "hello\nagain\n")
      assert.strictEqual((yield* server.stop).rejected, 500)
    })))

  it.live("whoever is turned away and does not close holds no descriptor", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make({ ...options, maxConnections: 0, linger: "1 minute" }, echo)
      const before = descriptors()
      const clients = yield* Effect.forEach(Array.from({ length: 20 }), () => RawClient.connect(server.address))
      for (const { ended } of clients) yield* ended
      // Theirs alone.
      yield* eventually(() => descriptors() <= before + clients.length)
    })))

  it.live("a connection that is over before its fiber is registered leaves no trace, wherever the runtime yields", () =>
    bounded(Effect.gen(function*() {
      for (let seed = 0; seed < 50; seed++) {
        const { layer, offer } = FakeTransport.make()
        yield* Effect.gen(function*() {
          let served = 0
          const server = yield* Server.make(
            { ...options, maxConnections: 1, drainDeadline: "1 minute" },
            () => Effect.sync(() => void served++)
          )
          for (let i = 1; i <= 5; i++) {
            offer(FakeTransport.connection)
            yield* eventually(() => served === i && connections(server) === 0)
          }
          const report = yield* server.stop
          assert.deepStrictEqual([report.accepted, report.rejected, report.open], [5, 0, 0])
        }).pipe(Effect.provide(layer), capricious(seed))
      }
    })))
})
