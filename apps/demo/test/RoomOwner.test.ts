// A room between its owner and the nodes, when messages between them are lost, late or told again; without a network.
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import type { RoomEvent, Said } from "../src/rooms/Messages.ts"
import type * as PostgresStore from "../src/rooms/PostgresStore.ts"
import * as RoomNode from "../src/rooms/RoomNode.ts"
import * as RoomOwner from "../src/rooms/RoomOwner.ts"

const room = "hall"

/** As PostgreSQL does it, for one room. */
const memory = () => {
  const messages = new Map<string, Said>()
  const members = new Map<string, PostgresStore.Member>()
  const store: PostgresStore.PostgresStore = {
    commit: (room, utterances, at) =>
      Effect.sync(() => {
        const before = messages.size
        for (const { id, name, text } of utterances) {
          if (!messages.has(id)) messages.set(id, { _tag: "Said", room, seq: messages.size + 1, name, text, at })
        }
        return new Map(utterances.map(({ id }) => {
          const seq = messages.get(id)?.seq ?? 0
          return [id, { seq, isNew: seq > before }] as const
        }))
      }),
    read: (_, after, limit) =>
      Effect.sync(() => Array.from(messages.values()).filter(({ seq }) => seq > after).slice(0, limit)),
    last: () => Effect.sync(() => messages.size),
    members: () => Effect.sync(() => Array.from(members.values())),
    enter: (_, member) => Effect.sync(() => void members.set(member.name, member)),
    leave: (_, seats) =>
      Effect.sync(() => {
        for (const [name, { seat }] of members) if (seats.includes(seat)) members.delete(name)
      }),
    admits: () => Effect.succeed(true),
    rooms: () => Effect.succeed([]),
    forget: () => Effect.void
  }
  return { store, members }
}

/** No others are there than those that listen. */
const nodes = (...there: ReadonlyArray<string>) => Effect.succeed(there)

const say = (id: string, name = "ada"): RoomOwner.Deed => ({ _tag: "Say", id, name, text: id })
const enter = (seat: string, name: string): RoomOwner.Deed => ({ _tag: "Enter", seat, name })
const line = (event: RoomEvent) =>
  event._tag === "Said"
    ? `#${event.seq} ${event.text}`
    : `${event.name} ${event._tag === "Left" ? event.why : "joined"}`
const said = (seq: number): Said => ({ _tag: "Said", room, seq, name: "ada", text: `m${seq}`, at: 0 })

/** What a node hears. */
const listen = (owner: RoomOwner.RoomOwner, node: string) =>
  Effect.gen(function*() {
    const heard: Array<string> = []
    const fiber = yield* owner.hear(node).pipe(
      Stream.runForEach((events) => Effect.sync(() => heard.push(...events.map(line)))),
      Effect.forkChild({ startImmediately: true })
    )
    yield* TestClock.adjust(0)
    return { heard, fiber }
  })

