import { assert, describe, it } from "@effect/vitest"
import { Lines } from "@framewire/framing"
import * as Effect from "effect/Effect"
import * as Hub from "../src/tap/Hub.ts"
import * as Table from "../src/tap/Table.ts"
import { Watch } from "../src/tap/Watch.ts"
import { Watcher } from "../src/tap/Watcher.ts"

/** A watch of as many open connections. */
const watching = Effect.fnUntraced(function*(connections: number) {
  const hub = yield* Hub.make
  const watch = new Watch(hub, Lines.make(), 0)
  for (let connection = 1; connection <= connections; connection++) {
    hub.tell({ _tag: "Accepted", connection, client: { host: "127.0.0.1", port: connection } })
    hub.tell({ _tag: "Dialled", connection })
    const watchers = {
      client: new Watcher(watch, connection, "client"),
      server: new Watcher(watch, connection, "server")
    }
    watchers.client.see([Buffer.from("one\n".repeat(connection))])
    watch.watchers.set(connection, watchers)
  }
  return watch
})

describe("the table of a tap", () => {
  it.effect("has the newest ten connections, with what has passed, and says how many more there are", () =>
    Effect.gen(function*() {
      const watch = yield* watching(300)
      watch.hub.tell({ _tag: "HalfClosed", connection: 300, by: "client" })
      const table = Table.lines(watch, 100)
      assert.strictEqual(table.length, 12)
      assert.strictEqual(table[1], " 291 127.0.0.1:291         open                   291   1.2 kB       0      0 B")
      assert.match(table[10] ?? "", /^ 300 127\.0\.0\.1:300 +client half-closed /)
      assert.strictEqual(table[11], "     and 290 more")
      assert.isAtMost(Math.max(...table.map(({ length }) => length)), 79)
    }))

  it.effect("takes half of a small screen, wraps no line, and goes away before the next", () =>
    Effect.gen(function*() {
      const watch = yield* watching(300)
      const draw = Table.make(watch, { columns: 40, rows: 10 }, false)
      const first = draw("one\n").split("\n")
      assert.deepStrictEqual([first[0], first.length], ["one", 1 + 5 + 1])
      assert.isTrue(first.every(({ length }) => length < 40))
      assert.isTrue(draw("two\n").startsWith("\u001b[5A\u001b[Jtwo\n"))
    }))
})
