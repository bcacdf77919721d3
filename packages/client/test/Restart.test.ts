import { assert, describe, it } from "@effect/vitest"
import { Reconnect } from "@framewire/client"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Net from "node:net"
import { bounded, eventually, lines } from "./support/index.ts"

/** Echoes lines on a port that stays the same, and can be killed and started. */
const phoenix = Effect.gen(function*() {
  const seen = new Map<string, number>()
  const sockets = new Set<Net.Socket>()
  let server: Net.Server | undefined
  let port = 0
  const start = Effect.callback<void>((resume) => {
    server = Net.createServer((socket) => {
      sockets.add(socket)
      let rest = ""
      socket.on("error", () => {})
      socket.on("data", (chunk) => {
        const whole = (rest + String(chunk)).split("\n")
        rest = whole.pop()!
        for (const line of whole) seen.set(line, (seen.get(line) ?? 0) + 1)
        socket.write(whole.map((line) => `${line}\n`).join(""))
      })
    }).listen({ host: "127.0.0.1", port }, () => {
      const address = server?.address()
      port = typeof address === "object" && address !== null ? address.port : 0
      resume(Effect.void)
    })
  })
  const kill = Effect.callback<void>((resume) => {
    server?.close(() => resume(Effect.void))
    for (const socket of sockets) socket.resetAndDestroy()
    sockets.clear()
  })
  yield* start
  yield* Effect.addFinalizer(() => kill)
  return { address: { host: "127.0.0.1", port }, seen, start, kill }
})

describe("a server that is restarted 20 times under load", () => {
  it.live("each request succeeds or fails typed, the client is back within its schedule", () =>
    bounded(Effect.gen(function*() {
      const server = yield* phoenix
      const client = yield* Reconnect.make(lines, server.address, {
        schedule: Schedule.spaced("10 millis"),
        queue: { maxAge: "2 seconds" }
      })
      const outcomes = new Map<string, string>()
      let next = 0
      const asking = Effect.forever(Effect.gen(function*() {
        const text = `${next++}`
        const result = yield* Effect.result(client.request(text))
        if (result._tag === "Success") assert.strictEqual(result.success, text)
        outcomes.set(text, result._tag === "Success" ? "Success" : result.failure.delivery)
      }))
      const load = yield* Effect.forEach(Array.from({ length: 16 }), () => Effect.forkChild(asking))
      for (let restart = 0; restart < 20; restart++) {
        yield* Effect.sleep(yield* Random.nextIntBetween(1, 20))
        yield* server.kill
        yield* Effect.sleep(yield* Random.nextIntBetween(1, 20))
        yield* server.start
        const before = outcomes.size
        // One delay of the schedule and a connection, on a machine that has other things to do.
        yield* Effect.timeout(eventually(() => outcomes.size > before + 100), "2 seconds")
      }
      yield* Fiber.interruptAll(load)
      const counts = new Map<string, number>()
      for (const [text, outcome] of outcomes) {
        counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
        const times = server.seen.get(text) ?? 0
        assert.isAtMost(times, 1)
        if (outcome === "Success") assert.strictEqual(times, 1)
        if (outcome === "NotSent") assert.strictEqual(times, 0)
      }
      assert.isAbove(counts.get("Success") ?? 0, 2000)
      // With a queue, and the server soon back, nothing is unsent.
      assert.isUndefined(counts.get("NotSent"))
      assert.isAtMost(counts.get("MaybeSent") ?? 0, 20 * 16)
    })))
})
