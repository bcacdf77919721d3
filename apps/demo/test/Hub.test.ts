import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import * as Hub from "../src/tap/Hub.ts"

const client = { host: "127.0.0.1", port: 7 }

describe("the hub of a tap", () => {
  it.effect("who does not read loses the oldest of 1024, and nobody else loses anything", () =>
    Effect.gen(function*() {
      const hub = yield* Hub.make
      const slow = yield* PubSub.subscribe(hub.events)
      const heard: Array<number> = []
      yield* Stream.fromPubSub(hub.events).pipe(
        Stream.runForEach(({ sequence }) => Effect.sync(() => heard.push(sequence))),
        Effect.forkChild({ startImmediately: true })
      )
      for (let id = 1; id <= 3000; id++) {
        hub.tell({ _tag: "Dialled", connection: id })
        yield* Effect.yieldNow
      }
      assert.deepStrictEqual(heard, Array.from({ length: 3000 }, (_, i) => i + 1))
      const kept = yield* PubSub.takeAll(slow)
      assert.deepStrictEqual([kept.length, kept[0].sequence, kept.at(-1)?.sequence], [1024, 1977, 3000])
    }).pipe(Effect.scoped))

  it.effect("who comes late gets the last 512 events, and what is so now of connections that came long before", () =>
    Effect.gen(function*() {
      const hub = yield* Hub.make
      for (let connection = 1; connection <= 3; connection++) {
        hub.tell({ _tag: "Accepted", connection, client, door: "lines" })
        hub.tell({ _tag: "Dialled", connection })
      }
      hub.tell({ _tag: "HalfClosed", connection: 2, by: "client" })
      hub.tell({ _tag: "Closed", connection: 3, client: "graceful" })
      for (let i = 0; i < 2000; i++) {
        hub.tell({ _tag: "Trouble", connection: 1, from: "client", error: "", message: "" })
      }
      const late = yield* Effect.forkChild(Stream.runCollect(Stream.take(Stream.fromPubSub(hub.events), 512)))
      const events = yield* Fiber.join(late)
      assert.deepStrictEqual([events.length, events[0]?.sequence, events.at(-1)?.sequence], [512, 1497, 2008])
      assert.deepStrictEqual(
        hub.here().lives.map(({ connection, fin, open }) => ({ connection, fin, open })),
        [{ connection: 1, fin: [], open: true }, { connection: 2, fin: ["client"], open: true }]
      )
    }).pipe(Effect.scoped))
})
