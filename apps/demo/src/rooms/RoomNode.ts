// A room at a node that people of it are in: what they do goes to the owner, one telling at a time, and what happens comes
// back. Where the owner changes, the node tells the new one again what was not answered, and reads what it has missed.
//
// say, enter, leave -> outbox -> RoomOwner.tell -> answers
// watchers <- by number, gaps from the store <- RoomOwner.hear
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { Refused, type RoomEvent, type Said } from "./Messages.ts"
import type { PostgresStore } from "./PostgresStore.ts"
import * as RoomBus from "./RoomBus.ts"
import type { Deed, Outcome, Telling } from "./RoomOwner.ts"
import type { StoreError } from "./RoomStore.ts"

/** The owner, wherever it is: everything fails while there is none. */
export interface Owner<E> {
  readonly tell: (telling: Telling) => Effect.Effect<ReadonlyArray<Outcome>, E | Refused>
  readonly hear: (node: string) => Stream.Stream<ReadonlyArray<RoomEvent>, E>
}

export interface RoomNode {
  /** As `RoomBus.join` does. */
  readonly enter: (seat: string, joining: RoomBus.Joining) => Effect.Effect<void, Refused | RoomBus.Behind>
  readonly say: (id: string, name: string, text: string) => Effect.Effect<number, Refused>
  readonly leave: (seat: string, why: Extract<Deed, { _tag: "Leave" }>["why"]) => Effect.Effect<void>
}

/** For so long there may be no owner; then what waits for it is refused. */
const patience = "8 seconds"

/** Deeds of one telling: 100 messages of 1000 characters are 400 KB at most. */
const batch = 100

const noOwner = () =>
  new Refused({ reason: "NotKept", message: "no node has the room now: it may have been kept or not" })

