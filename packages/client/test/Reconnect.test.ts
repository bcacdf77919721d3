import { assert, describe, it } from "@effect/vitest"
import { type Client, Reconnect, type RequestError, type Status } from "@framewire/client"
import { Lines, Protocol } from "@framewire/framing"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { lines, MemoryServer } from "./support/index.ts"

const { fork, inMemory, settle } = MemoryServer

const nowhere = { host: "nowhere", port: 7 }
const known = (error: RequestError.RequestError) => `${error.delivery} ${error.reason._tag}`
const failing = (client: Client.Requests<string, string>, text: string) =>
  Effect.map(Effect.flip(client.request(text)), known)

/** Everything that the status says, as it says it. */
const watch = (client: Client.Client<string, string>) =>
  Effect.gen(function*() {
    const seen: Array<Status.Status> = []
    yield* fork(Stream.runForEach(client.status, (it) => Effect.sync(() => void seen.push(it))))
    return seen
  })

const each = "1 seconds"
const spaced = { schedule: Schedule.spaced(each) }

describe("Reconnect", () => {
  it.effect("the first connect is as any other: a request waits for it, and says so where it may not", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make(MemoryServer.echo)
      yield* server.stop
      const client = yield* Reconnect.make(lines, server.address, { ...spaced, queue: true })
      const proud = yield* Reconnect.make(lines, server.address, spaced)
      const seen = yield* watch(client)
      yield* settle
      const waits = yield* fork(client.request("waits"))
      const error = yield* Effect.flip(proud.request("proud"))
      assert.strictEqual(known(error), "NotSent NotConnected")
      assert.include(error.message, "connection refused")
      yield* server.start
      assert.isUndefined(waits.pollUnsafe())
      yield* TestClock.adjust(each)
      assert.strictEqual(yield* Fiber.join(waits), "waits")
      assert.strictEqual(yield* proud.request("then"), "then")
      assert.deepStrictEqual(seen.map(({ _tag }) => _tag).at(-1), "Ready")
      assert.deepStrictEqual(server.log, ["waits", "then"])
    })))

  it.effect("when the line ends, what was sent may have been, what waits goes out on the next one", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make((line, say) => line === "held" ? Effect.void : say(line))
      const client = yield* Reconnect.make(lines, server.address, { ...spaced, queue: true, maxInFlight: 1 })
      assert.strictEqual(yield* fork(client.request("a")).pipe(Effect.flatMap(Fiber.join)), "a")
      const sent = yield* fork(failing(client, "held"))
      yield* settle
      const waits = yield* fork(client.request("waits"))
      yield* server.stop
      assert.strictEqual(yield* Fiber.join(sent), "MaybeSent ReceiveError")
      yield* server.start
      yield* TestClock.adjust(each)
      assert.strictEqual(yield* Fiber.join(waits), "waits")
      assert.deepStrictEqual(server.log, ["a", "held", "waits"])
    })))

  it.effect("a request that was given up before it was sent goes out on no other line", () =>
    inMemory(
      Effect.gen(function*() {
        const server = yield* MemoryServer.make((line, say, connection) =>
          line === "stop" ? Effect.andThen(Effect.sleep("1 seconds"), Effect.asVoid(connection.abort)) : say(line)
        )
        const client = yield* Reconnect.make(lines, server.address, { ...spaced, queue: true })
        yield* settle
        yield* fork(Effect.ignore(client.send("stop")))
        yield* settle
        // More than the network holds: what comes behind it stays with the client.
        yield* fork(Effect.ignore(client.request("x".repeat(200_000))))
        yield* settle
        const given = yield* fork(client.request("given up"))
        const kept = yield* fork(client.request("kept"))
        yield* settle
        yield* Fiber.interrupt(given)
        yield* TestClock.adjust("1 seconds")
        yield* settle
        yield* TestClock.adjust(each)
        assert.strictEqual(yield* Fiber.join(kept), "kept")
        assert.notInclude(server.log, "given up")
      }),
      { buffer: 500 }
    ))

  it.effect("without a queue, what waits for a place fails with the line, and was not sent", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make(MemoryServer.silent)
      const client = yield* Reconnect.make(lines, server.address, { ...spaced, maxInFlight: 1 })
      yield* settle
      const fibers = yield* Effect.forEach(["a", "b", "c"], (it) => fork(failing(client, it)))
      yield* settle
      yield* server.stop
      assert.deepStrictEqual(yield* Effect.forEach(fibers, Fiber.join), [
        "MaybeSent ReceiveError",
        "NotSent ReceiveError",
        "NotSent ReceiveError"
      ])
    })))

  it.effect("the queue is bounded by count, by bytes and by age", () =>
    inMemory(Effect.gen(function*() {
      const client = yield* Reconnect.make(lines, nowhere, {
        ...spaced,
        queue: { maxRequests: 3, maxBytes: 100, maxAge: "5 seconds" }
      })
      const first = yield* fork(failing(client, "a"))
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual(yield* failing(client, "x".repeat(98)), "NotSent QueueFull")
      const second = yield* fork(failing(client, "x".repeat(97)))
      assert.strictEqual(yield* failing(client, "two\nlines"), "NotSent MessageError")
      yield* Fiber.interrupt(second)
      const others = yield* Effect.forEach(["b", "c"], (it) => fork(failing(client, it)))
      assert.strictEqual(yield* failing(client, "d"), "NotSent QueueFull")
      yield* TestClock.adjust("3999 millis")
      assert.isUndefined(first.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(first), "NotSent QueueTimedOut")
      yield* TestClock.adjust("1 seconds")
      assert.deepStrictEqual(yield* Effect.forEach(others, Fiber.join), [
        "NotSent QueueTimedOut",
        "NotSent QueueTimedOut"
      ])
    })))

  it.effect("the schedule grows by full jitter to 30 s", () =>
    Effect.gen(function*() {
      const means: Array<number> = []
      for (let attempt = 0; attempt < 12; attempt++) means.push(0)
      const rounds = 200
      for (let round = 0; round < rounds; round++) {
        const step = yield* Schedule.toStep(Reconnect.schedule)
        for (let attempt = 0; attempt < 12; attempt++) {
          const [, delay] = yield* step(0, undefined)
          const most = Math.min(100 * 2 ** attempt, 30_000)
          const millis = Duration.toMillis(delay)
          assert.isTrue(millis >= 0 && millis <= most)
          means[attempt]! += millis / most / rounds
        }
      }
      for (const mean of means) assert.closeTo(mean, 0.5, 0.12)
    }))

  it.effect("begins anew only after a stable while: a server that accepts and closes is not back", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make((line, say, connection) =>
        line === "close" ? Effect.asVoid(connection.abort) : say(line)
      )
      const client = yield* Reconnect.make(lines, server.address, {
        schedule: Schedule.exponential("1 seconds"),
        stableAfter: "10 seconds"
      })
      const times: Array<number> = []
      for (let round = 0; round < 3; round++) {
        const since = yield* Clock.currentTimeMillis
        while ((yield* Effect.result(client.request("a")))._tag === "Failure") yield* TestClock.adjust("100 millis")
        times.push((yield* Clock.currentTimeMillis) - since)
        yield* Effect.ignore(client.request("close"))
      }
      while ((yield* Effect.result(client.request("a")))._tag === "Failure") yield* TestClock.adjust("100 millis")
      yield* TestClock.adjust("10 seconds")
      yield* Effect.ignore(client.request("close"))
      const since = yield* Clock.currentTimeMillis
      while ((yield* Effect.result(client.request("a")))._tag === "Failure") yield* TestClock.adjust("100 millis")
      times.push((yield* Clock.currentTimeMillis) - since)
      assert.closeTo(times[1]!, 1000, 200)
      assert.closeTo(times[2]!, 2000, 200)
      assert.closeTo(times[3]!, 1000, 200)
    })))

  it.effect("several endpoints are tried in rotation, without a delay between them", () =>
    inMemory(Effect.gen(function*() {
      const first = yield* MemoryServer.make(MemoryServer.echo, { host: "first", port: 7 })
      const second = yield* MemoryServer.make(MemoryServer.echo, { host: "second", port: 7 })
      yield* first.stop
      const client = yield* Reconnect.make(lines, [first.address, nowhere, second.address], spaced)
      yield* settle
      assert.strictEqual(yield* client.request("a"), "a")
      assert.deepStrictEqual(second.log, ["a"])
      yield* first.start
      yield* second.stop
      yield* settle
      yield* TestClock.adjust(each)
      assert.strictEqual(yield* client.request("b"), "b")
      assert.deepStrictEqual(first.log, ["b"])
    })))

  it.effect("the session is before all else on each line, and its failure costs the line", () =>
    inMemory(Effect.gen(function*() {
      let fails = true
      const server = yield* MemoryServer.make(MemoryServer.echo)
      const client = yield* Reconnect.make(lines, server.address, {
        ...spaced,
        queue: true,
        session: (line) =>
          Effect.flatMap(line.request("auth"), () => {
            fails = !fails
            return fails ? Effect.void : Effect.fail("denied")
          })
      })
      const seen = yield* watch(client)
      const waits = yield* fork(client.request("waits"))
      yield* settle
      yield* TestClock.adjust(each)
      assert.strictEqual(yield* Fiber.join(waits), "waits")
      assert.deepStrictEqual(server.log, ["auth", "auth", "waits"])
      const failures = seen.flatMap((it) => it._tag === "Connecting" && it.failure !== undefined ? [it.failure] : [])
      assert.deepStrictEqual(failures.map(({ _tag }) => _tag), ["SessionError"])
    })))

  it.effect("a session that dies has failed: the line is made anew, and the status says why", () =>
    inMemory(Effect.gen(function*() {
      const sessions: Array<Effect.Effect<void>> = [Effect.die("bug"), Effect.interrupt]
      const server = yield* MemoryServer.make(MemoryServer.echo)
      const client = yield* Reconnect.make(lines, server.address, {
        ...spaced,
        queue: true,
        session: () => {
          if (server.connections.length === 3) throw new Error("thrown")
          return sessions.shift() ?? Effect.void
        }
      })
      const seen = yield* watch(client)
      const waits = yield* fork(client.request("waits"))
      for (let n = 0; n < 3; n++) {
        yield* settle
        yield* TestClock.adjust(each)
      }
      assert.strictEqual(yield* Fiber.join(waits), "waits")
      const causes = seen.flatMap((it) =>
        it._tag === "Connecting" && it.failure?._tag === "SessionError" ? [String(it.failure.cause)] : []
      )
      assert.deepStrictEqual(causes, ["bug", "Error: All fibers interrupted without error", "Error: thrown"])
    })))

  it.effect("a schedule that dies ends the client: nobody waits for a line that will not come", () =>
    inMemory(Effect.gen(function*() {
      const client = yield* Reconnect.make(lines, nowhere, {
        schedule: Schedule.modifyDelay(Schedule.forever, () => Effect.die("bug")),
        queue: true
      })
      const waits = yield* fork(failing(client, "waits"))
      const ending = yield* client.closed
      assert.strictEqual(ending._tag === "Failed" && ending.error._tag === "SessionError" && ending.error.cause, "bug")
      assert.strictEqual(yield* Fiber.join(waits), "NotSent LineClosed")
    })))

  it.effect("a session that stands still is given up, and what it asked goes out on no other line", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make(MemoryServer.silent)
      yield* Reconnect.make(lines, server.address, {
        ...spaced,
        maxInFlight: 1,
        sessionTimeout: "3 seconds",
        linger: 0,
        session: (line) => Effect.asVoid(line.requestAll(["auth", "more"]))
      })
      yield* settle
      yield* TestClock.adjust("3 seconds")
      yield* TestClock.adjust(each)
      yield* settle
      assert.deepStrictEqual(server.log, ["auth", "auth"])
    })))

  it.effect("ends by itself when the schedule is done, or where no endpoint can ever work", () =>
    inMemory(Effect.gen(function*() {
      const client = yield* Reconnect.make(lines, nowhere, { schedule: Schedule.recurs(2), queue: true })
      const waits = yield* fork(failing(client, "waits"))
      const ending = yield* client.closed
      assert.strictEqual(ending._tag === "Failed" ? ending.error._tag : ending._tag, "ConnectError")
      assert.strictEqual(yield* Fiber.join(waits), "NotSent LineClosed")
      assert.strictEqual(yield* failing(client, "late"), "NotSent LineClosed")
      const { message } = yield* Effect.flip(client.request("late"))
      assert.match(message, /was not sent: this client has ended: cannot connect to .*: connection refused/)
      const wrong = yield* Reconnect.make(lines, { host: "a", port: 70_000 })
      assert.strictEqual((yield* wrong.closed)._tag, "Failed")
      assert.deepStrictEqual((yield* Stream.runCollect(wrong.status)).map(({ _tag }) => _tag), ["Closed"])
    })))

  it.effect("says that there is no line as soon as there is none, not when the next attempt begins", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make(MemoryServer.echo)
      const client = yield* Reconnect.make(lines, server.address, spaced)
      const seen = yield* watch(client)
      yield* settle
      yield* server.stop
      yield* settle
      const said = () =>
        seen.map((it) => it._tag === "Connecting" ? `${it._tag} ${it.attempt} ${it.failure?._tag}` : it._tag)
      const lost = ["Ready", "Connecting 1 ReceiveError"]
      assert.deepStrictEqual(said(), lost)
      yield* TestClock.adjust(each)
      yield* settle
      assert.deepStrictEqual(said(), lost)
      yield* TestClock.adjust(each)
      yield* settle
      assert.deepStrictEqual(said(), [...lost, "Connecting 2 ConnectError"])
    })))

  it.effect("a drain that nobody waits for any more goes on, and ends the client", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make(MemoryServer.silent)
      const client = yield* Reconnect.make(lines, server.address, { drainTimeout: "5 seconds" })
      yield* settle
      const waits = yield* fork(failing(client, "a"))
      yield* settle
      const draining = yield* fork(Effect.timeoutOption(client.drain, "1 seconds"))
      yield* settle
      yield* TestClock.adjust("1 seconds")
      assert.isTrue(Option.isNone(yield* Fiber.join(draining)))
      yield* TestClock.adjust("10 seconds")
      yield* settle
      assert.strictEqual(yield* Fiber.join(waits), "MaybeSent LineClosed")
      assert.strictEqual((yield* client.closed)._tag, "Graceful")
      yield* client.drain
    })))

  it.effect("the scope ends it, and everything that waits", () =>
    inMemory(Effect.gen(function*() {
      const server = yield* MemoryServer.make(MemoryServer.silent)
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(Reconnect.make(lines, server.address, { maxInFlight: 1 }), scope)
      yield* settle
      const fibers = yield* Effect.forEach(["a", "b"], (it) => fork(failing(client, it)))
      yield* settle
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* Effect.forEach(fibers, Fiber.join), ["MaybeSent LineClosed", "NotSent LineClosed"])
      assert.strictEqual((yield* client.closed)._tag, "Graceful")
    })))

  it.effect("a server that asks to be left alone is, for as long as is allowed at most, and others are not", () =>
    inMemory(Effect.gen(function*() {
      const protocol = Protocol.json({
        framing: Lines.make(),
        request: Schema.String,
        response: Schema.String,
        push: Schema.Finite
      })
      const leave = (line: string, say: MemoryServer.Say) => {
        const { id } = JSON.parse(line) as { readonly id: number }
        return say(
          JSON.stringify({ _tag: "Push", push: 7 }),
          JSON.stringify({ _tag: "Response", id, response: "bye" })
        )
      }
      const first = yield* MemoryServer.make(leave, { host: "first", port: 7 })
      const second = yield* MemoryServer.make(leave, { host: "second", port: 7 })
      const options = { isGoAway: () => true, retryAfter: (seconds: number) => seconds * 1000, linger: 0, ...spaced }
      const one = yield* Reconnect.make(protocol, first.address, { ...options, maxRetryAfter: "5 seconds" })
      yield* settle
      assert.strictEqual(yield* one.request("a"), "bye")
      yield* TestClock.adjust("4999 millis")
      yield* settle
      assert.lengthOf(first.connections, 1)
      yield* TestClock.adjust("1 millis")
      yield* settle
      assert.lengthOf(first.connections, 2)
      yield* one.drain
      const two = yield* Reconnect.make(protocol, [first.address, second.address], options)
      yield* settle
      assert.strictEqual(yield* two.request("a"), "bye")
      yield* settle
      assert.deepStrictEqual([first.connections.length, second.connections.length], [3, 1])
    })))

  it.effect("a server that goes away answers what it has, and the next line takes the rest", () =>
    inMemory(Effect.gen(function*() {
      const protocol = Protocol.json({
        framing: Lines.make(),
        request: Schema.String,
        response: Schema.String,
        push: Schema.String
      })
      const server = yield* MemoryServer.make((line, say) => {
        const { id, request } = JSON.parse(line) as { readonly id: number; readonly request: string }
        const answer = say(JSON.stringify({ _tag: "Response", id, response: request }))
        if (request !== "slow") return answer
        return Effect.andThen(
          say(JSON.stringify({ _tag: "Push", push: "go away" })),
          Effect.asVoid(Effect.forkScoped(Effect.delay(answer, "2 seconds")))
        )
      })
      const client = yield* Reconnect.make(protocol, server.address, {
        ...spaced,
        queue: true,
        isGoAway: (push) => push === "go away"
      })
      const slow = yield* fork(client.request("slow"))
      yield* settle
      const next = yield* fork(client.request("next"))
      yield* settle
      assert.strictEqual(yield* Fiber.join(next), "next")
      assert.isUndefined(slow.pollUnsafe())
      assert.lengthOf(server.connections, 2)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(slow), "slow")
      // One that goes away as soon as it is there is not hurried to.
      const again = yield* fork(client.request("slow"))
      yield* settle
      assert.lengthOf(server.connections, 2)
      yield* TestClock.adjust(each)
      yield* settle
      assert.lengthOf(server.connections, 3)
      yield* TestClock.adjust("1 seconds")
      yield* Fiber.join(again)
      yield* client.drain
      assert.strictEqual(yield* Effect.map(Effect.flip(client.request("late")), ({ _tag }) => _tag), "RequestError")
    })))
})
