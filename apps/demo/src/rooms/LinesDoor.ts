// The rooms for people with nc: a line is a command or is said, and what happens comes as lines.
import type { Connection } from "@framewire/core"
import { Codec, Framed, Lines } from "@framewire/framing"
import { Admission, type Handler, type Server } from "@framewire/server"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import { randomInt } from "node:crypto"
import * as Bytes from "../Bytes.ts"
import type * as Probe from "../tap/Probe.ts"
import * as Feeds from "./Feeds.ts"
import { isDraining } from "./isDraining.ts"
import type { Refused, RoomEvent } from "./Messages.ts"
import * as Pace from "./Pace.ts"
import * as RoomBus from "./RoomBus.ts"

const framings = {
  // One too long costs that line, not the connection.
  client: Lines.make({ limit: 4096, onTooLong: "skip" }),
  // Whatever there is to tell: 512 names of 128 bytes, or a message whose characters are all written out.
  server: Lines.make({ limit: 131_072 })
}
const codec = Codec.duplex(Codec.text(framings.client), Codec.text(framings.server))

/** As the dashboard has it. */
export const door: Probe.Door = { name: "lines", framings }

/** Of an answer to /rooms. */
const maxRooms = 100

const whys = { left: "", slow: ": too slow", gone: ": the connection ended" }

/** An event as a line; nothing in it steers a terminal. */
const lineOf = (event: RoomEvent): string => {
  if (event._tag === "Said") return `#${event.seq} ${event.name}: ${Bytes.visible(event.text)}`
  return event._tag === "Joined"
    ? `* ${event.name} joined ${event.room}`
    : `* ${event.name} left ${event.room}${whys[event.why]}`
}

const help = [
  "* /join ROOM   enter a room, and leave the one before",
  "* /nick NAME   be called so",
  "* /leave       leave the room",
  "* /who         who is in the room",
  "* /history [N] the messages above number N",
  "* /rooms       which rooms there are",
  "* /quit        goodbye",
  "* Every other line is said in the room."
]

/**
 * A person reads for hours before saying a word, so silence ends nobody who has spoken once: a peer that is gone is found by
 * TCP's keep-alive in 50 s, or by what it does not read.
 */
export const options: Omit<Server.ServerOptions, "address"> = {
  deadlines: { firstFrame: "5 minutes", readIdle: "unbounded" },
  perClient: { maxConnections: 128 },
  whenFull: Admission.reject({ busy: new TextEncoder().encode("* the rooms are full: come back later\n") })
}

