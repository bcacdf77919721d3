// One page for what has connections, and for rooms: HTML, CSS and modules of this package, nothing comes from elsewhere.
//
// GET /             page.html, and what it names
// GET /events       what passes on the wire, as server-sent events; the first one says what is so now
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Address, TransportReason } from "@framewire/core"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { readFile } from "node:fs/promises"
import { createServer } from "node:http"
import * as CommandError from "../CommandError.ts"
import type * as Hub from "../tap/Hub.ts"
import * as Print from "../tap/Print.ts"

/** Pages that watch the wire at a time; each may be behind by what the hub keeps. */
const maxWatching = 16

/** Beside the sources, and beside what is built of them. */
const folder = new URL("../../page/", import.meta.url)
const modules = ["page.js", "elements.js", "wire.js", "feed.js", "frames.js", "connections.js", "plots.js", "room.js"]

/** Whatever peers say, no script but the page's own runs, and nothing is fetched from elsewhere. */
export const headers = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store"
}

export interface Subject {
  readonly name: "tap" | "rooms"
  readonly hub: Hub.Hub
  /** Of its rooms. */
  readonly routes?: ReadonlyArray<HttpRouter.Route>
}

export const refuse = (status: number, message: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe({ message }, { status, headers })

/** From no other site, and not by a name that only leads here: the page of somebody else must neither read nor speak. */
export const isOurs = ({ headers }: HttpServerRequest.HttpServerRequest): boolean => {
  const host = headers["host"] ?? ""
  const origin = headers["origin"]
  return /^(localhost|[\d.]+|\[[\da-f:]+\])(:\d+)?$/i.test(host) &&
    (origin === undefined || origin === `http://${host}`)
}

/** What passes on the wire is of everybody: whoever looks at it sits at this host. */
export const isHere = ({ remoteAddress }: Pick<HttpServerRequest.HttpServerRequest, "remoteAddress">): boolean =>
  Option.exists(remoteAddress, (address) => /^(::ffff:)?127\.|^::1$/.test(address))

const read = (name: string) =>
  Effect.tryPromise({
    try: () => readFile(new URL(name, folder), "utf8"),
    catch: (error) => CommandError.failure({ message: String(error) })
  })

const file = (name: string, contentType: string) =>
  Effect.map(
    read(name),
    (text) => HttpRouter.route("GET", `/${name}`, HttpServerResponse.text(text, { contentType, headers }))
  )

const encode = (events: ReadonlyArray<unknown>) =>
  new TextEncoder().encode(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(""))

const live = (hub: Hub.Hub): Stream.Stream<Uint8Array> =>
  Stream.unwrap(Effect.map(PubSub.subscribe(hub.events), (events) => {
    // After the subscription, so that nothing comes between the two; what comes in both is no harm.
    const here = Stream.sync(() => {
      const { lives, listening, run } = hub.here()
      return encode([{ _tag: "Here", run, listening: listening.map(Print.toJson), lives: lives.map(Print.toJson) }])
    })
    return Stream.concat(
      here,
      Stream.mapArray(Stream.fromSubscription(events), (batch) => [encode(batch.map(Print.toJson))])
    )
  }))

const routesOf = ({ hub, name, routes = [] }: Subject) =>
  Effect.gen(function*() {
    const watching = Semaphore.makeUnsafe(maxWatching)
    const html = (yield* read("page.html")).replaceAll("NAME", name)
    const room = routes.length > 0 ? ["room"] : []

    const index = Effect.map(HttpServerRequest.HttpServerRequest, (request) => {
      const parts = [...isHere(request) ? ["wire"] : [], ...room].join(" ")
      return HttpServerResponse.text(html.replace("PARTS", parts), {
        contentType: "text/html; charset=utf-8",
        headers
      })
    })
    const events = Effect.gen(function*() {
      const request = yield* HttpServerRequest.HttpServerRequest
      if (!isOurs(request) || !isHere(request)) return refuse(403, "not from there")
      const free = yield* Effect.acquireRelease(
        watching.takeIfAvailable(1),
        (taken) => taken ? watching.release(1) : Effect.void
      )
      if (!free) return refuse(503, `${maxWatching} pages are open`)
      return HttpServerResponse.stream(live(hub), { contentType: "text/event-stream", headers })
    })
    return HttpRouter.addAll([
      HttpRouter.route("GET", "/", index),
      HttpRouter.route("GET", "/events", events),
      yield* file("page.css", "text/css"),
      ...yield* Effect.forEach(modules, (name) => file(name, "text/javascript")),
      ...routes
    ])
  })

/** Serves it until the scope closes, which ends what is live. Gives its URL. */
export const serve = (
  address: Address.TcpAddress,
  subject: Subject
): Effect.Effect<string, CommandError.CommandError, Scope.Scope> =>
  Effect.gen(function*() {
    // As our own connections: a page whose host is gone would keep its seat, and the name, as long as the room is quiet.
    const http = Object.assign(createServer({ headersTimeout: 10_000 }), { maxConnections: 512 })
      .on("connection", (socket) => void socket.setKeepAlive(true, 30_000, 5000, 4))
    const server = NodeHttpServer.layer(() => http, { host: address.host, port: address.port })
    const app = HttpRouter.serve(Layer.unwrap(routesOf(subject)), { disableLogger: true, disableListenLog: true })
    const context = yield* Layer.build(Layer.provideMerge(app, server)).pipe(
      Effect.catchTag("ServeError", ({ cause }) =>
        CommandError.failure({
          message: `cannot serve the page on ${Address.format(address)}: ${TransportReason.fromCause(cause).message}`
        }))
    )
    // Live pages never end by themselves, and what serves them would wait 20 s for their end.
    yield* Effect.addFinalizer(() => Effect.sync(() => http.closeAllConnections()))
    const bound = yield* Effect.provide(HttpServer.HttpServer, context)
    return HttpServer.formatAddress(bound.address)
  })
