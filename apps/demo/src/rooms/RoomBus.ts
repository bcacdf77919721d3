// The rooms: who is in them, what is said, and in which order. Doors are what people and programs come in by.
//
// say -> queue -> { number, commit, publish } a batch -> acknowledged        one lock: the order of all rooms
// join ---------> { read, enter, publish } ----------^
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Bytes from "../Bytes.ts"
import { Refused, type RoomEvent, type RoomInfo, type Said, type Why } from "./Messages.ts"
import { RoomStore, type StoreError } from "./RoomStore.ts"

/** All of them are bounds of what peers choose. */
export interface Limits {
  /** Rooms that have members or messages. Default 1024. */
  readonly rooms?: number
  /** Default 512. */
  readonly members?: number
}

/** Messages of one answer or one replay, at most: 4 MB. */
export const page = 500

const maxText = 1000
const namePattern = /^[\p{L}\p{N}_.-]{1,32}$/u
const nameRule = "1 to 32 letters, digits, _ . or -"

export interface Joining {
  readonly room: string
  readonly name: string
  /** See `Messages.Join`. */
  readonly after?: number | undefined
  /** Runs between what is in the replay and what the watchers hear: nothing is missing, and nothing comes twice. */
  readonly enter: (replay: ReadonlyArray<Said>) => Effect.Effect<void>
}

/** More was missed than one replay holds: this is the first of it, and whoever joins does so again after it. */
export class Behind extends Data.TaggedError("Behind")<{ readonly missed: ReadonlyArray<Said> }> {}

export interface Seat {
  readonly room: string
  readonly name: string
  /** Succeeds with the number of the message, once it is kept. */
  readonly say: (text: string) => Effect.Effect<number, Refused>
  /** Again it does nothing. */
  readonly leave: (why: Why) => Effect.Effect<void>
}

export class RoomBus extends Context.Service<RoomBus, {
  readonly join: (joining: Joining) => Effect.Effect<Seat, Refused | Behind>
  readonly who: (room: string) => Effect.Effect<ReadonlyArray<string>, Refused>
  /** The first `page` messages above a number. */
  readonly history: (room: string, after: number) => Effect.Effect<ReadonlyArray<Said>, Refused>
  readonly rooms: Effect.Effect<ReadonlyArray<RoomInfo>, Refused>
  /** Hears each event of each room, in order, until the scope closes. Everybody waits for it: it must not. */
  readonly watch: (
    listener: (events: ReadonlyArray<RoomEvent>) => Effect.Effect<void>
  ) => Effect.Effect<void, never, Scope.Scope>
}>()("framewire/rooms/RoomBus") {}

interface Room {
  last: number
  /** As they are written, by the name that tells them apart. */
  readonly members: Map<string, string>
}

interface Utterance {
  readonly room: string
  readonly name: string
  readonly text: string
  readonly kept: Deferred.Deferred<number, Refused>
}

const refused = (reason: Refused["reason"], message: string) => new Refused({ reason, message })
export const notKept = (error: { readonly message: string }): Refused =>
  refused("NotKept", `the history cannot be used: ${error.message}`)
/** What tells names apart: how they are written does not. */
export const keyOf = (name: string): string => name.normalize("NFKC").toLowerCase()

/** A name as it can be told to whoever chose it. */
const shown = (name: string) => Bytes.visible(name.length > 40 ? `${name.slice(0, 40)}...` : name)

export const isName = (name: string): boolean => namePattern.test(name)
export const badName = (name: string): Refused => refused("BadName", `a name has ${nameRule}: ${shown(name)}`)

/** A name for a room, and one for somebody in it. */
export const checkNames = (room: string, name: string): Effect.Effect<void, Refused> =>
  !isName(name)
    ? Effect.fail(badName(name))
    : !isName(room)
    ? Effect.fail(refused("BadRoom", `a room has ${nameRule}: ${shown(room)}`))
    : Effect.void

export const checkText = (text: string): Effect.Effect<void, Refused> =>
  text.length === 0 || text.length > maxText || /\p{Surrogate}/u.test(text)
    ? Effect.fail(refused("BadText", `a message has 1 to ${maxText} characters, not ${text.length}`))
    : Effect.void

export const nameTaken = (room: string, name: string): Refused => refused("NameTaken", `${name} is in ${room} already`)
export const roomFull = (room: string, members: number): Refused =>
  refused("RoomFull", `${room} has ${members} members`)
export const tooManyRooms = (rooms: number): Refused => refused("TooManyRooms", `there are ${rooms} rooms`)
export const notJoined = (room: string): Refused => refused("NotJoined", `not in ${room}`)

/** What is replayed to who joins when `last` is the number of the last message. */
export const replay = (
  store: Pick<RoomStore["Service"], "read">,
  { after, room }: Joining,
  last: number
): Effect.Effect<ReadonlyArray<Said>, Refused | Behind> =>
  Effect.gen(function*() {
    const from = after ?? last - 20
    if (from >= last) return []
    const messages = yield* Effect.mapError(store.read(room, from, page), notKept)
    const newest = messages.at(-1)
    if (messages.length === page && newest !== undefined && newest.seq < last) {
      return yield* new Behind({ missed: messages })
    }
    return messages.filter(({ seq }) => seq <= last)
  })

