// The end of the tour: two people and a program talk, one who does not read is dropped, the server drains with a goodbye.
import { Client } from "@framewire/client"
import { Transport } from "@framewire/core"
import { Codec, Framed, Lines } from "@framewire/framing"
import { Server } from "@framewire/server"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as LinesDoor from "./LinesDoor.ts"
import * as Messages from "./Messages.ts"
import * as RoomBus from "./RoomBus.ts"
import * as RoomStore from "./RoomStore.ts"
import * as TypedDoor from "./TypedDoor.ts"

const address = { host: "127.0.0.1", port: 0 }
const codec = Codec.text(Lines.make())
const step = (who: string, what: string, detail: string) =>
  Console.log(`  ${who.padEnd(7)} ${what.padEnd(12)} ${detail}`)

/** A program that says as much at once as nobody's socket holds: who does not read is found by that. */
const rate = 1_000_000
const flood = Array.from({ length: 12_000 }, (): Messages.Request => ({
  _tag: "Say",
  room: "flood",
  text: "x".repeat(1000)
}))

const person = Effect.fnUntraced(function*(server: Server.Server["Service"], name: string, room: string) {
  const framed = Framed.make(yield* Transport.connect(server.address), codec)
  yield* framed.sendAll([`/nick ${name}`, `/join ${room}`])
  const until = (part: string): Effect.Effect<string, Effect.Error<typeof framed.receive>> =>
    Effect.flatMap(framed.receive, (line) => line.includes(part) ? Effect.succeed(line) : until(part))
  yield* until(`${name} joined`)
  return { framed, until }
})

/** The rooms on free ports, and everybody in this process. */
export const rooms = Effect.gen(function*() {
  const lines = yield* Server.make({ ...LinesDoor.options, address }, yield* LinesDoor.make(rate))
  const typed = yield* Server.make({ ...TypedDoor.options, address }, yield* TypedDoor.make(rate))
  const ada = yield* person(lines, "ada", "lobby")
  const bob = yield* person(lines, "bob", "lobby")
  const program = yield* Client.connect(Messages.protocol, typed.address, { maxPushes: flood.length + 100 })
  const dropped = yield* program.pushes.pipe(
    Stream.filter((push) => push._tag === "Left" && push.why === "slow"),
    Stream.runHead,
    Effect.forkChild({ startImmediately: true })
  )
  yield* program.request({ _tag: "Join", room: "lobby", name: "bot" })

  yield* ada.framed.send("hello, who is here?")
  yield* step("bob", "hears", yield* bob.until("#1"))
  yield* program.request({ _tag: "Say", room: "lobby", text: "a program, with \u001b[31mcolours" })
  yield* step("ada", "hears", yield* ada.until("#2"))
  yield* bob.framed.send("goodbye then")
  yield* step("ada", "hears", yield* ada.until("#3"))

  yield* person(lines, "sloth", "flood")
  yield* program.request({ _tag: "Join", room: "flood", name: "bot" })
  yield* program.requestAll(flood)
  yield* Fiber.join(dropped)
  yield* step("sloth", "dropped", "more waited for it than may; the others did not notice")

  const draining = yield* Effect.forkChild(
    Effect.all([lines.stop, typed.stop], { concurrency: "unbounded" }),
    { startImmediately: true }
  )
  yield* step("ada", "hears", yield* ada.until("goodbye:"))
  // Who was told goodbye goes.
  yield* Effect.forEach([ada, bob], ({ framed }) => framed.connection.close(), { concurrency: "unbounded" })
  for (const { finished, open, reset } of yield* Fiber.join(draining)) {
    yield* step("server", "drain", `${open} open, ${finished} finished, ${reset} reset`)
  }
}).pipe(
  Effect.scoped,
  Effect.provide(Layer.provide(RoomBus.layer(), RoomStore.layerMemory(500)))
)
