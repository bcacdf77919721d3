// A listener that cannot accept for a while, and handlers that die: neither ends the server.
import { assert, describe, it } from "@effect/vitest"
import { Transport, TransportError, TransportReason } from "@framewire/core"
import { MemoryNetwork } from "@framewire/core/testing"
import { Server, ServerMetrics } from "@framewire/server"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { countsOf, eventsOf, inMemory, lines, options } from "./support/index.ts"

const echo = Server.respond(lines, Effect.succeed<string>)

const serve = Effect.gen(function*() {
  const network = yield* MemoryNetwork.MemoryNetwork
  const server = yield* Server.make({ ...options, linger: 0 }, echo)
  return { server, events: yield* eventsOf(server), acceptError: network.acceptError }
})

/** A client that comes now is answered. */
const isServed = (server: Server.Server["Service"]) =>
  Effect.gen(function*() {
    const peer = yield* Transport.connect(server.address, { linger: 0 })
    yield* peer.send(Buffer.from("a\n"))
    assert.strictEqual(String(Buffer.concat(yield* peer.receive)), "a\n")
    yield* peer.close()
  })

describe("accepting that fails", () => {
  const passing: ReadonlyArray<TransportReason.TransportReason> = [
    new TransportReason.ResourceExhausted({ code: "EMFILE" }),
    new TransportReason.ConnectionReset({ code: "ECONNABORTED" }),
    new TransportReason.Unreachable({ code: "ENETDOWN" })
  ]
  it.effect.each(passing)(
    "$code passes: nobody is lost, and the server is not ready meanwhile",
    (reason) =>
      inMemory(Effect.gen(function*() {
        const { acceptError, events, server } = yield* serve
        yield* acceptError(reason)
        yield* TestClock.adjust(0)
        assert.deepStrictEqual([yield* server.ready, yield* server.live], [false, true])
        const peer = yield* Transport.connect(server.address, { linger: 0 })
        yield* peer.send(Buffer.from("a\n"))
        yield* TestClock.adjust(4)
        assert.strictEqual(yield* server.connections, 0)
        yield* TestClock.adjust(1)
        assert.strictEqual(String(Buffer.concat(yield* peer.receive)), "a\n")
        assert.isTrue(yield* server.ready)
        assert.deepStrictEqual(events.map(({ _tag }) => _tag), ["AcceptFailed", "Accepted"])
        assert.deepStrictEqual(yield* countsOf(ServerMetrics.acceptFailed, "error.type"), { [reason._tag]: 1 })
      }))
  )

  it.effect("again and again: each pause is twice as long, one second at most, and a success begins anew", () =>
    inMemory(Effect.gen(function*() {
      const { acceptError, events, server } = yield* serve
      for (let i = 0; i < 12; i++) yield* acceptError()
      const times: Array<number> = []
      for (let millis = 0; events.length < 12; millis++) {
        for (let seen = times.length; seen < events.length; seen++) times.push(millis)
        yield* TestClock.adjust(1)
      }
      const pauses = times.slice(1).map((time, index) => time - times[index]!)
      assert.deepStrictEqual(pauses.slice(0, 10), [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000])
      yield* TestClock.adjust("1 second")
      yield* isServed(server)
      yield* acceptError()
      yield* TestClock.adjust(5)
      yield* isServed(server)
    })))

  it.effect("for a minute without a success: the server stops, and says why", () =>
    inMemory(Effect.gen(function*() {
      const { acceptError, server } = yield* serve
      for (let i = 0; i < 100; i++) yield* acceptError()
      yield* TestClock.adjust("58 seconds")
      assert.deepStrictEqual([yield* server.ready, yield* server.live], [false, true])
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Effect.flip(server.stopped)).code, "EMFILE")
      assert.isFalse(yield* server.live)
    })))

  it.effect("for good: the server stops at once", () =>
    inMemory(Effect.gen(function*() {
      const { acceptError, server } = yield* serve
      yield* acceptError(new TransportReason.Unknown({ code: "EBADF" }))
      yield* TestClock.adjust(0)
      assert.strictEqual((yield* Effect.flip(server.stopped)).code, "EBADF")
    })))

  it.effect("a stop in a pause waits for no more than the pause, and who had come is served", () =>
    inMemory(Effect.gen(function*() {
      const { acceptError, server } = yield* serve
      for (let i = 0; i < 9; i++) yield* acceptError()
      yield* TestClock.adjust(2000)
      const peer = yield* Transport.connect(server.address, { linger: 0 })
      yield* peer.send(Buffer.from("a\n"))
      yield* Effect.forkChild(server.stop, { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.strictEqual(String(Buffer.concat(yield* peer.receive)), "a\n")
      assert.deepInclude(yield* server.stop, { accepted: 1, finished: 1 })
    })))
})

describe("a handler", () => {
  const local = options.address
  const ends: Readonly<Record<string, Effect.Effect<never, TransportError.SendError>>> = {
    "that fails": Effect.fail(
      new TransportError.SendError({ reason: new TransportReason.WriteSideClosed({}), local, remote: local })
    ),
    "that dies": Effect.die(new Error("no")),
    "that throws": Effect.suspend(() => {
      throw new Error("no")
    }),
    "that interrupts itself": Effect.interrupt
  }
  it.effect.each(Object.entries(ends))(
    "%s ends its own connection, gracefully, and no other",
    ([, end]) =>
      inMemory(Effect.gen(function*() {
        const server = yield* Server.make(
          { ...options, linger: 0 },
          Server.forEach(lines.server, (line, framed) => line === "x" ? end : framed.send(line))
        )
        const good = yield* Transport.connect(server.address, { linger: 0 })
        yield* good.send(Buffer.from("a\n"))
        assert.strictEqual(String(Buffer.concat(yield* good.receive)), "a\n")
        const bad = yield* Transport.connect(server.address, { linger: 0 })
        yield* bad.send(Buffer.from("x\n"))
        assert.isTrue(Cause.isDone(yield* Effect.flip(bad.receive)))
        yield* bad.close()
        yield* TestClock.adjust(0)
        assert.strictEqual(yield* server.connections, 1)
        assert.strictEqual((yield* good.state)._tag, "Open")
      }))
  )
})
