// What a load balancer and Prometheus see, over a real HTTP server.
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { NodeTransport } from "@framewire/core/node"
import { Server, ServerMetrics } from "@framewire/server"
import * as Health from "@framewire/server/Health"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import { createServer } from "node:http"
import { lines, options, RawClient } from "./support/index.ts"

/** A server whose handlers wait, and somebody who asks for its health. */
const asked = <A, E>(
  body: (
    get: (path: string) => Promise<Response>,
    release: Effect.Effect<unknown>
  ) => Effect.Effect<A, E, Server.Server>,
  how?: Health.HealthOptions
) => {
  const gate = Deferred.makeUnsafe<void>()
  const server = Server.layer(
    options,
    Server.respond(lines, (line) => Effect.as(Deferred.await(gate), line))
  ).pipe(Layer.provide(NodeTransport.layer))
  const http = NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })
  const health = HttpRouter.serve(Health.layer(how), { disableLogger: true, disableListenLog: true })
  return Effect.gen(function*() {
    const { address } = yield* HttpServer.HttpServer
    const at = `http://127.0.0.1:${"port" in address ? address.port : 0}`
    return yield* body((path) => fetch(at + path), Deferred.succeed(gate, undefined))
  }).pipe(
    Effect.provide(Layer.provideMerge(health, Layer.merge(server, http))),
    Effect.provideService(Metric.MetricRegistry, new Map()),
    Effect.timeout("10 seconds")
  )
}

const seen = (get: (path: string) => Promise<Response>, path: string) =>
  Effect.promise(async () => {
    const response = await get(path)
    return [response.status, (await response.text()).trim()] as const
  })

describe("Health", () => {
  it.live("follows the server: running, suspended, draining, stopped", () =>
    asked((get, release) =>
      Effect.gen(function*() {
        const server = yield* Server.Server
        const both = Effect.all([seen(get, "/ready"), seen(get, "/live")])
        assert.deepStrictEqual(yield* both, [[200, "Running"], [200, "Running"]])
        yield* server.suspend
        assert.deepStrictEqual(yield* both, [[503, "Suspended"], [200, "Suspended"]])
        yield* server.resume
        const client = yield* Effect.orDie(RawClient.connect(server.address, { finishes: true }))
        client.write("a\n")
        while ((yield* server.connections) === 0) yield* Effect.sleep("2 millis")
        yield* Effect.forkChild(server.stop, { startImmediately: true })
        assert.deepStrictEqual(yield* both, [[503, "Draining"], [200, "Draining"]])
        yield* release
        yield* server.stop
        assert.deepStrictEqual(yield* both, [[503, "Stopped"], [503, "Stopped"]])
      }).pipe(Effect.scoped)
    ))

  it.live("/metrics are those of Effect's exporter, with what the server has counted", () =>
    asked((get, release) =>
      Effect.gen(function*() {
        const { address } = yield* Server.Server
        const client = yield* Effect.orDie(RawClient.connect(address))
        client.write("a\n")
        const { connections } = yield* Server.Server
        while ((yield* connections) === 0) yield* Effect.sleep("2 millis")
        yield* release
        const response = yield* Effect.promise(() => get("/metrics"))
        assert.strictEqual(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8")
        const text = yield* Effect.promise(() => response.text())
        const name = ServerMetrics.accepted.id.replaceAll(".", "_")
        assert.include(text, `# TYPE ${name} counter`)
        const port = "port" in address ? address.port : 0
        const [, labels = ""] = new RegExp(`^${name}\\{(.*)\\} 1$`, "m").exec(text) ?? []
        assert.sameMembers(labels.split(","), [
          "server_address=\"127.0.0.1\"",
          `server_port="${port}"`,
          "network_transport=\"tcp\"",
          "network_type=\"ipv4\"",
          "tls_established=\"false\""
        ])
      }).pipe(Effect.scoped)
    ))

  it.live("its paths can be others, and what is not there is 404", () =>
    asked((get) =>
      Effect.gen(function*() {
        assert.strictEqual((yield* seen(get, "/readyz"))[0], 200)
        assert.strictEqual((yield* seen(get, "/ready"))[0], 404)
      }), { ready: "/readyz" }))

  it.live("answers while a program of layers drains, with drainFirst", () =>
    Effect.gen(function*() {
      const gate = Deferred.makeUnsafe<void>()
      const served = Server.layer(options, Server.respond(lines, (line) => Effect.as(Deferred.await(gate), line)))
      const http = NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })
      const health = HttpRouter.serve(Health.layer(), { disableLogger: true, disableListenLog: true })
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(
        Health.drainFirst.pipe(
          Layer.provide(health),
          Layer.provideMerge(served),
          Layer.provideMerge(http),
          Layer.provide(NodeTransport.layer)
        ),
        scope
      )
      const { address } = Context.get(context, HttpServer.HttpServer)
      const server = Context.get(context, Server.Server)
      const get = (path: string) => fetch(`http://127.0.0.1:${"port" in address ? address.port : 0}${path}`)
      const client = yield* Effect.orDie(RawClient.connect(server.address, { finishes: true }))
      client.write("a\n")
      while ((yield* server.connections) === 0) yield* Effect.sleep("2 millis")
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      assert.deepStrictEqual(yield* seen(get, "/ready"), [503, "Draining"])
      assert.deepStrictEqual(yield* seen(get, "/live"), [200, "Draining"])
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* client.ended, "a\n")
      yield* Fiber.join(closing)
    }).pipe(
      Effect.scoped,
      Effect.provideService(Metric.MetricRegistry, new Map()),
      Effect.timeout("10 seconds")
    ))
})
