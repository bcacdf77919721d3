// Bad input at the doors, on the network in memory.
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@framewire/client"
import { Transport } from "@framewire/core"
import { MemoryTransport } from "@framewire/core/testing"
import { Codec, Framed, Lines } from "@framewire/framing"
import { Server } from "@framewire/server"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as LinesDoor from "../src/rooms/LinesDoor.ts"
import * as Messages from "../src/rooms/Messages.ts"
import * as RoomBus from "../src/rooms/RoomBus.ts"
import * as RoomStore from "../src/rooms/RoomStore.ts"
import * as TypedDoor from "../src/rooms/TypedDoor.ts"

const address = { host: "127.0.0.1", port: 0 }
const rooms = Layer.merge(
  Layer.provide(RoomBus.layer({ members: 3 }), RoomStore.layerMemory(500)),
  MemoryTransport.layer({ buffer: 1000 })
)
const large = Layer.merge(
  Layer.provide(RoomBus.layer(), RoomStore.layerMemory(1000)),
  MemoryTransport.layer({ buffer: 262_144 })
)
// The connections end before their network.
const provided = <A, E, R>(test: Effect.Effect<A, E, R>) => Effect.provide(Effect.scoped(test), rooms)

const typedDoor = (rate = 1000) =>
  Effect.flatMap(TypedDoor.make(rate), (handler) => Server.make({ ...TypedDoor.options, address }, handler))
const linesDoor = (rate = 1000) =>
  Effect.flatMap(LinesDoor.make(rate), (handler) => Server.make({ ...LinesDoor.options, address }, handler))

const dial = ({ address }: Server.Server["Service"]) => Client.connect(Messages.protocol, address)
const person = ({ address }: Server.Server["Service"]) =>
  Effect.map(Transport.connect(address), (connection) => Framed.make(connection, Codec.text(Lines.make())))
const receiveMany = (framed: Framed.Framed<string, string>, count: number) =>
  Effect.orDie(Effect.replicateEffect(Effect.catch(framed.receive, () => Effect.succeed("the end")), count))

const join = (room: string, name: string): Messages.Request => ({ _tag: "Join", room, name })
const say = (text: string, room = "hall"): Messages.Request => ({ _tag: "Say", room, text })
const reasonOf = <A, E>(asking: Effect.Effect<A, E>) =>
  Effect.map(Effect.flip(asking), (error) => error instanceof Messages.Refused ? error.reason : error)

