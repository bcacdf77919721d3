// The rooms for programs: requests by id, and the events as pushes.
import type { Connection } from "@framewire/core"
import { Codec, Framed, type Protocol } from "@framewire/framing"
import { Admission, type Handler, Server } from "@framewire/server"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type * as Probe from "../tap/Probe.ts"
import * as Feeds from "./Feeds.ts"
import { isDraining } from "./isDraining.ts"
import { type Answer, framings, protocol, Refused, type Request, type RoomEvent } from "./Messages.ts"
import * as Pace from "./Pace.ts"
import * as RoomBus from "./RoomBus.ts"

const maxSeats = 64

/** As the dashboard has it. */
export const door: Probe.Door = { name: "typed", framings }

/** A program says what it wants within 10 s, and may then listen for as long as it likes, as a person may. */
export const options: Omit<Server.ServerOptions, "address"> = {
  deadlines: { readIdle: "unbounded" },
  perClient: { maxConnections: 128 },
  whenFull: Admission.reject()
}

const done: Answer = { _tag: "Done" }
const pushed = (push: RoomEvent): Protocol.Reply<Answer, Refused, RoomEvent> => ({ _tag: "Push", push })

/** Serves it; `rate` is how many messages a second a client may say. */
export const make = (
  rate: number
): Effect.Effect<
  Handler.Handler<Handler.HandlerError | Protocol.DuplicateRequest>,
  never,
  RoomBus.RoomBus | Scope.Scope
> =>
  Effect.gen(function*() {
    const bus = yield* RoomBus.RoomBus
    const feeds = yield* Feeds.make(Codec.transform(protocol.server, (call) => call, pushed))

    return Effect.fnUntraced(function*(connection: Connection.Connection) {
      const pace = yield* Pace.make(rate)
      const scope = yield* Scope.Scope
      // Requests are answered side by side; who comes and who goes is one after the other.
      const moving = yield* Semaphore.make(1)
      const seats = new Map<string, { readonly seat: RoomBus.Seat; readonly stay: Scope.Closeable }>()
      const seatIn = (room: string) => {
        const found = seats.get(room)
        return found === undefined
          ? Effect.fail(new Refused({ reason: "NotJoined", message: "join the room first" }))
          : Effect.succeed(found)
      }

      const join = Effect.fnUntraced(function*({ after, name, room }: Extract<Request, { _tag: "Join" }>) {
        if (seats.has(room)) {
          return yield* new Refused({ reason: "NameTaken", message: "this connection is in that room" })
        }
        if (seats.size >= maxSeats) {
          return yield* new Refused({ reason: "TooManyRooms", message: `a connection is in ${maxSeats} rooms at most` })
        }
        const stay = yield* Scope.fork(scope)
        const seat = yield* Effect.onError(
          Scope.provide(feeds.join(connection, { after, name, room }), stay),
          () => Scope.close(stay, Exit.void)
        )
        seats.set(room, { seat, stay })
        return done
      })

      const answer = (request: Request): Effect.Effect<Answer, Refused> => {
        switch (request._tag) {
          case "Join":
            return Effect.uninterruptible(moving.withPermits(1)(join(request)))
          case "Leave":
            return Effect.flatMap(seatIn(request.room), ({ stay }) => {
              seats.delete(request.room)
              return Effect.as(Scope.close(stay, Exit.void), done)
            }).pipe(moving.withPermits(1), Effect.uninterruptible)
          case "Say":
            return seatIn(request.room).pipe(
              Effect.tap(pace.ask),
              Effect.flatMap(({ seat }) => seat.say(request.text)),
              Effect.map((seq) => ({ _tag: "Kept", seq }))
            )
          case "Who":
            return Effect.map(bus.who(request.room), (names) => ({ _tag: "Names", names }))
          case "History":
            return Effect.map(bus.history(request.room, request.after), (messages) => ({ _tag: "Messages", messages }))
          case "Rooms":
            return Effect.map(bus.rooms, (rooms) => ({ _tag: "RoomList", rooms }))
        }
      }

      yield* Server.respond(protocol, answer)(connection)
      if (yield* isDraining(connection)) {
        // Nothing comes after the goodbye.
        yield* Effect.forEach(seats.values(), ({ stay }) => Scope.close(stay, Exit.void), { discard: true })
        yield* Framed.make(connection, protocol.server).send({ _tag: "Push", push: { _tag: "Goodbye" } })
      }
    }, Effect.scoped)
  })