export const make = <E>(options: {
  readonly node: string
  readonly room: string
  readonly owner: Owner<E>
  readonly store: PostgresStore
  readonly publish: (events: ReadonlyArray<RoomEvent>) => Effect.Effect<void>
}): Effect.Effect<RoomNode, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { node, owner, publish, room, store } = options
    const order = yield* Semaphore.make(1)
    const heard = yield* Latch.make(false)
    const outbox = yield* Queue.bounded<readonly [Deed, Deferred.Deferred<Outcome, Refused>] | "here">(1024)
    const seats = new Map<string, string>()
    /** Whether the owner has to be told who is here. */
    let here = false
    /** Of the last message that was published here. */
    let last: number | undefined
    /** Who is in the room, as far as it was published here: names by their keys. */
    let present: Map<string, string> | undefined

    const announce = Effect.sync(() => {
      here = true
      Queue.offerUnsafe(outbox, "here")
    })

    const missed = (upTo: number): Effect.Effect<void, StoreError> =>
      Effect.gen(function*() {
        const after = last ?? (yield* store.last(room))
        last = after
        if (after >= upTo) return
        const messages = (yield* store.read(room, after, RoomBus.page)).filter(({ seq }) => seq <= upTo)
        const newest = messages.at(-1)
        if (newest === undefined) return
        last = newest.seq
        yield* publish(messages)
        if (messages.length === RoomBus.page) yield* missed(upTo)
      })

    /** Who came and who went while nothing was heard. */
    const missedPeople = Effect.gen(function*() {
      const before = present
      const now = new Map((yield* store.members(room)).map(({ name }) => [RoomBus.keyOf(name), name]))
      present = now
      if (before === undefined) return
      const left = Array.from(before).filter(([key]) => !now.has(key))
      const joined = Array.from(now).filter(([key]) => !before.has(key))
      const news = [
        ...left.map(([, name]): RoomEvent => ({ _tag: "Left", room, name, why: "gone" })),
        ...joined.map(([, name]): RoomEvent => ({ _tag: "Joined", room, name }))
      ]
      if (news.length > 0) yield* publish(news)
    })

    /** Whether it was not published yet: what was read as missing may still come. */
    const isNews = (event: Exclude<RoomEvent, Said>): boolean => {
      const key = RoomBus.keyOf(event.name)
      const wasThere = present?.delete(key) ?? event._tag === "Left"
      if (event._tag === "Joined") present?.set(key, event.name)
      return wasThere === (event._tag === "Left")
    }

    const deliver = (events: ReadonlyArray<RoomEvent>) =>
      Effect.gen(function*() {
        // From here on nothing is missed, and before it something may have been.
        if (events.length === 0) {
          yield* missed(Infinity)
          yield* missedPeople
          yield* announce
          return void (yield* heard.open)
        }
        let news: Array<RoomEvent> = []
        for (const event of events) {
          if (event._tag !== "Said") {
            if (isNews(event)) news.push(event)
            continue
          }
          if (last !== undefined && event.seq <= last) continue
          if (last === undefined || event.seq > last + 1) {
            if (news.length > 0) yield* publish(news)
            news = []
            yield* missed(event.seq - 1)
          }
          last = event.seq
          news.push(event)
        }
        if (news.length > 0) yield* publish(news)
      }).pipe(order.withPermits(1))

    // It ends with the owner, and for a node that is too slow.
    yield* owner.hear(node).pipe(
      Stream.runForEach(deliver),
      Effect.ensuring(heard.close),
      Effect.exit,
      Effect.repeat(Schedule.spaced("100 millis")),
      Effect.forkScoped
    )

    const settle = (deed: Deed, outcome: Outcome) => {
      if (deed._tag === "Enter" && outcome._tag === "Done") seats.set(deed.seat, deed.name)
    }
    yield* Effect.gen(function*() {
      const waiting = (yield* Queue.takeBetween(outbox, 1, batch)).filter((it) => it !== "here")
      if (waiting.length === 0 && !here) return
      const told = here
      here = false
      const telling: Telling = {
        node,
        deeds: waiting.map(([deed]) => deed),
        ...(told ? { here: Array.from(seats, ([seat, name]) => ({ seat, name })) } : {})
      }
      const attempt = Effect.gen(function*() {
        const told = yield* Effect.exit(Effect.timeout(owner.tell(telling), "3 seconds"))
        if (Exit.isSuccess(told)) return told.value
        const error = Cause.squash(told.cause)
        if (error instanceof Refused) return error
        // Without the store there is no owner, and none is to come.
        const stored = yield* Effect.result(store.last(room))
        return Result.isFailure(stored) ? RoomBus.notKept(stored.failure) : yield* Effect.fail("again")
      })
      const outcomes = yield* attempt.pipe(
        Effect.retry(Schedule.spaced("100 millis")),
        Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.succeed(noOwner()) }),
        Effect.catch(() => Effect.succeed(noOwner()))
      )
      if (outcomes instanceof Refused) {
        // What the owner knows of us is not known.
        yield* Effect.forkScoped(Effect.delay(announce, "1 second"))
        for (const [, answer] of waiting) Deferred.doneUnsafe(answer, Effect.fail(outcomes))
        return
      }
      waiting.forEach(([deed, answer], nth) => {
        const outcome = outcomes[nth] ?? noOwner()
        settle(deed, outcome)
        Deferred.doneUnsafe(answer, outcome._tag === "Refused" ? Effect.fail(outcome) : Effect.succeed(outcome))
      })
    }).pipe(Effect.forever, Effect.forkScoped)

    const ask = (deed: Deed): Effect.Effect<Outcome, Refused> =>
      Effect.suspend(() => {
        const answer = Deferred.makeUnsafe<Outcome, Refused>()
        return Effect.andThen(Queue.offer(outbox, [deed, answer]), Deferred.await(answer))
      })

    const enter = (seat: string, joining: RoomBus.Joining) =>
      Effect.gen(function*() {
        const { after, enter, name } = joining
        yield* heard.await.pipe(
          Effect.interruptible,
          Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.fail(noOwner()) })
        )
        // What is heard meanwhile waits: the first of it is that this one has joined.
        const outcome = yield* Effect.gen(function*() {
          // Who comes from another node may have heard more than was heard here.
          if (after !== undefined && after > (last ?? 0)) yield* Effect.mapError(missed(after), RoomBus.notKept)
          const replay = yield* RoomBus.replay(store, joining, last ?? 0)
          const outcome = yield* ask({ _tag: "Enter", seat, name })
          if (outcome._tag === "Done") yield* enter(replay)
          return outcome
        }).pipe(
          order.withPermits(1),
          // A new owner has not heard that we listen: we do once we have taken what the one before has said.
          Effect.repeat({
            schedule: Schedule.spaced("100 millis"),
            times: 50,
            while: ({ _tag }) => _tag === "Unheard"
          })
        )
        if (outcome._tag !== "Done") return yield* noOwner()
      })

    return {
      enter,
      say: (id, name, text) =>
        Effect.flatMap(
          ask({ _tag: "Say", id, name, text }),
          (outcome) => outcome._tag === "Kept" ? Effect.succeed(outcome.seq) : Effect.fail(noOwner())
        ),
      leave: (seat, why) =>
        Effect.suspend(() => {
          seats.delete(seat)
          // Who leaves does not wait for an owner that is not there; it will be told later, or see that nobody listens.
          return Effect.ignore(Effect.timeout(Effect.interruptible(ask({ _tag: "Leave", seat, why })), "2 seconds"))
        })
    }
  })
