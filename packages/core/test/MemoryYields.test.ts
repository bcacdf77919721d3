// The network in memory wherever the runtime chooses to yield: who waits hears of what came between a look and the waiting.
import { assert, it } from "@effect/vitest"
import { Transport } from "@framewire/core"
import { MemoryTransport } from "@framewire/core/testing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { capricious } from "../../../tests/support/Capricious.ts"

const conversation = Effect.gen(function*() {
  const listener = yield* Transport.listen({ host: "127.0.0.1", port: 0 }, { linger: "1 minute" })
  const peer = yield* Transport.connect(listener.address, { linger: "1 minute" })
  const connection = yield* listener.accept
  const echo = yield* Effect.forkChild(
    Effect.ignore(Effect.forever(Effect.flatMap(connection.receive, connection.sendAll)))
  )
  for (const letter of "abc") {
    yield* peer.send(Buffer.from(letter))
    assert.strictEqual(String(Buffer.concat(yield* peer.receive)), letter)
  }
  const closing = yield* Effect.forkChild(peer.close())
  yield* Fiber.await(echo)
  const both = [(yield* connection.close())._tag, (yield* Fiber.join(closing))._tag]
  assert.deepStrictEqual(both, ["Graceful", "Graceful"])
})

it.live("bytes and FIN arrive", () =>
  Effect.gen(function*() {
    for (let seed = 0; seed < 200; seed++) {
      yield* Effect.scoped(conversation).pipe(capricious(seed), Effect.timeout("1 second"))
    }
  }).pipe(Effect.provide(MemoryTransport.layer())))
