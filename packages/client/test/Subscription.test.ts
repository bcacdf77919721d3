import { assert, describe, it } from "@effect/vitest"
import { Subscription } from "@framewire/client"
import { Codec, Lines, Protocol } from "@framewire/framing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { MemoryServer } from "./support/index.ts"

const { fork, inMemory, settle } = MemoryServer

/** Lines; those that begin with `!` are pushed. */
const protocol = Protocol.inOrder<string, string, never, string>({
  call: Codec.transform(
    Codec.text(Lines.make()),
    (request): Protocol.Call<string> => ({ _tag: "Request", id: 0, request }),
    (call: Protocol.Call<string>) => call._tag === "Request" ? call.request : ""
  ),
  reply: Codec.transform(
    Codec.text(Lines.make()),
    (line): Protocol.Reply<string, never, string> =>
      line.startsWith("!")
        ? { _tag: "Push", push: line.slice(1) }
        : { _tag: "Response", id: 0, response: line },
    () => ""
  )
})

const options = {
  schedule: Schedule.spaced("1 seconds"),
  subscribe: (line: { readonly request: (text: string) => Effect.Effect<string, unknown> }) => line.request("subscribe")
}

const show = (event: Subscription.Event<string>) => event._tag === "Gap" ? "Gap" : event.message

const watch = (subscription: Subscription.Subscription<string, string, never, string>) =>
  Effect.gen(function*() {
    const seen: Array<string> = []
    const watching = yield* fork(
      Stream.runForEach(subscription.events, (event) => Effect.sync(() => void seen.push(show(event))))
    )
    return { seen, watching }
  })

/** From the server of its own. */
const push = (server: MemoryServer.MemoryServer, ...lines: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const { connections } = server
    yield* Effect.orDie(connections[connections.length - 1]!.send(Buffer.from(lines.map((it) => `!${it}\n`).join(""))))
    yield* settle
  })

const restart = (server: MemoryServer.MemoryServer) =>
  Effect.gen(function*() {
    yield* server.stop
    yield* server.start
    yield* settle
    yield* TestClock.adjust("1 seconds")
    yield* settle
  })

describe("Subscription", () => {
  it.effect("is asked for on each line, and a gap stands between them", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make(MemoryServer.echo)
      const subscription = yield* Subscription.make(protocol, server.address, {
        ...options,
        session: (line) => line.request("auth")
      })
      const { seen, watching } = yield* watch(subscription)
      yield* settle
      yield* push(server, "a", "b")
      yield* restart(server)
      yield* push(server, "d")
      assert.deepStrictEqual(server.log, ["auth", "subscribe", "auth", "subscribe"])
      assert.deepStrictEqual(seen, ["a", "b", "Gap", "d"])
      yield* subscription.drain
      yield* Fiber.join(watching)
    })))

  it.effect("a message that comes before the server has said yes is behind the gap, and a gap is behind it", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make((line, say) => say("!now", line))
      const subscription = yield* Subscription.make(protocol, server.address, options)
      yield* settle
      yield* restart(server)
      const { seen } = yield* watch(subscription)
      yield* settle
      assert.deepStrictEqual(seen, ["now", "Gap", "now", "Gap"])
    })))

  it.effect("who asks for the state at a gap has a line to ask on", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make(MemoryServer.echo)
      const subscription = yield* Subscription.make(protocol, server.address, options)
      const states = yield* fork(
        Stream.runCollect(Stream.take(Stream.mapEffect(subscription.events, () => subscription.request("state")), 2))
      )
      yield* settle
      yield* restart(server)
      yield* restart(server)
      assert.deepStrictEqual(yield* Fiber.join(states), ["state", "state"])
    })))

  it.effect("gaps that nobody has taken are one, and each that was taken is followed by another", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make(MemoryServer.echo)
      const subscription = yield* Subscription.make(protocol, server.address, options)
      yield* settle
      yield* restart(server)
      yield* restart(server)
      const { seen } = yield* watch(subscription)
      yield* settle
      assert.deepStrictEqual(seen, ["Gap"])
      yield* restart(server)
      assert.deepStrictEqual(seen, ["Gap", "Gap"])
    })))

  it.effect("a consumer that is too slow finds a gap where messages are missing, and memory is bounded", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make(MemoryServer.echo)
      const subscription = yield* Subscription.make(protocol, server.address, { ...options, maxPushes: 2 })
      yield* settle
      yield* push(server, "a", "b", "lost")
      yield* TestClock.adjust("1 seconds")
      yield* settle
      yield* push(server, "lost, too")
      yield* TestClock.adjust("1 seconds")
      yield* settle
      assert.lengthOf(server.connections, 3)
      const { seen } = yield* watch(subscription)
      yield* settle
      yield* push(server, "c")
      assert.deepStrictEqual(seen, ["a", "b", "Gap", "c"])
    })))
})