describe("the owner of a room", () => {
  it.effect("keeps once what is told twice", () =>
    Effect.gen(function*() {
      const owner = yield* RoomOwner.make(room, memory().store, nodes(), 3)
      const { heard } = yield* listen(owner, "A")
      const telling = { node: "A", deeds: [enter("s1", "ada"), say("one"), say("two")] }
      const outcomes = yield* owner.tell(telling)
      assert.deepStrictEqual(outcomes, [{ _tag: "Done" }, { _tag: "Kept", seq: 1 }, { _tag: "Kept", seq: 2 }])
      assert.deepStrictEqual(yield* owner.tell(telling), outcomes)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(heard, ["ada joined", "#1 one", "#2 two"])
    }))

  it.effect("gives the name of a node that is gone away, and shows its others out after 4 s", () =>
    Effect.gen(function*() {
      const { members, store } = memory()
      const owner = yield* RoomOwner.make(room, store, nodes(), 3)
      assert.deepStrictEqual(yield* owner.tell({ node: "B", deeds: [enter("s1", "bob")] }), [{ _tag: "Unheard" }])
      const a = yield* listen(owner, "A")
      const b = yield* listen(owner, "B")
      yield* owner.tell({ node: "B", deeds: [enter("s1", "bob"), enter("s2", "bea")] })
      const [taken] = yield* owner.tell({ node: "A", deeds: [enter("s3", "bob")] })
      assert.deepInclude(taken, { _tag: "Refused", reason: "NameTaken" })
      yield* Fiber.interrupt(b.fiber)
      assert.deepStrictEqual(yield* owner.tell({ node: "A", deeds: [enter("s3", "bob")] }), [{ _tag: "Done" }])
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(a.heard, ["bob joined", "bea joined", "bob gone", "bob joined"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(a.heard.slice(4), ["bea gone"])
      assert.deepStrictEqual(Array.from(members.keys()), ["bob"])
    }))

  it.effect("keeps the names of a node that has not heard yet of a new owner, as long as that node is there", () =>
    Effect.gen(function*() {
      const { store } = memory()
      const before = yield* RoomOwner.make(room, store, nodes(), 4)
      for (const node of ["A", "B"]) yield* listen(before, node)
      yield* before.tell({ node: "A", deeds: [enter("s1", "ada")] })
      yield* before.tell({ node: "B", deeds: [enter("s2", "bob")] })

      // A was killed, and B has not come over.
      const owner = yield* RoomOwner.make(room, store, nodes("B", "C"), 4)
      yield* listen(owner, "C")
      const outcomes = yield* owner.tell({ node: "C", deeds: [enter("s3", "ADA"), enter("s4", "BOB")] })
      assert.deepStrictEqual(outcomes.map(({ _tag }) => _tag), ["Done", "Refused"])
      yield* TestClock.adjust("4 seconds")
      // It never came.
      assert.deepStrictEqual(yield* owner.tell({ node: "C", deeds: [enter("s4", "BOB")] }), [{ _tag: "Done" }])
    }))

  it.effect("knows after a change who is there, and who went meanwhile", () =>
    Effect.gen(function*() {
      const { store } = memory()
      const before = yield* RoomOwner.make(room, store, nodes(), 4)
      for (const node of ["A", "B"]) yield* listen(before, node)
      yield* before.tell({ node: "A", deeds: [enter("s1", "ada"), enter("s2", "amy")] })
      yield* before.tell({ node: "B", deeds: [enter("s3", "bob")] })

      const owner = yield* RoomOwner.make(room, store, nodes(), 4)
      const { heard } = yield* listen(owner, "A")
      yield* owner.tell({ node: "A", here: [{ seat: "s1", name: "ada" }], deeds: [] })
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(heard, ["amy gone"])
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(heard, ["amy gone", "bob gone"])
    }))

  it.effect("lets go a node that does not take what happens", () =>
    Effect.gen(function*() {
      const owner = yield* RoomOwner.make(room, memory().store, nodes(), 3)
      const slow = yield* owner.hear("A").pipe(
        Stream.tap(() => Effect.sleep("1 second")),
        Stream.runCount,
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust(0)
      for (let i = 0; i < 300; i++) yield* owner.tell({ node: "B", deeds: [say(`m${i}`)] })
      yield* TestClock.adjust("1 hour")
      // It has ended; what was not taken is in the store.
      assert.isBelow(yield* Fiber.join(slow), 300)
    }))
})

describe("a node of a room", () => {
  /** A node whose owner is this. */
  const node = (store: PostgresStore.PostgresStore, owner: RoomNode.Owner<string>) =>
    Effect.gen(function*() {
      const published: Array<string> = []
      const here = yield* RoomNode.make({
        node: "A",
        room,
        owner,
        store,
        publish: (events) => Effect.sync(() => published.push(...events.map(line)))
      })
      return { here, published }
    })
  const done = (deeds: ReadonlyArray<RoomOwner.Deed>) => deeds.map((): RoomOwner.Outcome => ({ _tag: "Done" }))

  it.effect("tells a new owner again what the one before did not answer", () =>
    Effect.gen(function*() {
      const { store } = memory()
      const owner = yield* RoomOwner.make(room, store, nodes(), 3)
      let tellings = 0
      const { here, published } = yield* node(store, {
        hear: owner.hear,
        // It is kept, and nobody hears that it was.
        tell: (telling) =>
          Effect.flatMap(owner.tell(telling), (outcomes) =>
            ++tellings === 1 ? Effect.fail("gone") : Effect.succeed(outcomes))
      })
      const saying = yield* Effect.forkChild(Effect.all([here.say("a", "ada", "a"), here.say("b", "ada", "b")], {
        concurrency: "unbounded"
      }))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(saying), [1, 2])
      assert.deepStrictEqual(published, ["#1 a", "#2 b"])
    }))

  it.effect("says who came and who went while it heard nothing, and says it once", () =>
    Effect.gen(function*() {
      const { members, store } = memory()
      const at = (name: string): PostgresStore.Member => ({ node: "B", seat: name, name })
      for (const name of ["ada", "eve"]) members.set(name, at(name))
      const again = yield* Deferred.make<void>()
      const joined: RoomEvent = { _tag: "Joined", room, name: "bob" }
      const left: RoomEvent = { _tag: "Left", room, name: "eve", why: "left" }
      const { published } = yield* node(store, {
        hear: () =>
          Stream.make([]).pipe(
            Stream.concat(Stream.as(Stream.fromEffect(Deferred.await(again)), [])),
            Stream.concat(Stream.make([joined, left], [{ ...left, name: "bob" }, joined])),
            Stream.concat(Stream.never)
          ),
        tell: ({ deeds }) => Effect.succeed(done(deeds))
      })
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(published, [])
      members.delete("eve")
      members.set("bob", at("bob"))
      yield* Deferred.succeed(again, undefined)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(published, ["eve gone", "bob joined", "bob left", "bob joined"])
    }))

  it.effect("hears what another owner has kept", () =>
    Effect.gen(function*() {
      const { store } = memory()
      const before = yield* RoomOwner.make(room, store, nodes(), 3)
      const owner = yield* RoomOwner.make(room, store, nodes(), 3)
      const { published } = yield* node(store, owner)
      yield* TestClock.adjust("1 second")
      yield* owner.tell({ node: "A", deeds: [say("one")] })
      yield* before.tell({ node: "B", deeds: [say("two")] })
      yield* owner.tell({ node: "A", deeds: [say("three")] })
      yield* before.tell({ node: "B", deeds: [say("four")] })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(published, ["#1 one", "#2 two", "#3 three"])
      // Nothing new comes with it; the node that asked has its answer, so all have to hear the message.
      yield* owner.tell({ node: "B", deeds: [say("four")] })
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(published.slice(3), ["#4 four"])
    }))

  it.effect("refuses after 8 s without an owner", () =>
    Effect.gen(function*() {
      const { store } = memory()
      const { here } = yield* node(store, { hear: () => Stream.fail("none"), tell: () => Effect.never })
      const saying = yield* Effect.forkChild(Effect.flip(here.say("a", "ada", "a")))
      yield* TestClock.adjust("7999 millis")
      assert.isUndefined(saying.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(saying)).reason, "NotKept")
    }))

  it.effect("reads what it has missed, and publishes nothing twice", () =>
    Effect.gen(function*() {
      const { store } = memory()
      const batches: ReadonlyArray<ReadonlyArray<RoomEvent>> = [[], [said(1)], [said(4)], [said(3), said(4), said(5)]]
      yield* store.commit(room, [1, 2, 3, 4, 5].map((i) => ({ id: `${i}`, name: "ada", text: `m${i}` })), 0)
      const { published } = yield* node({
        ...store,
        last: () => Effect.succeed(0),
        read: (room, after, limit) =>
          // What is kept while the node listens comes with the listening.
          after === 0 ? Effect.succeed([]) : store.read(room, after, limit)
      }, {
        hear: () => Stream.concat(Stream.fromIterable(batches), Stream.never),
        tell: ({ deeds }) => Effect.succeed(done(deeds))
      })
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(published, ["#1 m1", "#2 m2", "#3 m3", "#4 m4", "#5 m5"])
    }))

  it.effect("lets nobody who has heard more than it has hear that again", () =>
    Effect.gen(function*() {
      const { store } = memory()
      const { here, published } = yield* node(store, {
        hear: () => Stream.concat(Stream.make([]), Stream.never),
        tell: ({ deeds }) => Effect.succeed(done(deeds))
      })
      yield* TestClock.adjust(0)
      yield* store.commit(room, [1, 2].map((i) => ({ id: `${i}`, name: "ada", text: `m${i}` })), 0)
      let replayed: ReadonlyArray<Said> | undefined
      const before = yield* Effect.forkChild(here.enter("s1", {
        room,
        name: "ada",
        after: 2,
        enter: (replay) =>
          Effect.sync(() => {
            replayed = replay
            published.push("entered")
          })
      }))
      yield* TestClock.adjust(0)
      yield* Fiber.join(before)
      assert.deepStrictEqual(replayed, [])
      assert.deepStrictEqual(published, ["#1 m1", "#2 m2", "entered"])
    }))

  it.effect("hands over more than a page of what somebody missed a page at a time, and enters with the rest", () =>
    Effect.gen(function*() {
      const { store } = memory()
      yield* store.commit(room, Array.from({ length: 700 }, (_, i) => ({ id: `${i}`, name: "ada", text: "" })), 0)
      const tellings: Array<RoomOwner.Deed> = []
      const { here } = yield* node(store, {
        hear: () => Stream.concat(Stream.make([]), Stream.never),
        tell: ({ deeds }) => {
          tellings.push(...deeds)
          return Effect.succeed(done(deeds))
        }
      })
      yield* TestClock.adjust(0)
      let replayed: ReadonlyArray<number> = []
      const enter = (after: number) =>
        here.enter("s1", {
          room,
          name: "ada",
          after,
          enter: (replay) =>
            Effect.sync(() => {
              replayed = replay.map(({ seq }) => seq)
            })
        })
      const behind = yield* Effect.flip(enter(10))
      assert.deepStrictEqual(
        behind._tag === "Behind" && behind.missed.map(({ seq }) => seq),
        Array.from({ length: 500 }, (_, i) => i + 11)
      )
      // Nobody is told of one who has not entered.
      assert.deepStrictEqual(tellings, [])
      yield* enter(510)
      assert.deepStrictEqual(replayed, Array.from({ length: 190 }, (_, i) => i + 511))
    }))

  it.effect("takes what the owner before has said while somebody enters at the new one", () =>
    Effect.gen(function*() {
      const { store } = memory()
      const asked = yield* Deferred.make<void>()
      let listens = false
      const { here } = yield* node(store, {
        hear: () =>
          Stream.make([]).pipe(
            Stream.concat(Stream.as(Stream.fromEffect(Deferred.await(asked)), [said(1)])),
            // It goes over to the new owner when all of that is taken.
            Stream.concat(Stream.fromEffect(Effect.sync(() => {
              listens = true
              return []
            }))),
            Stream.concat(Stream.never)
          ),
        tell: ({ deeds }) =>
          Effect.as(
            deeds.length === 0 ? Effect.void : Deferred.succeed(asked, undefined),
            listens ? done(deeds) : deeds.map((): RoomOwner.Outcome => ({ _tag: "Unheard" }))
          )
      })
      const entering = yield* Effect.forkChild(here.enter("s1", { room, name: "ada", enter: () => Effect.void }))
      for (let i = 0; i < 10; i++) yield* TestClock.adjust("100 millis")
      assert.isDefined(entering.pollUnsafe())
      yield* Fiber.join(entering)
    }))
})
