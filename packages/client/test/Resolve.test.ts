import { assert, describe, it } from "@effect/vitest"
import { Reconnect } from "@framewire/client"
import { NodeTransport } from "@framewire/core/node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as AddressResolver from "effect/net/AddressResolver"
import * as Dns from "effect/net/Dns"
import * as Schedule from "effect/Schedule"
import * as Net from "node:net"
import { bounded, lines } from "./support/index.ts"

/** Answers everything with its own address, until it is killed. */
const server = (host: string, port: number) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly kill: () => void }>((resume) => {
      const sockets = new Set<Net.Socket>()
      const server = Net.createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => {})
        socket.on("data", () => socket.write(`${host}\n`))
      }).listen({ host, port }, () => {
        const address = server.address()
        assert(typeof address === "object" && address !== null)
        const kill = () => {
          server.close()
          for (const socket of sockets) socket.destroy()
        }
        resume(Effect.succeed({ port: address.port, kill }))
      })
    }),
    ({ kill }) => Effect.sync(kill)
  )

describe("a name", () => {
  it.live("is resolved anew for each line: a service that has moved is found", () =>
    bounded(Effect.gen(function*() {
      const first = yield* server("127.0.0.1", 0)
      yield* server("127.0.0.2", first.port)
      const zone = (address: string) => Effect.fromResult(Dns.makeStatic({ hosts: { "service.internal": [address] } }))
      const [before, after] = [yield* zone("127.0.0.1"), yield* zone("127.0.0.2")]
      let now = before
      const dns = Layer.succeed(Dns.Dns, new Proxy(before, { get: (_, key) => Reflect.get(now, key) as unknown }))
      yield* Effect.gen(function*() {
        const client = yield* Reconnect.make(lines, { host: "service.internal", port: first.port }, {
          schedule: Schedule.spaced("10 millis"),
          queue: {}
        })
        assert.strictEqual(yield* client.request("who"), "127.0.0.1")
        now = after
        first.kill()
        const moved = client.request("who").pipe(Effect.retry(Schedule.spaced("10 millis")))
        assert.strictEqual(yield* moved, "127.0.0.2")
      }).pipe(
        Effect.scoped,
        Effect.provide(Layer.provide(NodeTransport.layerResolver, Layer.provide(AddressResolver.layer(), dns)))
      )
    })))
})
