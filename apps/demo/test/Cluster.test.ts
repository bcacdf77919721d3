// Two nodes, one PostgreSQL, HAProxy in front: what was acknowledged is there, once and in order, whoever dies.
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@framewire/client"
import { NodeTransport } from "@framewire/core/node"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Cluster from "../../../tests/support/Cluster.ts"
import * as Command from "../../../tests/support/Command.ts"
import * as Process from "../../../tests/support/Process.ts"
import * as Messages from "../src/rooms/Messages.ts"

const { note, skipped } = Cluster.peers

const dial = (port: number) => Client.connect(Messages.protocol, { host: "127.0.0.1", port })

/** Past HAProxy, as if by it. */
const dialNode = (cluster: Cluster.Cluster, node: "A" | "B") =>
  Client.connect(
    Messages.protocol,
    { host: "127.0.0.1", port: cluster.port(`${node}_TYPED`) },
    { proxyHeader: { version: 2, command: "local" } }
  )

const join = (room: string, name: string): Messages.Request => ({ _tag: "Join", room, name })
const say = (text: string): Messages.Request => ({ _tag: "Say", room: "hall", text })

/** Why it was refused; within 7 s. */
const refusal = <A, E, R>(asking: Effect.Effect<A, E, R>) =>
  Effect.flip(Effect.timeout(asking, "7 seconds")).pipe(
    Effect.map((error) => error instanceof Messages.Refused ? `${error.reason}: ${error.message}` : String(error))
  )

/** What a client hears, until the test ends. */
const hear = (client: { readonly pushes: Stream.Stream<Messages.Push> }) =>
  Effect.gen(function*() {
    const heard: Array<string> = []
    yield* client.pushes.pipe(
      Stream.runForEach((push) =>
        Effect.sync(() => {
          if (push._tag === "Said") heard.push(`#${push.seq} ${push.name}: ${push.text}`)
          else {heard.push(
              push._tag === "Goodbye" ? "goodbye" : `${push.name} ${push._tag === "Left" ? push.why : "joined"}`
            )}
        })
      ),
      Effect.forkScoped
    )
    return heard
  })

/** Asks again until it is so, for 10 s at most. */
const eventually = <A, E, R>(ask: Effect.Effect<A, E, R>, is: (answer: A) => boolean) =>
  Effect.repeat(ask, { schedule: Schedule.spaced("50 millis"), until: is, times: 200 })

/** The database of a cluster again. */
const postgresAgain = (data: string, cluster: Cluster.Cluster) =>
  Process.start("env", [`DIR=${data}`, `POSTGRES=${cluster.port("POSTGRES")}`, "apps/demo/cluster/postgres.sh"])

/** All that is kept of the room. */
const historyOf = (port: number, room: string) =>
  Effect.gen(function*() {
    const client = yield* dial(port)
    const all: Array<Messages.Said> = []
    for (;;) {
      const answer = yield* client.request({ _tag: "History", room, after: all.at(-1)?.seq ?? 0 })
      if (answer._tag !== "Messages" || answer.messages.length === 0) return all
      all.push(...answer.messages)
    }
  }).pipe(Effect.scoped)

const now = Effect.sync(() => performance.now())

/** Says the next when the last is kept, and comes again when its connection is gone. */
const talker = (port: number, room: string, name: string) => {
  const acknowledged: Array<{ readonly seq: number; readonly text: string; readonly at: number }> = []
  const heard: Array<Messages.Said> = []
  let asked = 0
  const stopping = new AbortController()
  const visit = Effect.gen(function*() {
    const client = yield* dial(port)
    yield* client.pushes.pipe(
      Stream.runForEach((push) => Effect.sync(() => push._tag === "Said" && heard.push(push))),
      Effect.forkScoped
    )
    yield* client.request({ _tag: "Join", room, name, after: heard.at(-1)?.seq ?? 0 })
    while (!stopping.signal.aborted) {
      const text = `${name} ${asked++}`
      const answer = yield* client.request({ _tag: "Say", room, text })
      if (answer._tag === "Kept") acknowledged.push({ seq: answer.seq, text, at: yield* now })
    }
    // What this one said last has to come back.
    const last = acknowledged.at(-1)?.seq ?? 0
    yield* eventually(Effect.sync(() => heard.at(-1)?.seq ?? 0), (seq) => seq >= last)
  }).pipe(Effect.scoped)
  return {
    room,
    name,
    acknowledged,
    heard,
    stop: () => stopping.abort(),
    run: Effect.retry(visit, { schedule: Schedule.spaced("50 millis"), while: () => !stopping.signal.aborted })
  }
}

