// The rooms for browsers, beside what the page has: a seat that lasts as long as its stream of events.
//
// GET /rooms        which there are
// GET /room         ?room&name, Last-Event-ID resumes: server-sent events, what was missed, `welcome { token }` or `refused`
// POST /say         { token, text } -> { seq }
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Effect from "effect/Effect"
import * as Sse from "effect/encoding/Sse"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import type { Socket } from "node:net"
import { headers, isOurs, refuse } from "../page/Page.ts"
import { Refused, type RoomEvent, type Why } from "./Messages.ts"
import * as Pace from "./Pace.ts"
import * as RoomBus from "./RoomBus.ts"

const maxPages = 256
// One more resets the connection, which may not read ever again; a browser comes back with the last number that it has.
const maxWaiting = 1024

const sse = (event: string, data: unknown, id?: number) =>
  Sse.encoder.write({
    _tag: "Event",
    event,
    id: id === undefined ? undefined : String(id),
    data: JSON.stringify(data)
  })
const sseOf = (event: RoomEvent) => sse("message", event, event._tag === "Said" ? event.seq : undefined)

/** Of a page: what waits for it, and what becomes of one that is too slow. */
interface Listener {
  readonly queue: Queue.Queue<RoomEvent>
  readonly drop: () => void
}

interface Page {
  readonly seat: RoomBus.Seat
  readonly pace: Pace.Pace
}

const Search = Schema.Struct({ room: Schema.String, name: Schema.String })
const Saying = Schema.Struct({ token: Schema.String, text: Schema.String })

const number = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined

const socketOf = (request: HttpServerRequest.HttpServerRequest) =>
  NodeHttpServerRequest.toIncomingMessage(request).socket

/** The routes; `rate` is how many messages a second a page may say. */
export const make = (
  rate: number
): Effect.Effect<ReadonlyArray<HttpRouter.Route>, never, RoomBus.RoomBus | Scope.Scope> =>
  Effect.gen(function*() {
    const bus = yield* RoomBus.RoomBus
    let open = 0
    /** Those that have a seat. */
    const pages = new Map<string, Page>()
    const listeners = new Map<string, Set<Listener>>()
    yield* bus.watch((events) =>
      Effect.sync(() => {
        for (const event of events) {
          for (const { drop, queue } of listeners.get(event.room) ?? []) {
            if (!Queue.offerUnsafe(queue, event)) drop()
          }
        }
      })
    )

    /** What a page has missed, its seat, and its events. */
    const sit = Effect.fnUntraced(function*(
      room: string,
      name: string,
      after: number | undefined,
      connection: Socket
    ) {
      if (open >= maxPages) return yield* new Refused({ reason: "RoomFull", message: `${maxPages} pages are open` })
      yield* Effect.acquireRelease(Effect.sync(() => open++), () => Effect.sync(() => open--))
      const queue = yield* Effect.acquireRelease(Queue.dropping<RoomEvent>(maxWaiting), Queue.shutdown)
      let why: Why = "gone"
      const listener: Listener = {
        queue,
        drop: () => {
          why = "slow"
          connection.destroy()
        }
      }
      const enter = (replay: ReadonlyArray<RoomEvent>) =>
        Effect.sync(() => {
          Queue.offerAllUnsafe(queue, replay)
          listeners.set(room, (listeners.get(room) ?? new Set()).add(listener))
        })
      const token = randomUUID()
      const take = (after: number | undefined) =>
        Effect.acquireRelease(bus.join({ room, name, after, enter }), (seat) => {
          pages.delete(token)
          const left = listeners.get(room)
          left?.delete(listener)
          if (left?.size === 0) listeners.delete(room)
          return seat.leave(why)
        })
      const pace = yield* Pace.make(rate)
      const live = Stream.concat(
        Stream.succeed(sse("welcome", { token })),
        Stream.map(Stream.fromQueue(queue), sseOf)
      )
      const scope = yield* Scope.Scope
      return Stream.flatten(Stream.paginate(after, (after) =>
        take(after).pipe(
          Effect.map((seat) => {
            pages.set(token, { seat, pace })
            return [[live], Option.none<number | undefined>()] as const
          }),
          Effect.catchTag("Behind", ({ missed }) =>
            Effect.succeed(
              [[Stream.map(Stream.fromIterable(missed), sseOf)], Option.some(missed.at(-1)?.seq)] as const
            )),
          Scope.provide(scope)
        )))
    })

    const events = Effect.gen(function*() {
      const request = yield* HttpServerRequest.HttpServerRequest
      if (!isOurs(request)) return refuse(403, "not from there")
      const search = yield* Effect.option(HttpServerRequest.schemaSearchParams(Search))
      if (Option.isNone(search)) return refuse(400, "room and name")
      const { name, room } = search.value
      const body = Stream.unwrap(sit(room, name, number(request.headers["last-event-id"]), socketOf(request))).pipe(
        Stream.catchTag("Refused", (error) => Stream.succeed(sse("refused", { message: error.message }))),
        Stream.encodeText
      )
      return HttpServerResponse.stream(body, { contentType: "text/event-stream", headers })
    })

    const say = Effect.gen(function*() {
      const request = yield* HttpServerRequest.HttpServerRequest
      if (!isOurs(request)) return refuse(403, "not from there")
      if (!/^application\/json\s*(;|$)/i.test(request.headers["content-type"] ?? "")) {
        return refuse(415, "application/json")
      }
      if (!((number(request.headers["content-length"]) ?? Infinity) <= 8192)) {
        return refuse(413, "8192 bytes at most")
      }
      const saying = yield* Effect.option(HttpServerRequest.schemaBodyJson(Saying))
      if (Option.isNone(saying)) return refuse(400, "token and text")
      const page = pages.get(saying.value.token)
      if (page === undefined) return refuse(404, "not in a room")
      return yield* Effect.andThen(page.pace.ask, page.seat.say(saying.value.text)).pipe(
        Effect.map((seq) => HttpServerResponse.jsonUnsafe({ seq }, { headers })),
        Effect.catch(({ message, reason }) => Effect.succeed(refuse(reason === "TooFast" ? 429 : 422, message)))
      )
    })

    const list = Effect.gen(function*() {
      if (!isOurs(yield* HttpServerRequest.HttpServerRequest)) return refuse(403, "not from there")
      return yield* bus.rooms.pipe(
        Effect.map((rooms) => HttpServerResponse.jsonUnsafe(rooms, { headers })),
        Effect.catch(({ message }) => Effect.succeed(refuse(503, message)))
      )
    })

    return [
      HttpRouter.route("GET", "/rooms", list),
      HttpRouter.route("GET", "/room", events),
      HttpRouter.route("POST", "/say", say)
    ]
  })
