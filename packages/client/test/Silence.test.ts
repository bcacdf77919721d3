import { assert, describe, it } from "@effect/vitest"
import { Client, type RequestError } from "@framewire/client"
import { MemoryNetwork } from "@framewire/core/testing"
import { Lines, Protocol } from "@framewire/framing"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { lines, MemoryServer } from "./support/index.ts"

const { fork, inMemory, settle } = MemoryServer

const byId = Protocol.json({ framing: Lines.make(), request: Schema.String, response: Schema.String })
interface Said {
  readonly _tag: string
  readonly id: number
  readonly request?: string
}
const said = (line: string) => JSON.parse(line) as Said

const known = ({ delivery, reason }: RequestError.RequestError) => `${delivery} ${reason._tag}`

describe("a request without an answer", () => {
  it.effect("in order: it fails in time, and the line with it, for nothing was answered", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make(MemoryServer.silent)
      const client = yield* Client.connect(lines, server.address, { maxInFlight: 1, requestTimeout: "10 seconds" })
      const sent = yield* fork(Effect.flip(client.request("sent")))
      const waits = yield* fork(Effect.flip(client.request("waits")))
      yield* settle
      yield* TestClock.adjust("9999 millis")
      assert.isUndefined(sent.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(known(yield* Fiber.join(sent)), "MaybeSent RequestTimedOut")
      assert.strictEqual(known(yield* Fiber.join(waits)), "NotSent RequestTimedOut")
      assert.strictEqual((yield* client.closed)._tag, "Aborted")
      assert.deepStrictEqual(server.log, ["sent"])
    })))

  it.effect("by id: it alone fails and is cancelled, and the line goes on", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make((line, say) => {
        const { _tag, id, request } = said(line)
        if (request === "never") return Effect.void
        return say(
          JSON.stringify(_tag === "Cancel" ? { _tag: "Cancelled", id } : { _tag: "Response", id, response: "ok" })
        )
      })
      const client = yield* Client.connect(byId, server.address, { requestTimeout: "10 seconds" })
      const never = yield* fork(Effect.flip(client.request("never")))
      assert.strictEqual(yield* client.request("a"), "ok")
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(known(yield* Fiber.join(never)), "MaybeSent RequestTimedOut")
      assert.strictEqual(yield* client.request("b"), "ok")
      assert.deepStrictEqual(server.log.map((line) => said(line)._tag), ["Request", "Request", "Cancel", "Request"])
    })))

  it.effect("one alone, on a line where nothing was in flight, and the next one that its failure leads to", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make((line, say) => {
        const { _tag, id, request } = said(line)
        return _tag === "Request" && request === "never"
          ? Effect.void
          : say(JSON.stringify({ _tag: "Cancelled", id }))
      })
      const client = yield* Client.connect(byId, server.address, { requestTimeout: "10 seconds" })
      yield* settle
      for (let round = 0; round < 3; round++) {
        const never = yield* fork(Effect.flip(client.request("never")))
        yield* settle
        yield* TestClock.adjust("10 seconds")
        yield* settle
        assert.isDefined(never.pollUnsafe(), `round ${round}`)
        assert.strictEqual(known(yield* Fiber.join(never)), "MaybeSent RequestTimedOut")
      }
      const again = yield* fork(Effect.flip(Effect.retry(client.request("never"), { times: 1 })))
      yield* settle
      yield* TestClock.adjust("10 seconds")
      assert.isUndefined(again.pollUnsafe())
      yield* TestClock.adjust("10 seconds")
      yield* settle
      assert.isDefined(again.pollUnsafe())
    })))

  it.effect("by id: where no place is left and nothing is answered, the line ends", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make(MemoryServer.silent)
      const client = yield* Client.connect({ ...byId, cancels: false }, server.address, {
        maxInFlight: 2,
        requestTimeout: "10 seconds"
      })
      const fibers = yield* Effect.forEach(["a", "b", "c"], (it) => fork(Effect.flip(client.request(it))))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual((yield* Effect.forEach(fibers, Fiber.join)).map(known), [
        "MaybeSent RequestTimedOut",
        "MaybeSent RequestTimedOut",
        "NotSent RequestTimedOut"
      ])
      yield* client.closed
    })))

  it.effect("each has its own time, and an answer in time is good", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make((line, say) => Effect.delay(say(line), "3 seconds"))
      const client = yield* Client.connect(lines, server.address, { requestTimeout: "5 seconds" })
      const fibers = yield* Effect.forEach(["a", "b"], (it) => fork(Effect.result(client.request(it))))
      yield* TestClock.adjust("5 seconds")
      const [a, b] = yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual([a!._tag, b!._tag], ["Success", "Failure"])
      // Something was answered meanwhile: the line is alive, and the late answer nobody's.
      const c = yield* fork(client.request("c"))
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(yield* Fiber.join(c), "c")
    })))
})

