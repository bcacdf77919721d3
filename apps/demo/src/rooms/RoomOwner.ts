// One room at the node that owns it: who is in it, what is said, and in which order. The other nodes tell it what theirs do,
// and hear what happens.
//
// tell -> { number, commit, publish } -> answers        one lock: the order of the room
// hear <----------------------^
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { Refused, type RoomEvent, type Said, Why } from "./Messages.ts"
import type { Member, PostgresStore } from "./PostgresStore.ts"
import * as RoomBus from "./RoomBus.ts"
import type { StoreError } from "./RoomStore.ts"

const Say = Schema.TaggedStruct("Say", { id: Schema.String, name: Schema.String, text: Schema.String })
const Enter = Schema.TaggedStruct("Enter", { seat: Schema.String, name: Schema.String })
const Leave = Schema.TaggedStruct("Leave", { seat: Schema.String, why: Why })

/** Each may be told again: it is done once. */
export const Deed = Schema.Union([Say, Enter, Leave])
export type Deed = typeof Deed.Type

/** `Unheard`: whoever enters has to be heard of, so the node listens first. */
export const Outcome = Schema.Union([
  Schema.TaggedStruct("Kept", { seq: Schema.Int }),
  Schema.TaggedStruct("Done", {}),
  Schema.TaggedStruct("Unheard", {}),
  Refused
])
export type Outcome = typeof Outcome.Type

/** `here`: these seats and no others are taken at the node, before the deeds. */
export const Telling = {
  node: Schema.String,
  here: Schema.optionalKey(Schema.Array(Schema.Struct({ seat: Schema.String, name: Schema.String }))),
  deeds: Schema.Array(Deed)
}
export interface Telling extends Schema.Struct.Type<typeof Telling> {}

export interface RoomOwner {
  /** Answers in the order of the deeds. Refused where it is not known who is here. */
  readonly tell: (telling: Telling) => Effect.Effect<ReadonlyArray<Outcome>, Refused>
  /**
   * What happens. Before a batch that is empty, the first, and where the numbers show it something may be missing, which is in
   * the store. Ends for a node that is too slow: it comes again.
   */
  readonly hear: (node: string) => Stream.Stream<ReadonlyArray<RoomEvent>>
}

/** Batches that wait for one node, at most. */
const maxWaiting = 256
/** For as long the members of a node that went are still there: it may come back, as it does when the owner changes. */
const grace = "4 seconds"

const done: Outcome = { _tag: "Done" }