describe("rooms, with bad clients", () => {
  it.effect("refuses names and messages that cannot be, and the connection goes on", () =>
    Effect.gen(function*() {
      const client = yield* Effect.flatMap(typedDoor(), dial)
      const cases: ReadonlyArray<readonly [Messages.Request, Messages.Refused["reason"]]> = [
        [join("hall", ""), "BadName"],
        [join("hall", "x".repeat(33)), "BadName"],
        [join("hall", "x".repeat(10_000)), "BadName"],
        [join("hall", "a\u001b[31m"), "BadName"],
        [join("hall", "a b"), "BadName"],
        [join("\u202ehall", "ada"), "BadRoom"],
        [say("x"), "NotJoined"]
      ]
      for (const [request, reason] of cases) assert.strictEqual(yield* reasonOf(client.request(request)), reason)
      yield* client.request(join("hall", "x".repeat(32)))
      assert.strictEqual(yield* reasonOf(client.request(say(""))), "BadText")
      assert.strictEqual(yield* reasonOf(client.request(say("x".repeat(1001)))), "BadText")
      assert.deepStrictEqual(yield* client.request(say("x".repeat(1000))), { _tag: "Kept", seq: 1 })
    }).pipe(provided))

  it.effect("takes a name once, however it is written, and no more members than may be", () =>
    Effect.gen(function*() {
      const server = yield* typedDoor()
      const [one, two, three, four] = yield* Effect.all([dial(server), dial(server), dial(server), dial(server)])
      yield* one.request(join("hall", "ada"))
      assert.strictEqual(yield* reasonOf(two.request(join("hall", "ADA"))), "NameTaken")
      yield* two.request(join("hall", "bob"))
      yield* three.request(join("hall", "cyd"))
      assert.strictEqual(yield* reasonOf(four.request(join("hall", "dan"))), "RoomFull")
      yield* one.request({ _tag: "Leave", room: "hall" })
      yield* four.request(join("hall", "Ada"))
    }).pipe(provided))

  it.effect("has 1024 rooms and no more, each with its own numbers", () =>
    Effect.gen(function*() {
      const server = yield* typedDoor()
      for (let i = 0; i < 16; i++) {
        const client = yield* dial(server)
        const names = Array.from({ length: 64 }, (_, j) => `room-${i}-${j}`)
        for (const answer of yield* client.requestAll(names.map((room) => join(room, "ada")))) {
          assert.isTrue(Exit.isSuccess(answer))
        }
        for (const answer of yield* client.requestAll(names.map((room) => say("hello", room)))) {
          assert.deepStrictEqual(answer, Exit.succeed({ _tag: "Kept" as const, seq: 1 }))
        }
        if (i === 0) assert.strictEqual(yield* reasonOf(client.request(join("one-more", "ada"))), "TooManyRooms")
      }
      const late = yield* dial(server)
      assert.strictEqual(yield* reasonOf(late.request(join("one-more", "ada"))), "TooManyRooms")
      const list = yield* late.request({ _tag: "Rooms" })
      assert.strictEqual(list._tag === "RoomList" && list.rooms.length, 1024)
    }).pipe(provided))

  it.effect("a flood is refused with the time to wait; what was kept has its numbers without a gap", () =>
    Effect.gen(function*() {
      const client = yield* Effect.flatMap(typedDoor(10), dial)
      yield* client.request(join("hall", "ada"))
      const flood = Array.from({ length: 100 }, (_, i) => say(String(i)))
      const answers = yield* client.requestAll(flood)
      const kept = answers.flatMap((it) => Exit.isSuccess(it) && it.value._tag === "Kept" ? [it.value.seq] : [])
      assert.deepStrictEqual(kept, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
      assert.strictEqual(yield* reasonOf(client.request(say("more"))), "TooFast")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* client.request(say("later")), { _tag: "Kept", seq: 11 })
    }).pipe(provided))

  it.effect("a flood of lines is read as fast as it may be said", () =>
    Effect.gen(function*() {
      const ada = yield* Effect.flatMap(linesDoor(2), person)
      yield* ada.sendAll(["/nick ada", "/join hall", ...Array.from({ length: 25 }, (_, i) => `line ${i}`)])
      const heard: Array<string> = []
      yield* Effect.forkChild(Stream.runForEach(ada.messages, (line) => Effect.sync(() => heard.push(line))))
      yield* TestClock.adjust(0)
      const said = () => heard.filter((line) => line.startsWith("#")).length
      for (let second = 0; second < 20; second++) {
        yield* TestClock.adjust(second === 0 ? 0 : "1 second")
        assert.isAtMost(said(), 2 * (second + 1))
      }
      assert.strictEqual(said(), 25)
    }).pipe(provided))

  it.effect("a member that never reads is dropped, the others hear why, and all that was said", () =>
    Effect.gen(function*() {
      const server = yield* linesDoor()
      const deaf = yield* person(server)
      yield* deaf.sendAll(["/nick deaf", "/join hall"])
      yield* TestClock.adjust(0)
      const door = yield* typedDoor(100_000)
      const client = yield* dial(door)
      const heard: Array<Messages.Push> = []
      yield* Effect.forkChild(Stream.runForEach(client.pushes, (push) => Effect.sync(() => heard.push(push))))
      yield* client.request(join("hall", "ada"))
      for (let i = 0; i < 400; i++) yield* client.request(say("x".repeat(1000)))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(heard.filter(({ _tag }) => _tag === "Left"), [
        { _tag: "Left", room: "hall", name: "deaf", why: "slow" }
      ])
      const numbers = heard.flatMap((it) => it._tag === "Said" ? [it.seq] : [])
      assert.deepStrictEqual(numbers, Array.from({ length: 400 }, (_, i) => i + 1))
      assert.strictEqual(yield* server.connections, 0)
    }).pipe(provided))

  it.effect("shows a person every message that may be, and the others go on", () =>
    Effect.gen(function*() {
      const doors = { lines: yield* linesDoor(), typed: yield* typedDoor() }
      const program = yield* dial(doors.typed)
      yield* program.request(join("lobby", "\u{10400}".repeat(32)))
      const ada = yield* person(doors.lines)
      yield* ada.sendAll(["/nick ada", "/join lobby"])
      yield* receiveMany(ada, 3)
      // What is longest once it is escaped.
      yield* program.request(say("\u202e".repeat(1000), "lobby"))
      const [line = ""] = yield* receiveMany(ada, 1)
      assert.strictEqual(line, `#1 ${"\u{10400}".repeat(32)}: ${"\\u{202e}".repeat(1000)}`)
      yield* ada.send("still here")
      assert.deepStrictEqual(yield* receiveMany(ada, 1), ["#2 ada: still here"])
    }).pipe(provided))

  it.effect("tells a person who is there in the largest room", () =>
    Effect.gen(function*() {
      const bus = yield* RoomBus.RoomBus
      const names = Array.from({ length: 511 }, (_, i) => "\u{10400}".repeat(29) + String(i).padStart(3, "0"))
      yield* Effect.forEach(names, (name) => bus.join({ room: "lobby", name, enter: () => Effect.void }))
      const ada = yield* Effect.flatMap(linesDoor(), person)
      yield* ada.sendAll(["/nick ada", "/join lobby", "/who"])
      const lines = yield* receiveMany(ada, 4)
      assert.deepStrictEqual(lines.at(-1)?.split(" "), ["*", "ada", ...names])
    }).pipe(Effect.scoped, Effect.provide(large)))

  it.effect("tells a person that there is nothing, or more than is shown", () =>
    Effect.gen(function*() {
      const bus = yield* RoomBus.RoomBus
      const ada = yield* Effect.flatMap(linesDoor(), person)
      yield* ada.send("/rooms")
      assert.deepStrictEqual((yield* receiveMany(ada, 2)).slice(1), ["* no rooms yet: /join ROOM makes one"])
      const seats = yield* Effect.forEach(
        Array.from({ length: 103 }, (_, i) => `room-${i}`),
        (room) => bus.join({ room, name: "bob", enter: () => Effect.void })
      )
      yield* ada.send("/rooms")
      assert.strictEqual((yield* receiveMany(ada, 101)).at(-1), "* and 3 more")
      for (let i = 1; i <= 501; i++) yield* seats[0]!.say(`m${i}`)
      yield* ada.sendAll(["/join room-0", "/history", "/history 500"])
      const lines = yield* receiveMany(ada, 524)
      assert.deepStrictEqual(lines.slice(-4), [
        "#500 bob: m500",
        "* more: /history 500",
        "#501 bob: m501",
        "* that was it"
      ])
    }).pipe(Effect.scoped, Effect.provide(large)))

  it.effect("tells a person what cannot be on one line, with nothing in it that steers a terminal", () =>
    Effect.gen(function*() {
      const ada = yield* Effect.flatMap(linesDoor(), person)
      const answer = (line: string) =>
        Effect.gen(function*() {
          yield* ada.send(line)
          yield* TestClock.adjust(0)
          return (yield* receiveMany(ada, 1))[0]
        })
      yield* receiveMany(ada, 1)
      assert.match(
        (yield* answer(`/nick ${"x".repeat(10_000)}`)) ?? "",
        /^\* no: a frame of \d+ bytes, 4096 are allowed/
      )
      const rule = "1 to 32 letters, digits, _ . or -"
      assert.strictEqual(
        yield* answer(`/nick ${"x".repeat(4000)}`),
        `* no: a name has ${rule}: ${"x".repeat(40)}...`
      )
      assert.strictEqual(yield* answer("/nick a\u001b[31m\u202e"), `* no: a name has ${rule}: a\\e[31m\\u{202e}`)
      assert.strictEqual(yield* answer("/join \u0007"), `* no: a room has ${rule}: \\x07`)
      const [complaint, ...help] = [yield* answer("/\u001b]0;owned\u0007"), ...yield* receiveMany(ada, 8)]
      assert.strictEqual(complaint, "* no such command: /\\e]0;owned\\x07")
      assert.lengthOf(help, 8)
      assert.strictEqual(yield* answer("/nick ada"), "* you are ada")
    }).pipe(provided))

  it.effect("a message that cannot be kept is refused, and has no number; the next one has it", () =>
    Effect.gen(function*() {
      let broken = false
      const store = Layer.effect(
        RoomStore.RoomStore,
        Effect.map(RoomStore.RoomStore, (store) => ({
          ...store,
          commit: (messages: ReadonlyArray<Messages.Said>) =>
            broken ? Effect.fail(new RoomStore.StoreError({ message: "the disk is full" })) : store.commit(messages)
        }))
      ).pipe(Layer.provide(RoomStore.layerMemory(500)))
      yield* Effect.gen(function*() {
        const client = yield* Effect.flatMap(typedDoor(), dial)
        yield* client.request(join("hall", "ada"))
        yield* client.request(say("one"))
        broken = true
        assert.strictEqual(yield* reasonOf(client.request(say("lost"))), "NotKept")
        broken = false
        assert.deepStrictEqual(yield* client.request(say("two")), { _tag: "Kept", seq: 2 })
        const history = yield* client.request({ _tag: "History", room: "hall", after: 0 })
        assert.deepStrictEqual(history._tag === "Messages" && history.messages.map(({ text }) => text), ["one", "two"])
      }).pipe(Effect.scoped, Effect.provide(Layer.provide(RoomBus.layer(), store)))
    }).pipe(provided))

  it.effect("a person may listen for hours, and is told goodbye", () =>
    Effect.gen(function*() {
      const server = yield* linesDoor()
      const ada = yield* person(server)
      yield* ada.sendAll(["/nick ada", "/join hall"])
      yield* TestClock.adjust("10 hours")
      const stopping = yield* Effect.forkChild(server.stop)
      const [welcome, ...rest] = yield* receiveMany(ada, 5)
      assert.match(welcome ?? "", /^\* welcome, guest-\d+: /)
      assert.deepStrictEqual(rest, [
        "* you are ada",
        "* ada joined hall",
        "* ada left hall",
        "* goodbye: the server stops"
      ])
      yield* ada.connection.close()
      assert.strictEqual((yield* Fiber.join(stopping)).finished, 1)
    }).pipe(provided))

  it.effect("who comes back says which number it has, and gets each later message once", () =>
    Effect.gen(function*() {
      const server = yield* typedDoor()
      const ada = yield* dial(server)
      yield* ada.request(join("hall", "ada"))
      for (let i = 1; i <= 30; i++) yield* ada.request(say(String(i)))
      const bob = yield* dial(server)
      const speaking = yield* Effect.forkChild(Effect.forEach([31, 32, 33], (i) => ada.request(say(String(i)))))
      yield* bob.request({ _tag: "Join", room: "hall", name: "bob", after: 7 })
      yield* Fiber.join(speaking)
      const numbers = yield* bob.pushes.pipe(
        Stream.filter((it) => it._tag === "Said"),
        Stream.take(26),
        Stream.map(({ seq }) => seq),
        Stream.runCollect
      )
      assert.deepStrictEqual(numbers, Array.from({ length: 26 }, (_, i) => i + 8))
    }).pipe(provided))

  it.effect("who was away for long gets all that is kept, at its own pace, and what is said meanwhile", () =>
    Effect.gen(function*() {
      const messages = Array.from({ length: 1700 }, (_, i): Messages.Said => ({
        _tag: "Said",
        room: "hall",
        seq: i + 1,
        name: "ada",
        text: "x".repeat(100),
        at: 0
      }))
      const store = Layer.tap(
        RoomStore.layerMemory(2000),
        (services) => Context.get(services, RoomStore.RoomStore).commit(messages)
      )
      yield* Effect.gen(function*() {
        const server = yield* typedDoor()
        const ada = yield* dial(server)
        yield* ada.request(join("hall", "ada"))
        yield* Effect.forkChild(Stream.runDrain(ada.pushes))
        const bob = Framed.make(yield* Transport.connect(server.address), Messages.protocol.client)
        yield* bob.send({
          _tag: "Request",
          id: 1,
          request: { _tag: "Join", room: "hall", name: "bob", after: 3 }
        })
        const heard: Array<number> = []
        const hear = Effect.map(bob.receive, (reply) => {
          if (reply._tag === "Push" && reply.push._tag === "Said") heard.push(reply.push.seq)
          return reply
        })
        yield* Effect.replicateEffect(hear, 400)
        for (let i = 1; i <= 700; i++) yield* ada.request(say("x"))
        const isIn = (reply: Effect.Success<typeof hear>) => reply._tag === "Response"
        yield* Effect.repeat(hear, { until: isIn })
        for (let i = 1; i <= 3; i++) yield* ada.request(say("x"))
        yield* Effect.repeat(hear, { until: () => heard.at(-1) === 2403 })
        assert.deepStrictEqual(heard, Array.from({ length: 2400 }, (_, i) => i + 4))
      }).pipe(Effect.scoped, Effect.provide(Layer.provide(RoomBus.layer(), store)))
    }).pipe(provided))

  it.effect("who joins and does not read is reset before it misses anything", () =>
    Effect.gen(function*() {
      const names = ["one", "two", "three", "four"]
      const messages = names.flatMap((room) =>
        Array.from({ length: 500 }, (_, i): Messages.Said => ({
          _tag: "Said",
          room,
          seq: i + 1,
          name: "ada",
          text: "x".repeat(1000),
          at: 0
        }))
      )
      const store = Layer.tap(RoomStore.layerMemory(500), (services) =>
        Context.get(services, RoomStore.RoomStore).commit(messages))
      yield* Effect.gen(function*() {
        const server = yield* typedDoor()
        const bob = Framed.make(yield* Transport.connect(server.address), Messages.protocol.client)
        for (const [id, room] of names.entries()) {
          yield* bob.send({ _tag: "Request", id, request: { _tag: "Join", room, name: "bob", after: 0 } })
        }
        yield* TestClock.adjust("1 second")
        const ended = yield* Effect.flip(Effect.forever(bob.receive))
        assert.strictEqual(ended._tag === "ReceiveError" && ended.reason._tag, "ConnectionReset")
      }).pipe(Effect.scoped, Effect.provide(Layer.provide(RoomBus.layer(), store)))
    }).pipe(provided))
})