describe("a heartbeat", () => {
  const heartbeat = { ping: "ping", interval: "10 seconds", misses: 3 } as const

  it.effect("finds a peer that is gone interval x misses after its last byte, and not before", () =>
    inMemory(Effect.gen(function*() {
      const network = yield* MemoryNetwork.MemoryNetwork
      const server = yield* MemoryServer.make(MemoryServer.echo)
      const client = yield* Client.connect(lines, server.address, { heartbeat, requestTimeout: "Infinity" })
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(yield* client.request("a"), "a")
      yield* network.vanish(server.connections[0]!)
      const since = yield* Clock.currentTimeMillis
      const asked = yield* fork(Effect.flip(client.request("b")))
      yield* TestClock.adjust("29999 millis")
      assert.isUndefined(asked.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(known(yield* Fiber.join(asked)), "MaybeSent HeartbeatMissed")
      assert.strictEqual((yield* Clock.currentTimeMillis) - since, 30_000)
      yield* client.closed
      assert.deepStrictEqual(server.log, ["a"])
    })))

  it.effect("asks only a peer that is silent, once an interval, and its answer is nobody's", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make(MemoryServer.echo)
      const client = yield* Client.connect(lines, server.address, { heartbeat })
      for (let i = 0; i < 5; i++) {
        yield* TestClock.adjust("9 seconds")
        assert.strictEqual(yield* client.request("a"), "a")
      }
      assert.notInclude(server.log, "ping")
      for (let i = 0; i < 35; i++) {
        yield* TestClock.adjust("1 seconds")
        yield* settle
      }
      assert.strictEqual(server.log.filter((it) => it === "ping").length, 3)
      assert.strictEqual(yield* client.request("b"), "b")
    })))

  it.effect("any frame counts, a push too, though the ping is not answered", () =>
    inMemory(Effect.gen(function*() {
      const protocol = Protocol.json({
        framing: Lines.make(),
        request: Schema.String,
        response: Schema.String,
        push: Schema.Int
      })
      const server = yield* MemoryServer.make((_, say) =>
        Effect.asVoid(Effect.forkScoped(Effect.forever(
          Effect.andThen(Effect.sleep("15 seconds"), say(JSON.stringify({ _tag: "Push", push: 1 })))
        )))
      )
      const client = yield* Client.connect(protocol, server.address, { heartbeat, requestTimeout: "Infinity" })
      const asked = yield* fork(client.request("a"))
      for (let i = 0; i < 20; i++) {
        yield* TestClock.adjust("5 seconds")
        yield* settle
      }
      assert.isUndefined(asked.pollUnsafe())
    })))

  it.effect("a part of a frame counts: what takes long to come is not silence", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make((line, _say, connection) =>
        line === "ping" ? Effect.void : Effect.forEach(
          Array.from("012345678\n"),
          (it) => Effect.andThen(Effect.sleep("20 seconds"), Effect.ignore(connection.send(Buffer.from(it)))),
          { discard: true }
        )
      )
      const client = yield* Client.connect(lines, server.address, {
        heartbeat,
        requestTimeout: "Infinity",
        frameTimeout: "Infinity"
      })
      const asked = yield* fork(client.request("long"))
      for (let n = 0; n < 40; n++) {
        yield* TestClock.adjust("5 seconds")
        yield* settle
      }
      assert.strictEqual(yield* Fiber.join(asked), "012345678")
    })))

  it.effect("has to leave some time between its pings", () =>
    inMemory(Effect.gen(function*() {
      const none = { ping: "ping", interval: "0 seconds" } as const
      const exit = yield* Effect.exit(Client.connect(lines, { host: "server", port: 7 }, { heartbeat: none }))
      assert.match(
        Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "",
        /heartbeat.interval is 0 seconds, allowed is a duration of more than 0/
      )
    })))
})