export const make = (
  room: string,
  store: PostgresStore,
  /** Those that are there, whether they listen or not. */
  nodes: Effect.Effect<ReadonlyArray<string>, StoreError>,
  maxMembers: number
): Effect.Effect<RoomOwner, never, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const order = yield* Semaphore.make(1)
    const listeners = new Map<string, Queue.Queue<ReadonlyArray<RoomEvent>, Cause.Done>>()
    const members = new Map<string, Member>()
    let loaded = false
    /** The nodes may not have heard yet that the owner is here now. */
    let isFresh = true

    const publish = (events: ReadonlyArray<RoomEvent>) => {
      for (const queue of listeners.values()) {
        if (!Queue.offerUnsafe(queue, events)) Queue.endUnsafe(queue)
      }
    }

    /** What is left in the store would come back with the next owner, so this does not give up soon. */
    const remove = (gone: ReadonlyArray<Member>, why: Why) =>
      Effect.suspend(() => {
        if (gone.length === 0) return Effect.void
        for (const { name } of gone) members.delete(RoomBus.keyOf(name))
        publish(gone.map(({ name }) => ({ _tag: "Left", room, name, why })))
        return store.leave(room, gone.map(({ seat }) => seat)).pipe(
          Effect.retry({ schedule: Schedule.spaced("1 second"), times: 60 }),
          Effect.ignore,
          Effect.forkIn(scope, { startImmediately: true })
        )
      })
    const membersOf = (is: (member: Member) => boolean) => Array.from(members.values()).filter(is)

    const expel = Effect.suspend(() => remove(membersOf(({ node }) => !listeners.has(node)), "gone")).pipe(
      order.withPermits(1),
      Effect.delay(grace),
      Effect.forkIn(scope)
    )

    /** Another owner may have been here before. */
    const load = Effect.suspend(() =>
      loaded ? Effect.void : Effect.gen(function*() {
        for (const member of yield* store.members(room)) members.set(RoomBus.keyOf(member.name), member)
        loaded = true
        yield* expel
        yield* Effect.forkIn(Effect.delay(Effect.sync(() => isFresh = false), grace), scope)
      })
    )

    const say = (deeds: ReadonlyArray<typeof Say.Type>) =>
      Effect.gen(function*() {
        yield* load
        const at = yield* Clock.currentTimeMillis
        const numbers = yield* store.commit(room, deeds, at)
        const numberOf = (id: string) => numbers.get(id) ?? { seq: 0, isNew: false }
        const said = deeds.flatMap(({ id, name, text }): ReadonlyArray<Said> => {
          const { isNew, seq } = numberOf(id)
          return isNew ? [{ _tag: "Said", room, seq, name, text, at }] : []
        })
        // What was kept before, maybe nobody has heard: the owner of then may be gone, or did not hear that it was kept.
        if (said.length < deeds.length) publish([])
        if (said.length > 0) publish(said)
        return deeds.map(({ id }): Outcome => ({ _tag: "Kept", seq: numberOf(id).seq }))
      })

    const enter = (member: Member) =>
      Effect.gen(function*() {
        const { name, node, seat } = member
        yield* load
        if (!listeners.has(node)) return { _tag: "Unheard" } as const
        const known = members.get(RoomBus.keyOf(name))
        if (known?.seat === seat) return done
        if (known !== undefined) {
          const isThere = listeners.has(known.node) || isFresh && (yield* nodes).includes(known.node)
          if (isThere) return yield* RoomBus.nameTaken(room, name)
          yield* remove([known], "gone")
        }
        if (members.size >= maxMembers) return yield* RoomBus.roomFull(room, maxMembers)
        yield* store.enter(room, member)
        members.set(RoomBus.keyOf(name), member)
        publish([{ _tag: "Joined", room, name }])
        return done
      })

    /** Of a room that was not read yet too: who is here is in the store, or will be. */
    const reconcile = (node: string, here: NonNullable<Telling["here"]>) =>
      Effect.gen(function*() {
        yield* load
        const seats = new Set(here.map(({ seat }) => seat))
        yield* remove(membersOf((member) => member.node === node && !seats.has(member.seat)), "gone")
        for (const { name, seat } of here) {
          if (members.has(RoomBus.keyOf(name))) continue
          yield* store.enter(room, { node, seat, name })
          members.set(RoomBus.keyOf(name), { node, seat, name })
        }
      })

    const refusing = (deed: Effect.Effect<Outcome, Refused | StoreError>) =>
      Effect.catchTags(deed, {
        Refused: (refused) => Effect.succeed(refused),
        StoreError: (error) => Effect.succeed(RoomBus.notKept(error))
      })

    const tell = ({ deeds, here, node }: Telling) =>
      Effect.gen(function*() {
        if (here !== undefined) yield* Effect.mapError(reconcile(node, here), RoomBus.notKept)
        const outcomes: Array<Outcome> = []
        while (outcomes.length < deeds.length) {
          const rest = deeds.slice(outcomes.length)
          const other = rest.findIndex(({ _tag }) => _tag !== "Say")
          const says = rest.slice(0, other < 0 ? rest.length : other).filter((deed) => deed._tag === "Say")
          const [deed] = rest
          if (deed === undefined) break
          if (deed._tag === "Say") {
            const kept = yield* Effect.catchTag(say(says), "StoreError", (error) =>
              Effect.succeed(says.map((): Outcome => RoomBus.notKept(error))))
            outcomes.push(...kept)
          } else if (deed._tag === "Enter") {
            outcomes.push(yield* refusing(enter({ node, seat: deed.seat, name: deed.name })))
          } else {
            yield* remove(
              membersOf(({ seat }) =>
                seat === deed.seat
              ),
              deed.why
            )
            outcomes.push(done)
          }
        }
        return outcomes
      }).pipe(order.withPermits(1))

    const listen = (node: string) =>
      Effect.acquireRelease(
        Effect.gen(function*() {
          const queue = yield* Queue.dropping<ReadonlyArray<RoomEvent>, Cause.Done>(maxWaiting)
          const before = listeners.get(node)
          if (before !== undefined) Queue.endUnsafe(before)
          listeners.set(node, queue)
          Queue.offerUnsafe(queue, [])
          return queue
        }),
        (queue) =>
          Effect.suspend(() => {
            if (listeners.get(node) !== queue) return Effect.void
            listeners.delete(node)
            return expel
          })
      )

    return {
      tell,
      // A batch at a time: all that waits would be more than goes into one message between nodes.
      hear: (node) => Stream.rechunk(Stream.unwrap(Effect.map(listen(node), (queue) => Stream.fromQueue(queue))), 1)
    }
  })
