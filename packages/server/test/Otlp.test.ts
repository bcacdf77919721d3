// What a collector of OpenTelemetry is sent, by Effect's own layer and over real HTTP.
import { assert, describe, it } from "@effect/vitest"
import { NodeTransport } from "@framewire/core/node"
import { Server } from "@framewire/server"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Otlp from "effect/observability/Otlp"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { lines, options, RawClient } from "./support/index.ts"

/** What was posted, by path. */
const collector = Effect.acquireRelease(
  Effect.callback<{ readonly url: string; readonly posted: Record<string, string>; readonly close: () => void }>(
    (resume) => {
      const posted: Record<string, string> = {}
      const http = createServer((request, response) => {
        request.setEncoding("utf8").on("data", (text) => {
          posted[request.url ?? ""] = `${posted[request.url ?? ""] ?? ""}${text}`
        })
        request.on("end", () => response.end("{}"))
      })
      http.listen(0, "127.0.0.1", () => {
        const { port } = http.address() as AddressInfo
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, posted, close: () => http.close() }))
      })
    }
  ),
  ({ close }) => Effect.sync(close)
)

describe("OTLP", () => {
  it.live("a connection's metrics and spans reach the collector when the server has stopped", () =>
    Effect.gen(function*() {
      const { posted, url } = yield* collector
      yield* Effect.gen(function*() {
        const { address } = yield* Server.Server
        const client = yield* RawClient.connect(address, { finishes: true })
        client.write("hello\n")
        yield* client.received(6)
      }).pipe(
        Effect.scoped,
        Effect.provide(
          Server.layer(options, Server.respond(lines, Effect.succeed<string>)).pipe(
            Layer.provide(NodeTransport.layer),
            Layer.provide(Otlp.layerJson({ baseUrl: url, resource: { serviceName: "echo" } })),
            Layer.provide(FetchHttpClient.layer)
          )
        ),
        Effect.provideService(Metric.MetricRegistry, new Map())
      )
      const { "/v1/metrics": metrics = "", "/v1/traces": traces = "" } = posted
      for (const name of ["tcp.server.connection.accepted", "tcp.server.connection.duration", "tcp.io"]) {
        assert.include(metrics, `"name":"${name}"`)
      }
      for (const name of ["tcp.listen", "tcp.connection", "tcp.drain"]) assert.include(traces, `"name":"${name}"`)
      assert.notInclude(metrics, "network.peer")
    }).pipe(Effect.scoped, Effect.timeout("10 seconds")))
})
