import { assert, describe, it } from "@effect/vitest"
import { Client, type RequestError } from "@framewire/client"
import { Codec, LengthPrefixed, Lines, Protocol } from "@framewire/framing"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type * as Net from "node:net"
import { bounded, capricious, eventually, FakeTransport, lines, RawServer } from "./support/index.ts"

const range = (count: number) => Array.from({ length: count }, (_, index) => index)
const every = { concurrency: "unbounded" } as const

/** What is known of each request in the end: its answer, or how it failed. */
const outcomes = (client: Client.Client<string, string>, count: number) =>
  Effect.forEach(range(count), (n) => Effect.result(client.request(`${n}`)), every)

const reasons = (results: ReadonlyArray<Effect.Success<ReturnType<typeof outcomes>>[number]>) =>
  new Set(results.map((it) => it._tag === "Success" ? "answered" : reasonOf(it.failure)))

const reasonOf = ({ delivery, reason }: RequestError.RequestError): string => {
  const inner = "reason" in reason ? `${reason._tag}.${reason.reason._tag}` : reason._tag
  return `${delivery} ${inner}`
}

/** After the line has ended: later requests fail at once and were not sent, and `closed` settles. */
const isOver = (client: Client.Client<string, string>, expected: string) =>
  Effect.gen(function*() {
    const exit = yield* Effect.forkChild(Effect.flip(client.request("late")), { startImmediately: true })
    const error = exit.pollUnsafe()
    assert.isTrue(error !== undefined && Exit.isSuccess(error), "a later request suspends")
    assert.strictEqual(reasonOf(yield* Fiber.join(exit)), `NotSent ${expected}`)
    yield* Effect.timeout(client.closed, "5 seconds")
  })

/** Does something once, when the third line has come. */
const atThird = (act: (socket: Net.Socket) => void) => {
  let seen = 0
  return (_: string, socket: Net.Socket) => {
    if (++seen === 3) act(socket)
  }
}