describe("serve rooms --cluster", () => {
  it.live.skipIf(skipped)(
    `loses and reorders no acknowledged message when a node is killed or stopped under load, and its clients are back in 5 s${note}`,
    () =>
      Effect.gen(function*() {
        const data = yield* Cluster.directory
        const cluster = yield* Cluster.start(data, "--rate", "1000000", "--history", "1000000")
        const port = cluster.port("FRONT_TYPED")
        // Each room has an owner, and talkers at both nodes.
        const rooms = ["north", "east", "south", "west", "up", "down", "left", "right"]
        const talkers = rooms.flatMap((room) => ["ada", "bob"].map((name) => talker(port, room, name)))
        const talking = yield* Effect.forkChild(
          Effect.forEach(talkers, ({ run }) => run, { concurrency: "unbounded", discard: true })
        )
        yield* Effect.sleep("2 seconds")
        /** The longest that each had to wait for an answer since then. */
        const silences = Effect.fnUntraced(function*(event: Effect.Effect<void>) {
          const then = yield* now
          yield* event
          yield* Effect.sleep("2 seconds")
          const end = yield* now
          const isBack = ({ acknowledged }: typeof talkers[number]) => (acknowledged.at(-1)?.at ?? 0) > end
          yield* eventually(Effect.sync(() => talkers.every(isBack)), (all) => all)
          return talkers.map(({ acknowledged }) => {
            const times = [then, ...acknowledged.map(({ at }) => at).filter((at) => at > then)]
            return Math.round(Math.max(...times.map((at, i) => at - (times[i - 1] ?? then))))
          })
        })
        const killed = yield* silences(cluster.signal("node a", "SIGKILL"))
        assert.isBelow(Math.max(...killed), 5000, killed.join(" "))
        yield* cluster.restart
        // It gets half of the rooms.
        yield* Effect.sleep("2 seconds")
        const drained = yield* silences(cluster.signal("node b", "SIGTERM"))
        assert.isBelow(Math.max(...drained), 5000, drained.join(" "))
        for (const { stop } of talkers) stop()
        yield* Fiber.join(talking)
        for (const room of rooms) {
          const history = yield* historyOf(port, room)
          assert.deepStrictEqual(history.map(({ seq }) => seq), history.map((_, i) => i + 1))
          assert.strictEqual(new Set(history.map(({ text }) => text)).size, history.length)
          for (const { acknowledged, heard, name } of talkers.filter((it) => it.room === room)) {
            for (const { seq, text } of acknowledged) assert.strictEqual(history[seq - 1]?.text, text)
            // One after the other, as they were said.
            const own = history.filter((said) => said.name === name).map(({ text }) => Number(text.split(" ")[1]))
            assert.deepStrictEqual(own, own.toSorted((a, b) => a - b))
            // Everybody heard all of it, once and in order, over both connections.
            const wrong = heard.findIndex((said, i) => !Equal.equals(said, history[i]))
            assert.strictEqual(
              wrong,
              -1,
              `${name} in ${room}: ${JSON.stringify(heard.slice(Math.max(0, wrong - 1), wrong + 2))}`
            )
            assert.isAtLeast(heard.length, acknowledged.at(-1)?.seq ?? 0)
          }
        }
      }).pipe(Effect.provide(NodeTransport.layer)),
    60_000
  )

  it.live.skipIf(skipped)(
    `two nodes share a room, refuse what cannot be kept, and what was said outlives them${note}`,
    () =>
      Effect.gen(function*() {
        const data = yield* Cluster.directory
        const whole = yield* Effect.scope
        const postgres = yield* Effect.scoped(Effect.gen(function*() {
          const cluster = yield* Cluster.start(data)
          const ada = yield* dialNode(cluster, "A")
          const bob = yield* dialNode(cluster, "B")
          const heardByAda = yield* hear(ada)
          const heardByBob = yield* hear(bob)
          yield* ada.request(join("hall", "ada"))
          // A name belongs to one in the whole cluster, however it is written.
          assert.strictEqual(yield* refusal(bob.request(join("hall", "ADA"))), "NameTaken: ADA is in hall already")
          yield* bob.request(join("hall", "bob"))
          assert.deepStrictEqual(yield* ada.request(say("from A\u0000\u001b[2J")), { _tag: "Kept", seq: 1 })
          assert.deepStrictEqual(yield* bob.request(say("from B")), { _tag: "Kept", seq: 2 })
          for (const client of [ada, bob]) {
            assert.deepStrictEqual(yield* client.request({ _tag: "Who", room: "hall" }), {
              _tag: "Names",
              names: ["ada", "bob"]
            })
            assert.deepStrictEqual(yield* client.request({ _tag: "Rooms" }), {
              _tag: "RoomList",
              rooms: [{ room: "hall", members: 2, last: 2 }]
            })
          }
          yield* eventually(Effect.sync(() => heardByBob), (heard) => heard.length === 3)
          yield* bob.request({ _tag: "Leave", room: "hall" })
          yield* eventually(Effect.sync(() => heardByAda), (heard) => heard.includes("bob left"))
          const said = ["#1 ada: from A\u0000\u001b[2J", "#2 bob: from B"]
          assert.deepStrictEqual(heardByAda, ["ada joined", "bob joined", ...said, "bob left"])
          assert.deepStrictEqual(heardByBob.slice(0, 3), ["bob joined", ...said])
          yield* bob.request({ _tag: "Join", room: "hall", name: "bob", after: 2 })

          yield* cluster.signal("postgres", "SIGQUIT")
          const history: Messages.Request = { _tag: "History", room: "hall", after: 0 }
          yield* eventually(Effect.exit(ada.request(history)), Exit.isFailure)
          for (const request of [say("lost"), history, join("other", "ada")]) {
            assert.match(yield* refusal(ada.request(request)), /^NotKept: the history cannot be used: /, request._tag)
          }
          // The locks that lived in it are gone with it: its rooms have no owner.
          yield* Effect.sleep("4 seconds")
          assert.match(yield* refusal(bob.request(say("lost too"))), /^NotKept: /)

          const postgres = yield* Scope.provide(postgresAgain(data, cluster), whole)
          const kept = yield* eventually(Effect.exit(ada.request(say("after"))), Exit.isSuccess)
          assert.deepStrictEqual(kept, Exit.succeed({ _tag: "Kept" as const, seq: 3 }))
          yield* eventually(Effect.sync(() => heardByBob), (heard) => heard.includes("#3 ada: after"))
          assert.deepStrictEqual(heardByBob.filter((line) => line.startsWith("#")), [...said, "#3 ada: after"])
          const names = yield* eventually(
            bob.request({ _tag: "Who", room: "hall" }),
            (answer) => answer._tag === "Names" && answer.names.length === 2
          )
          assert.deepStrictEqual(names, { _tag: "Names", names: ["ada", "bob"] })
          return postgres
        }))
        yield* Effect.andThen(postgres.signal("SIGINT"), postgres.ended)

        const again = yield* Cluster.start(data)
        const cyd = yield* dial(again.port("FRONT_TYPED"))
        const heard = yield* hear(cyd)
        // Nobody of before is there.
        yield* cyd.request(join("hall", "ada"))
        assert.deepStrictEqual(yield* cyd.request(say("later")), { _tag: "Kept", seq: 4 })
        yield* eventually(Effect.sync(() => heard.length), (length) => length >= 5)
        assert.deepStrictEqual(heard, [
          "#1 ada: from A\u0000\u001b[2J",
          "#2 bob: from B",
          "#3 ada: after",
          "ada joined",
          "#4 ada: later"
        ])
      }).pipe(Effect.provide(NodeTransport.layer)),
    60_000
  )

  it.live("says why it cannot start, without the password, exit code 1", () =>
    Effect.gen(function*() {
      const serve = (...args: ReadonlyArray<string>) => Command.run(["serve", "rooms", ...args])
      const dead = yield* serve("--cluster", "postgres://rooms:se@cret@127.0.0.1:1/rooms")
      assert.match(
        dead.stderr,
        /^framewire: --cluster postgres:\/\/127\.0\.0\.1:1\/rooms: connect ECONNREFUSED 127\.0\.0\.1:1\n$/
      )
      assert.deepStrictEqual([dead.code, dead.stdout], [1, ""])
      const wrong = yield* serve("--cluster", "mysql://rooms:secret@127.0.0.1/rooms")
      assert.match(wrong.stderr, /^framewire: --cluster mysql:\/\/127\.0\.0\.1\/rooms: .*\n$/)
      assert.deepStrictEqual([wrong.code, wrong.stdout], [1, ""])
      const both = yield* serve("--cluster", "postgres://127.0.0.1/rooms", "--data", "x")
      assert.strictEqual(both.stderr, "framewire: --cluster or --data, not both\n")
      const proxy = yield* serve("--proxy", "nowhere")
      assert.match(proxy.stderr, /^framewire: --proxy: .*\n$/)
      assert.deepStrictEqual([both.code, proxy.code], [2, 2])
    }), 60_000)
})
