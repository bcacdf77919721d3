// Who asks for one thing waits for a turn of each who asks for everything, and for no more, however much that is. Turns are
// counted in bytes, not in time: it holds on a busy machine, too.
import { assert, describe, it } from "@effect/vitest"
import { Server } from "@framewire/server"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import * as Process from "../../../tests/support/Process.ts"
import { bounded, eventually, lines, options, portOf, RawClient } from "./support/index.ts"

// As many bytes as the flood gets between two looks at the others: what is read of a socket at a time. Who has to wait for an
// answer lets others go on after each.
const line = "x".repeat(99)
const answers = [
  { when: "at once", answer: (line: string) => Effect.succeed(line), turn: 262_144 },
  { when: "after a while", answer: (line: string) => Effect.as(Effect.yieldNow, line), turn: 5 * (line.length + 1) }
] as const
const cases = answers.flatMap((it) => [{ ...it, count: 1 }, { ...it, count: 8 }])

describe("a flood of requests that are answered", () => {
  it.live.each(cases)(
    "$when, on $count connections: another one waits for two turns of each at most",
    (it) =>
      bounded(Effect.gen(function*() {
        let handled = 0
        let asked = 0
        const waits: Array<number> = []
        const server = yield* Server.make(
          options,
          Server.respond(lines, (request) => {
            if (request === line) handled += line.length + 1
            else waits.push(handled - asked)
            return it.answer(request)
          })
        )
        yield* Process.start(process.execPath, [
          join(import.meta.dirname, "support/flood.ts"),
          `${portOf(server)}`,
          `${it.count}`,
          line
        ])
        const client = yield* RawClient.connect(server.address)
        yield* eventually(() => handled > 100_000)
        for (let i = 1; i <= 30; i++) {
          asked = handled
          client.write("a\n")
          yield* client.received(2 * i)
        }
        assert.lengthOf(waits, 30)
        assert.isAtMost(Math.max(...waits), 2 * it.count * it.turn)
        // It goes on.
        yield* eventually(() => handled > asked + 100_000)
      }))
  )
})