const make = ({ members: maxMembers = 512, rooms: maxRooms = 1024 }: Limits) =>
  Effect.gen(function*() {
    const store = yield* RoomStore
    const order = yield* Semaphore.make(1)
    const utterances = yield* Queue.bounded<Utterance>(1024)
    const watchers = new Set<(events: ReadonlyArray<RoomEvent>) => Effect.Effect<void>>()
    const rooms = new Map<string, Room>()
    for (const [room, last] of yield* store.lasts) rooms.set(room, { last, members: new Map() })

    const inOrder = <A, E>(effect: Effect.Effect<A, E>) => Effect.uninterruptible(order.withPermits(1)(effect))
    const publish = (events: ReadonlyArray<RoomEvent>) =>
      Effect.forEach(watchers, (watcher) => watcher(events), { discard: true })

    const keep = (batch: ReadonlyArray<Utterance>) =>
      inOrder(Effect.gen(function*() {
        const at = yield* Clock.currentTimeMillis
        const lasts = new Map<string, number>()
        const messages = batch.map(({ name, room, text }): Said => {
          const seq = (lasts.get(room) ?? rooms.get(room)?.last ?? 0) + 1
          lasts.set(room, seq)
          return { _tag: "Said", room, seq, name, text, at }
        })
        yield* store.commit(messages)
        for (const [name, last] of lasts) {
          // Its last member may have left since it was said.
          const room = rooms.get(name)
          if (room === undefined) rooms.set(name, { last, members: new Map() })
          else room.last = last
        }
        yield* publish(messages)
        batch.forEach(({ kept }, i) => Deferred.doneUnsafe(kept, Effect.succeed(messages[i]!.seq)))
      })).pipe(Effect.catch((error) =>
        Effect.sync(() => {
          for (const { kept } of batch) Deferred.doneUnsafe(kept, Effect.fail(notKept(error)))
        })
      ))
    yield* Effect.forkScoped(Effect.forever(Effect.flatMap(Queue.takeAll(utterances), keep)))

    const leave = (name: string, key: string, why: Why) =>
      inOrder(Effect.suspend(() => {
        const room = rooms.get(name)
        const member = room?.members.get(key)
        if (room === undefined || member === undefined) return Effect.void
        room.members.delete(key)
        // A room is its members and its messages.
        if (room.members.size === 0 && room.last === 0) rooms.delete(name)
        return publish([{ _tag: "Left", room: name, name: member, why }])
      }))

    const say = (room: string, name: string, text: string) =>
      Effect.andThen(
        checkText(text),
        Effect.suspend(() => {
          const kept = Deferred.makeUnsafe<number, Refused>()
          return Effect.andThen(Queue.offer(utterances, { room, name, text, kept }), Deferred.await(kept))
        })
      )

    const join = (joining: Joining) => {
      const { enter, name, room } = joining
      return Effect.andThen(checkNames(room, name), () => {
        const key = keyOf(name)
        return inOrder(Effect.gen(function*() {
          const known = rooms.get(room)
          if (known === undefined && rooms.size >= maxRooms) {
            return yield* tooManyRooms(maxRooms)
          }
          const { last, members } = known ?? { last: 0, members: new Map<string, string>() }
          if (members.has(key)) return yield* nameTaken(room, name)
          if (members.size >= maxMembers) return yield* roomFull(room, maxMembers)
          const missed = yield* replay(store, joining, last)
          if (known === undefined) rooms.set(room, { last, members })
          members.set(key, name)
          yield* enter(missed)
          yield* publish([{ _tag: "Joined", room, name }])
          let seated = true
          return {
            room,
            name,
            say: (text: string) => Effect.suspend(() => seated ? say(room, name, text) : Effect.fail(notJoined(room))),
            leave: (why: Why) =>
              Effect.suspend(() => {
                if (!seated) return Effect.void
                seated = false
                return leave(room, key, why)
              })
          }
        }))
      })
    }

    return RoomBus.of({
      join,
      who: (room) => Effect.sync(() => Array.from(rooms.get(room)?.members.values() ?? []).toSorted()),
      history: (room, after) => Effect.mapError(store.read(room, after, page), notKept),
      rooms: Effect.sync(() =>
        Array.from(rooms, ([room, { last, members }]) => ({ room, members: members.size, last }))
      ),
      watch: (listener) =>
        Effect.acquireRelease(
          Effect.sync(() => watchers.add(listener)),
          () => Effect.sync(() => watchers.delete(listener))
        )
    })
  })

/** In this process; history where the store keeps it. */
export const layer = (limits: Limits = {}): Layer.Layer<RoomBus, StoreError, RoomStore> =>
  Layer.effect(RoomBus, make(limits))
