// A client that a handler of a server opens, as a proxy does: two connections, and each is timed for itself.
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@framewire/client"
import { Codec, Framed, Lines } from "@framewire/framing"
import { Server } from "@framewire/server"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { lines, MemoryServer } from "../packages/client/test/support/index.ts"

const { fork, inMemory, settle } = MemoryServer

/** Connects to that server for each connection, and passes lines on and back as they come. */
const proxy = (upstream: MemoryServer.MemoryServer, frameTimeout?: "1 minute") =>
  Server.make(
    { address: { host: "proxy", port: 8 }, deadlines: { frame: "10 seconds", minRate: 0 } },
    (connection) =>
      Effect.gen(function*() {
        const client = yield* Client.connect(lines, upstream.address, {
          requestTimeout: "1 minute",
          ...frameTimeout && { frameTimeout }
        })
        const framed = Framed.make(connection, Codec.text(Lines.make()))
        const passOn = (line: string) =>
          client.request(line).pipe(
            Effect.catchTag("RequestError", ({ reason }) => Effect.succeed(reason._tag)),
            Effect.flatMap((answer) => framed.send(answer))
          )
        return yield* Effect.forever(Effect.flatMap(framed.receive, (line) => Effect.forkScoped(passOn(line))))
      }).pipe(Effect.scoped, Effect.exit)
  )

/** Says a part of its answer, and the rest after 20 seconds, or never. */
const halting = (isEnding: boolean) =>
  MemoryServer.make((_, say, connection) =>
    Effect.ignore(connection.send(Buffer.from("ans"))).pipe(
      Effect.andThen(Effect.sleep("20 seconds")),
      Effect.andThen(isEnding ? say("wer") : Effect.void)
    ), { host: "upstream", port: 9 })

const asked = Effect.fnUntraced(function*({ address }: Pick<MemoryServer.MemoryServer, "address">) {
  const client = yield* Client.connect(lines, address, { requestTimeout: "Infinity" })
  const asking = yield* fork(client.request("a question that is longer than a part of its answer"))
  for (let n = 0; n < 35; n++) {
    yield* TestClock.adjust("1 seconds")
    yield* settle
  }
  return yield* Fiber.join(asking)
})

describe("a client in a handler", () => {
  it.effect("is slow to answer: that is no frame which the handler's own peer has not ended", () =>
    inMemory(Effect.gen(function*() {
      assert.strictEqual(yield* asked(yield* proxy(yield* halting(true), "1 minute")), "answer")
    })))

  it.effect("has its own frameTimeout, and by default, too", () =>
    inMemory(Effect.gen(function*() {
      assert.strictEqual(yield* asked(yield* proxy(yield* halting(false))), "FrameError")
    })))
})