/** Serves it; `rate` is how many messages a second a client may say. */
export const make = (
  rate: number
): Effect.Effect<Handler.Handler<Handler.HandlerError>, never, RoomBus.RoomBus | Scope.Scope> =>
  Effect.gen(function*() {
    const bus = yield* RoomBus.RoomBus
    const feeds = yield* Feeds.make(Codec.transform(codec, (line) => line, lineOf))

    return Effect.fnUntraced(function*(connection: Connection.Connection) {
      const framed = Framed.make(connection, codec)
      const pace = yield* Pace.make(rate)
      const tell = (...lines: ReadonlyArray<string>) => framed.sendAll(lines)
      // Not the connection's number: other nodes count theirs.
      let name = `guest-${randomInt(1_000_000_000)}`
      let seat: RoomBus.Seat | undefined
      let stay = yield* Scope.make()
      yield* Effect.addFinalizer((exit) => Scope.close(stay, exit))

      const leave = Effect.suspend(() => {
        const left = stay
        seat = undefined
        stay = Scope.makeUnsafe()
        return Scope.close(left, Exit.void)
      })
      const join = (room: string, as: string) =>
        Effect.gen(function*() {
          if (!RoomBus.isName(as)) return yield* RoomBus.badName(as)
          const next = Scope.makeUnsafe()
          const before = seat
          // Who only changes the name has read what was said.
          const again = before?.room === room ? { after: Infinity } : {}
          if (before?.room === room) yield* leave
          const joined = yield* Effect.exit(Scope.provide(feeds.join(connection, { room, name: as, ...again }), next))
          if (Exit.isSuccess(joined)) {
            if (before?.room !== room) yield* leave
            seat = joined.value
            stay = next
            name = as
            return
          }
          yield* Scope.close(next, Exit.void)
          if (before?.room === room) {
            stay = Scope.makeUnsafe()
            seat = yield* Scope.provide(feeds.join(connection, { room, name, after: Infinity }), stay)
          }
          return yield* joined
        })
      const inRoom = <E>(run: (seat: RoomBus.Seat) => Effect.Effect<unknown, E>) =>
        Effect.suspend((): Effect.Effect<unknown, E | Handler.HandlerError> =>
          seat === undefined ? tell("* you are in no room: /join ROOM") : run(seat)
        )

      /** False ends the connection. */
      const obey = (line: string): Effect.Effect<boolean, Refused | Framed.FramedError | Handler.HandlerError> =>
        Effect.gen(function*() {
          const [, command = "", rest = ""] = /^\/(\S*)\s*(.*?)\s*$/s.exec(line) ?? []
          if (!line.startsWith("/")) {
            if (line !== "") yield* inRoom((seat) => Effect.andThen(pace.wait, seat.say(line)))
          } else if (command === "join") yield* join(rest === "" ? "lobby" : rest, name)
          else if (command === "leave") yield* inRoom(() => Effect.andThen(leave, tell("* you left")))
          else if (command === "who") {
            yield* inRoom(({ room }) => Effect.flatMap(bus.who(room), (names) => tell(`* ${names.join(" ")}`)))
          } else if (command === "rooms") {
            const rooms = yield* bus.rooms
            yield* tell(
              ...rooms.slice(0, maxRooms).map(({ last, members, room }) => `* ${room}: ${members} here, ${last} said`),
              ...rooms.length === 0 ? ["* no rooms yet: /join ROOM makes one"] : [],
              ...rooms.length > maxRooms ? [`* and ${rooms.length - maxRooms} more`] : []
            )
          } else if (command === "history") {
            const after = /^\d{0,15}$/.test(rest) ? Number(rest) : 0
            yield* inRoom(({ room }) =>
              Effect.gen(function*() {
                const messages = yield* bus.history(room, after)
                const last = messages.length < RoomBus.page ? undefined : messages.at(-1)?.seq
                const isMore = last !== undefined && (yield* bus.history(room, last)).length > 0
                yield* tell(...messages.map(lineOf), isMore ? `* more: /history ${last}` : "* that was it")
              })
            )
          } else if (command === "nick") {
            if (seat !== undefined) yield* join(seat.room, rest)
            else if (!RoomBus.isName(rest)) return yield* RoomBus.badName(rest)
            else name = rest
            yield* tell(`* you are ${name}`)
          } else if (command === "quit") {
            yield* leave
            yield* tell("* goodbye")
            return false
          } else {yield* tell(
              ...(command === "help" ? [] : [`* no such command: /${Bytes.visible(command.slice(0, 32))}`]),
              ...help
            )}
          return true
        })

      yield* tell(`* welcome, ${name}: /join ROOM, /help`)
      const next: Effect.Effect<boolean, Handler.HandlerError> = framed.receive.pipe(
        Effect.flatMap(obey),
        Effect.catchTags({
          Refused: ({ message }) => Effect.as(tell(`* no: ${message}`), true),
          MessageError: ({ message }) => Effect.as(tell(`* no: ${message}`), true)
        }),
        Pull.catchDone(() => Effect.succeed(false))
      )
      yield* Effect.repeat(next, { while: (more) => more })
      yield* leave
      if (yield* isDraining(connection)) yield* tell("* goodbye: the server stops")
    }, Effect.scoped)
  })
