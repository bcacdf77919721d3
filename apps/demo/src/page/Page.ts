// The page of a tap, on 127.0.0.1 alone: one HTML file, and its events as they come.
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Address } from "@framewire/core"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import * as CommandError from "../CommandError.ts"
import * as Print from "../tap/Print.ts"
import type { TapEvent } from "../tap/TapEvent.ts"

const host = "127.0.0.1"

/** Pages at a time; each may be behind by what the hub keeps. */
const maxPages = 16

const html = readFileSync(new URL("page.html", import.meta.url), "utf8")

const hashOf = (tag: string): string => {
  const [, text = ""] = new RegExp(`<${tag}>([^]*)</${tag}>`).exec(html) ?? []
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`
}

// Whatever the wire brings, no script but the page's own can run, and nothing can be fetched from elsewhere.
const policy =
  `default-src 'none'; script-src ${hashOf("script")}; style-src ${hashOf("style")}; connect-src 'self'; ` +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const headers = { "content-security-policy": policy, "x-content-type-options": "nosniff", "cache-control": "no-store" }

const encoder = new TextEncoder()

const live = (events: PubSub.PubSub<TapEvent>): Stream.Stream<Uint8Array> =>
  Stream.fromPubSub(events).pipe(
    Stream.mapArray((batch) => [
      encoder.encode(batch.map((event) => `data: ${JSON.stringify(Print.toJson(event))}\n\n`).join(""))
    ])
  )

/** Serves the page until the scope closes, and says where. */
export const serve = (
  port: number,
  events: PubSub.PubSub<TapEvent>
): Effect.Effect<void, CommandError.CommandError, Scope.Scope> =>
  Effect.gen(function*() {
    if (!Address.isPort(port)) return yield* CommandError.usage(`--web: 0 to ${Address.maxPort}`)
    const http = createServer()
    const services = yield* Layer.build(NodeHttpServer.layer(() => http, { host, port })).pipe(
      Effect.mapError(({ cause }) =>
        CommandError.failure({ message: `--web: ${cause instanceof Error ? cause.message : String(cause)}` })
      )
    )
    const pages = Semaphore.makeUnsafe(maxPages)
    const bound = http.address()
    const at = typeof bound === "object" && bound !== null ? bound.port : port
    const known = new Set([`${host}:${at}`, `localhost:${at}`])

    const answer = Effect.gen(function*() {
      const request = yield* HttpServerRequest.HttpServerRequest
      // A name of somebody else's that leads here (DNS rebinding) must not read what passes.
      if (!known.has(request.headers["host"] ?? "")) return HttpServerResponse.text("not this host", { status: 403 })
      if (request.method !== "GET") return HttpServerResponse.text("only GET", { status: 405 })
      switch (request.url) {
        case "/":
          return HttpServerResponse.text(html, { contentType: "text/html; charset=utf-8", headers })
        case "/events": {
          const free = yield* Effect.acquireRelease(
            pages.takeIfAvailable(1),
            (taken) => taken ? pages.release(1) : Effect.void
          )
          if (!free) return HttpServerResponse.text(`${maxPages} pages are open`, { status: 503 })
          return HttpServerResponse.stream(live(events), {
            contentType: "text/event-stream",
            headers
          })
        }
        default:
          return HttpServerResponse.text("no such page", { status: 404 })
      }
    })
    yield* Effect.provideContext(HttpServer.serveEffect(answer), services)
    // Live pages never end by themselves, and what serves them would wait 20 s for their end.
    yield* Effect.addFinalizer(() => Effect.sync(() => http.closeAllConnections()))
    yield* Console.error(`framewire: the page is http://${host}:${at}`)
  })
