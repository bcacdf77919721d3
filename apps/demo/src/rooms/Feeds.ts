// The events of the rooms on their way to the connections of one door: encoded once, each consumer at its own pace.
import type { Connection } from "@framewire/core"
import { Codec } from "@framewire/framing"
import { Broadcast } from "@framewire/server"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { Refused, type RoomEvent, type Why } from "./Messages.ts"
import * as RoomBus from "./RoomBus.ts"

/** A consumer that does not read is reset once as much waits for it. */
const slow: Broadcast.ConsumerOptions<RoomEvent> = { policy: "disconnect", maxBytes: 262_144, maxMessages: 1024 }

export interface Feeds {
  /**
   * `RoomBus.join` for a connection, which gets all that it has missed, at its own pace, and then the events. Leaves when the
   * scope closes.
   */
  readonly join: (
    connection: Connection.Connection,
    joining: Omit<RoomBus.Joining, "enter">
  ) => Effect.Effect<RoomBus.Seat, Refused, Scope.Scope>
}

interface Feed {
  readonly broadcast: Broadcast.Broadcast<RoomEvent>
  members: number
}

/** A door whose codec writes events. */
export const make = (
  codec: Codec.Codec<unknown, RoomEvent>
): Effect.Effect<Feeds, never, RoomBus.RoomBus | Scope.Scope> =>
  Effect.gen(function*() {
    const bus = yield* RoomBus.RoomBus
    const feeds = new Map<string, Feed>()
    const tooSlow = new WeakSet<Connection.Connection>()
    const onDrop = ({ connection, reason }: Broadcast.Drop) => {
      if (reason === "disconnected" || reason === "budget") tooSlow.add(connection)
    }
    yield* bus.watch((events) => {
      const rooms = new Map<string, Array<RoomEvent>>()
      for (const event of events) {
        const of = rooms.get(event.room) ?? []
        of.push(event)
        rooms.set(event.room, of)
      }
      return Effect.forEach(rooms, ([room, events]) => {
        const feed = feeds.get(room)
        // What the bus lets through, the codec writes.
        return feed === undefined ? Effect.void : Effect.orDie(feed.broadcast.publishAll(events))
      }, { discard: true })
    })

    const acquire = (room: string) =>
      Effect.acquireRelease(
        Effect.gen(function*() {
          const feed = feeds.get(room) ?? { broadcast: yield* Broadcast.make(codec, { onDrop }), members: 0 }
          feed.members++
          feeds.set(room, feed)
          return feed
        }),
        (feed) =>
          Effect.sync(() => {
            if (--feed.members === 0) feeds.delete(room)
          })
      )

    return {
      join: (connection, { after, ...joining }) =>
        Effect.gen(function*() {
          const scope = yield* Scope.Scope
          const why = (exit: Exit.Exit<unknown, unknown>): Why =>
            tooSlow.has(connection) ? "slow" : Exit.isSuccess(exit) ? "left" : "gone"
          const enter = (replay: ReadonlyArray<RoomEvent>) =>
            Effect.gen(function*() {
              const { broadcast } = yield* acquire(joining.room)
              yield* broadcast.join(connection, slow)
              // Written in this turn, before any event. Where it is refused, as what waits there is too much already, the
              // events would go on without it.
              if (replay.length === 0) return
              const sending = Effect.catch(
                connection.sendAllUnsafe(Result.getOrThrow(Codec.encodeAll(codec, replay))),
                () => Effect.andThen(Effect.sync(() => tooSlow.add(connection)), connection.abort)
              )
              yield* Effect.forkIn(sending, scope, { startImmediately: true })
            }).pipe(Scope.provide(scope))
          let before = after
          for (;;) {
            const joined = yield* Effect.result(Effect.acquireRelease(
              bus.join({ ...joining, after: before, enter }),
              (seat, exit) => seat.leave(why(exit))
            ))
            if (Result.isSuccess(joined)) return joined.success
            if (joined.failure._tag === "Refused") return yield* joined.failure
            const { missed } = joined.failure
            yield* Effect.interruptible(connection.sendAll(Result.getOrThrow(Codec.encodeAll(codec, missed)))).pipe(
              Effect.mapError(({ message }) => new Refused({ reason: "NotJoined", message }))
            )
            before = missed.at(-1)?.seq
          }
        })
    }
  })
