/**
 * What load balancers, Kubernetes and Prometheus ask a server, over HTTP.
 *
 * ```text
 * GET /ready     200 while new clients should come, else 503      Running, Suspended, Draining, Stopped
 * GET /live      200 while it does its work, a stop included, else 503
 * GET /metrics   200, all metrics of this process in the text format of Prometheus
 * ```
 *
 * It is imported by its own name, `@framewire/server/Health`, so that who does not want it loads no HTTP.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Server from "./Server.ts"

/**
 * Where the answers are.
 *
 * @category options
 * @since 0.1.0
 */
export interface HealthOptions {
  /** Default `/ready`. */
  readonly ready?: HttpRouter.PathInput
  /** Default `/live`. */
  readonly live?: HttpRouter.PathInput
  /** Default `/metrics`. */
  readonly metrics?: HttpRouter.PathInput
}

/**
 * Adds the answers to a router: the program chooses the HTTP server, and where it listens.
 *
 * **Contract**: it answers as long as the HTTP server does. That one needs the `Server`, so as a layer it is closed before it:
 * `drainFirst` lets it answer while the server drains.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: HealthOptions = {}
): Layer.Layer<never, never, HttpRouter.HttpRouter | Server.Server> => {
  const { live = "/live", metrics = "/metrics", ready = "/ready" } = options
  const states = Layer.effectDiscard(Effect.gen(function*() {
    const server = yield* Server.Server
    const router = yield* HttpRouter.HttpRouter
    const answer = (isSo: Effect.Effect<boolean>) =>
      Effect.zipWith(isSo, server.state, (isSo, { _tag }) =>
        HttpServerResponse.text(`${_tag}\n`, {
          status: isSo ? 200 : 503,
          headers: { "cache-control": "no-store" }
        }))
    yield* router.add("GET", ready, answer(server.ready))
    yield* router.add("GET", live, answer(server.live))
  }))
  return Layer.mergeAll(states, PrometheusMetrics.layerHttp({ path: metrics }))
}

/**
 * Stops the server when it is closed, as its own layer does. Layers are closed in the reverse of the order in which they were
 * built: with `HttpRouter.serve(Health.layer())` provided to it, it is closed before that, and the drain can be watched.
 *
 * @category layers
 * @since 0.1.0
 */
export const drainFirst: Layer.Layer<never, never, Server.Server> = Layer.effectDiscard(
  Effect.acquireRelease(Server.Server, (server) => server.stop)
)
