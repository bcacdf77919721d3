// A client and a server of ours, many times, with answers that come when they like.
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@framewire/client"
import { NodeTransport } from "@framewire/core/node"
import { Codec, Lines, Protocol } from "@framewire/framing"
import { Server } from "@framewire/server"
import * as Effect from "effect/Effect"

const lines = Protocol.symmetric(Codec.text(Lines.make()))
const clients = 50
const requests = 200

/** Numbers from 0 to 1 that are the same in every run. */
const random = (seed: number) => () => {
  seed = Math.imul(seed ^ seed >>> 15, seed | 1) + 0x6d2b79f5 | 0
  return ((seed ^ seed >>> 14) >>> 0) / 2 ** 32
}

describe("load", () => {
  it.live("50 clients with 200 requests each get every one its own answer", () =>
    Effect.gen(function*() {
      const next = random(42)
      const pause = Effect.suspend(() => {
        const dice = next()
        if (dice < 0.5) return Effect.void
        if (dice < 0.75) return Effect.yieldNow
        return dice < 0.95 ? Effect.sleep("1 millis") : Effect.promise(() => Promise.resolve())
      })
      const server = yield* Server.make(
        { address: { host: "127.0.0.1", port: 0 }, drainDeadline: "2 seconds" },
        Server.respond(lines, (text) => Effect.as(pause, `re ${text}`))
      )
      yield* Effect.forEach(
        Array.from({ length: clients }, (_, index) => index),
        (c) =>
          Effect.scoped(Effect.gen(function*() {
            const client = yield* Client.connect(lines, server.address, { maxInFlight: 1 + Math.floor(next() * 64) })
            yield* Effect.forEach(
              Array.from({ length: requests }, (_, index) => index),
              (r) =>
                Effect.gen(function*() {
                  yield* pause
                  assert.strictEqual(yield* client.request(`${c}/${r}`), `re ${c}/${r}`)
                }),
              { concurrency: 1 + Math.floor(next() * 100), discard: true }
            )
          })),
        { concurrency: "unbounded", discard: true }
      )
      const report = yield* server.stop
      assert.strictEqual(report.accepted, clients)
      assert.strictEqual(report.reset, 0)
    }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer), Effect.timeout("15 seconds")))
})
