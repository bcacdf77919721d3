// kill -9 in the middle of a load: what was acknowledged is there, once, in order.
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@framewire/client"
import { NodeTransport } from "@framewire/core/node"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Command from "../../../tests/support/Command.ts"
import * as Rooms from "../../../tests/support/Rooms.ts"
import * as Messages from "../src/rooms/Messages.ts"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "framewire-rooms-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const connect = ({ typed }: Rooms.Rooms) => Client.connect(Messages.protocol, { host: "127.0.0.1", port: typed })

/** All that is kept of the room. */
const historyOf = Effect.fnUntraced(function*(rooms: Rooms.Rooms, room: string) {
  const client = yield* connect(rooms)
  const all: Array<Messages.Said> = []
  for (;;) {
    const answer = yield* client.request({ _tag: "History", room, after: all.at(-1)?.seq ?? 0 })
    if (answer._tag !== "Messages" || answer.messages.length === 0) return all
    all.push(...answer.messages)
  }
})

describe("serve rooms --data", () => {
  it.live("keeps every acknowledged message once, in order, through kill -9", () =>
    Effect.gen(function*() {
      const data = yield* directory
      const args = ["--data", data, "--history", "1000000", "--rate", "1000000"]
      const rooms = yield* Rooms.serve(...args)
      const acknowledged = new Map<number, string>()

      // Eight that each say the next when the last is kept, in two rooms; the line ends with the server.
      const talk = (nth: number) =>
        Effect.gen(function*() {
          const client = yield* connect(rooms)
          const room = nth % 2 === 0 ? "even" : "odd"
          yield* client.request({ _tag: "Join", room, name: `n${nth}` })
          for (let i = 0;; i++) {
            const text = `${nth} ${i}`
            const kept = yield* client.request({ _tag: "Say", room, text })
            if (room === "even" && kept._tag === "Kept") acknowledged.set(kept.seq, text)
            if (acknowledged.size === 500) yield* rooms.signal("SIGKILL")
          }
        }).pipe(Effect.scoped, Effect.ignore)
      yield* Effect.forEach(Array.from({ length: 8 }, (_, i) => i), talk, { concurrency: "unbounded", discard: true })
      assert.strictEqual((yield* rooms.ended).code, "SIGKILL")
      assert.isAtLeast(acknowledged.size, 500)

      const again = yield* Rooms.serve(...args)
      const history = yield* historyOf(again, "even")
      assert.deepStrictEqual(history.map(({ seq }) => seq), history.map((_, i) => i + 1))
      for (const [seq, text] of acknowledged) assert.strictEqual(history[seq - 1]?.text, text)
      // What was not acknowledged may be there, and nothing twice.
      assert.strictEqual(new Set(history.map(({ text }) => text)).size, history.length)

      const second = yield* Command.run(["serve", "rooms", "--data", data, "--lines", "127.0.0.1:0"])
      assert.match(second.stderr, /^framewire: --data .*: database is locked\n$/)
      assert.strictEqual(second.code, 1)
    }).pipe(Effect.provide(NodeTransport.layer)), 60_000)
})