describe("the line drops", () => {
  interface Drop {
    readonly act: (socket: Net.Socket) => void
    readonly expected: string
    readonly protocol?: Protocol.Protocol<string, string>
  }
  const drops: Record<string, Drop> = {
    "RST": {
      act: (socket) => socket.resetAndDestroy(),
      expected: "ReceiveError.ConnectionReset"
    },
    "FIN": {
      act: (socket) => socket.end(),
      expected: "LineClosed"
    },
    "FIN inside a frame": {
      act: (socket) => socket.end(Uint8Array.of(3, 97)),
      expected: "FrameError.Truncated",
      protocol: Protocol.make({ request: lines.server, response: Codec.text(LengthPrefixed.u8()) })
    },
    "garbage over the limit": {
      act: (socket) => socket.write("x".repeat(100)),
      expected: "FrameError.FrameTooLong",
      protocol: Protocol.make({ request: lines.server, response: Codec.text(Lines.make({ limit: 50 })) })
    }
  }
  for (const [name, { act, expected, protocol = lines }] of Object.entries(drops)) {
    it.live(`${name}: every request that waits fails with it`, () =>
      bounded(Effect.gen(function*() {
        const server = yield* RawServer.make({ onLine: atThird(act) })
        const client = yield* Client.connect(protocol, server.address)
        const results = yield* outcomes(client, 20)
        assert.deepStrictEqual(reasons(results), new Set([`MaybeSent ${expected}`]))
        yield* isOver(client, expected)
      })))

    it.live(`${name}: those who wait for a place were not sent`, () =>
      bounded(Effect.gen(function*() {
        const server = yield* RawServer.make({ onLine: atThird(act) })
        const client = yield* Client.connect(protocol, server.address, { maxInFlight: 3 })
        const results = yield* outcomes(client, 20)
        assert.deepStrictEqual(
          results.map((it) => it._tag === "Failure" ? it.failure.delivery : "answered"),
          range(20).map((n) => n < 3 ? "MaybeSent" : "NotSent")
        )
        assert.deepStrictEqual(server.lines(), ["0", "1", "2"])
      })))
  }

  it.live("answers in front of the end are good", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({ onLine: atThird((socket) => socket.end("0\n1\n")) })
      const client = yield* Client.connect(lines, server.address)
      const results = yield* outcomes(client, 5)
      assert.deepStrictEqual(
        results.map((it) => it._tag === "Success" ? it.success : reasonOf(it.failure)),
        ["0", "1", ...range(3).map(() => "MaybeSent LineClosed")]
      )
    })))

  it.live("an answer too many: the requests before it are answered, the line ends", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({ onLine: atThird((socket) => socket.write("0\n1\n2\nwhose?\n")) })
      const client = yield* Client.connect(lines, server.address)
      const results = yield* outcomes(client, 3)
      assert.deepStrictEqual(reasons(results), new Set(["answered"]))
      yield* client.closed
      yield* isOver(client, "UnexpectedAnswer")
    })))

  it.live("an answer too many is not taken for that of the next request", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({
        onLine: (line, socket) => {
          if (line === "first") socket.write("first\nwhose?\n")
        }
      })
      const client = yield* Client.connect(lines, server.address)
      // The second request begins when the first answer is there: in the middle of that batch of answers.
      const [first, second] = yield* Effect.all([
        client.request("first"),
        Effect.flip(Effect.andThen(Effect.void, client.request("second")))
      ])
      assert.strictEqual(first, "first")
      assert.strictEqual(reasonOf(second), "NotSent UnexpectedAnswer")
      assert.deepStrictEqual(server.lines(), ["first"])
    })))

  it.live("a decoder that throws is a defect of those who wait", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({ onLine: (line, socket) => socket.write(`${line}\n`) })
      const codec = Codec.transform(lines.client, (text) => {
        if (text === "bad") throw new Error("no")
        return text
      }, (text: string) => text)
      const client = yield* Client.connect(Protocol.symmetric(codec), server.address)
      assert.strictEqual(yield* client.request("good"), "good")
      const exits = yield* Effect.forEach(["bad", "good"], (it) => Effect.exit(client.request(it)), every)
      for (const exit of exits) assert.isTrue(Exit.hasDies(exit))
      yield* isOver(client, "LineClosed")
    })))

  it.live("closing the client's scope fails what waits, and sends nothing more", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make()
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(Client.connect(lines, server.address, { maxInFlight: 10 }), scope)
      const waiting = yield* Effect.forkChild(outcomes(client, 20))
      yield* eventually(() => server.lines().length === 10)
      const late = yield* Effect.forkChild(Effect.flip(client.request("unsent")), { startImmediately: true })
      yield* Scope.close(scope, Exit.void)
      const results = yield* Fiber.join(waiting)
      assert.deepStrictEqual(
        results.map((it) => it._tag === "Failure" ? reasonOf(it.failure) : "answered"),
        range(20).map((n) => n < 10 ? "MaybeSent LineClosed" : "NotSent LineClosed")
      )
      assert.strictEqual(reasonOf(yield* Fiber.join(late)), "NotSent LineClosed")
      yield* isOver(client, "LineClosed")
      yield* eventually(() => server.sockets[0]!.closed)
      assert.lengthOf(server.lines(), 10)
    })))

  it.live("requests of the very turn in which the scope closes were not sent", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make()
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(Client.connect(lines, server.address), scope)
      const late = yield* Effect.forEach(
        range(5),
        (n) => Effect.forkChild(Effect.flip(client.request(`${n}`)), { startImmediately: true })
      )
      yield* Scope.close(scope, Exit.void)
      const deliveries = yield* Effect.forEach(late, (it) => Effect.map(Fiber.join(it), ({ delivery }) => delivery))
      yield* eventually(() => server.sockets[0]?.closed === true)
      // Sent or not, whatever it was: it is what the server saw.
      assert.deepStrictEqual(server.lines().length > 0, deliveries.includes("MaybeSent"))
    })))

  it.live("a server that never reads: only what the kernel was given may have been sent", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({ reads: false })
      const client = yield* Client.connect(lines, server.address)
      const filler = "x".repeat(1_000_000)
      // The first write fills the kernel's buffers and waits, so that what comes after it is not sent.
      const first = yield* Effect.forkChild(
        Effect.forEach(range(10), (n) => Effect.flip(client.request(`${n}${filler}`)), every)
      )
      yield* eventually(() => server.sockets.length === 1)
      yield* Effect.sleep("50 millis")
      const second = yield* Effect.forkChild(
        Effect.forEach(range(10), (n) => Effect.flip(client.request(`later${n}`)), every)
      )
      yield* Effect.sleep("10 millis")
      server.sockets[0]!.resetAndDestroy()
      for (const { delivery } of yield* Fiber.join(first)) assert.strictEqual(delivery, "MaybeSent")
      for (const { delivery } of yield* Fiber.join(second)) assert.strictEqual(delivery, "NotSent")
      yield* Effect.timeout(client.closed, "5 seconds")
    })))

  it.live("a send that fails takes no answer away that has arrived", () =>
    bounded(Effect.gen(function*() {
      const fake = FakeTransport.make()
      const client = yield* Effect.provide(Client.connect(lines, fake.address), fake.layer)
      const first = yield* Effect.forkChild(client.request("first"))
      yield* eventually(() => fake.sent() === "first\n")
      fake.breakSends("first\n")
      const second = yield* Effect.flip(client.request("second"))
      assert.strictEqual(yield* Fiber.join(first), "first")
      assert.strictEqual(reasonOf(second), "MaybeSent SendError.BrokenPipe")
      yield* isOver(client, "SendError.BrokenPipe")
    })))

  it.live("a send that fails while a part of an answer is here makes no answer of that", () =>
    bounded(Effect.gen(function*() {
      const fake = FakeTransport.make()
      const client = yield* Effect.provide(Client.connect(lines, fake.address), fake.layer)
      const both = yield* Effect.forkChild(outcomes(client, 2))
      yield* eventually(() => fake.sent() === "0\n1\n")
      fake.breakSends("0\npart of o")
      yield* Effect.flip(client.request("more"))
      const [first, second] = yield* Fiber.join(both)
      assert(first?._tag === "Success" && second?._tag === "Failure")
      assert.strictEqual(first.success, "0")
      assert.strictEqual(reasonOf(second.failure), "MaybeSent SendError.BrokenPipe")
    })))

  it.live("closed settles though the server never closes", () =>
    bounded(Effect.gen(function*() {
      const server = yield* RawServer.make({ finishes: false, onLine: (_, socket) => socket.write("a\nb\n") })
      const client = yield* Client.connect(lines, server.address, { linger: "50 millis" })
      yield* client.request("a")
      assert.strictEqual((yield* client.closed)._tag, "LingerExpired")
    })))

  it.live("nothing that was called unsent ever arrives, whenever the line drops and wherever the runtime yields", () =>
    bounded(Effect.gen(function*() {
      for (let seed = 0; seed < 60; seed++) {
        yield* Effect.gen(function*() {
          const drop = seed % 3
          let seen = 0
          const server = yield* RawServer.make({
            onLine: (line, socket) => {
              if (++seen % 2 === 0) socket.write(`${line}\n`)
              // Before the 16 places are taken by those that are not answered.
              if (seen !== 5 + seed % 20) return
              if (drop === 0) socket.resetAndDestroy()
              else if (drop === 1) socket.end()
              else socket.write("whose?\n".repeat(1000))
            }
          })
          const client = yield* Client.connect(lines, server.address, { maxInFlight: 16 })
          const results = yield* Effect.forEach(
            range(200),
            (n) => Effect.result(Effect.andThen(n % 7 === 0 ? Effect.yieldNow : Effect.void, client.request(`${n}`))),
            every
          )
          yield* Effect.timeout(client.closed, "5 seconds")
          yield* eventually(() => server.sockets.every(({ closed }) => closed))
          const arrived = new Set(server.lines())
          for (const [n, it] of results.entries()) {
            if (it._tag === "Failure" && it.failure.delivery === "NotSent") assert.isFalse(arrived.has(`${n}`))
            if (it._tag === "Success") assert.isTrue(arrived.has(`${n}`))
          }
        }).pipe(Effect.scoped, capricious(seed))
      }
    })))
})
