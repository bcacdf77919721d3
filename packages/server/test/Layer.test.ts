import { assert, describe, it } from "@effect/vitest"
import { TransportError, TransportReason } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Server } from "@framewire/server"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { bounded, capricious, FakeTransport, lines, options, RawClient } from "./support/index.ts"

class Greeting extends Context.Service<Greeting, string>()("test/Greeting") {}

const greeter = Server.layer(
  options,
  Server.respond(lines, (name) => Effect.map(Greeting, (greeting) => `${greeting} ${name}`))
)

describe("Server.layer", () => {
  it.live("serves as long as the layer lives, with the services of other layers", () =>
    bounded(Effect.gen(function*() {
      let ended = false
      const greeting = Layer.effect(
        Greeting,
        Effect.acquireRelease(Effect.succeed("hello"), () => Effect.sync(() => ended = true))
      )
      const layer = greeter.pipe(Layer.provide(greeting), Layer.provide(NodeTransport.layer))
      const { address, client } = yield* Effect.provide(
        Effect.gen(function*() {
          const { address } = yield* Server.Server
          const client = yield* RawClient.connect(address, { finishes: true })
          client.write("world\n")
          assert.strictEqual(yield* client.received(12), "hello world\n")
          assert.isFalse(ended)
          return { address, client }
        }),
        layer
      )
      assert.isTrue(ended)
      assert.strictEqual(yield* client.closed, "end")
      assert.strictEqual(yield* Effect.flip(RawClient.connect(address)), "ECONNREFUSED")
    })))

  it.live("what a handler uses outlives the drain", () =>
    bounded(Effect.gen(function*() {
      let ended = false
      const asked = Deferred.makeUnsafe<void>()
      const service = Layer.effect(
        Greeting,
        Effect.acquireRelease(Effect.succeed("hello"), () => Effect.sync(() => ended = true))
      )
      const server = Server.layer(
        options,
        Server.respond(lines, () =>
          Effect.gen(function*() {
            yield* Greeting
            yield* Deferred.succeed(asked, undefined)
            yield* Effect.sleep("50 millis")
            return `ended: ${ended}`
          }))
      )
      const client = yield* Effect.provide(
        Effect.gen(function*() {
          const client = yield* RawClient.connect((yield* Server.Server).address, { finishes: true })
          client.write("hello\n")
          yield* Deferred.await(asked)
          return client
        }),
        server.pipe(Layer.provide(service), Layer.provide(NodeTransport.layer))
      )
      assert.strictEqual(yield* client.ended, "ended: false\n")
      assert.isTrue(ended)
    })))

  it.live("a port in use is a ListenError of the layer", () =>
    bounded(Effect.gen(function*() {
      const first = yield* Server.make(options, () => Effect.never)
      const second = Server.layer({ address: first.address }, () => Effect.never)
      const error = yield* Effect.flip(Layer.build(second))
      assert.instanceOf(error, TransportError.ListenError)
      assert.strictEqual(error.reason._tag, "AddressInUse")
      // As an application would.
      const reason = yield* Layer.build(second).pipe(
        Effect.as("built"),
        Effect.catchReason("ListenError", "AddressInUse", ({ code }) => Effect.succeed(code))
      )
      assert.strictEqual(reason, "EADDRINUSE")
    })))

  it.live("gives back the port when it is interrupted while it starts, at whatever step", () =>
    bounded(Effect.gen(function*() {
      const free = yield* Effect.scoped(Effect.map(Server.make(options, () => Effect.never), ({ address }) => address))
      for (let steps = 0; steps < 60; steps++) {
        const fiber = yield* Effect.forkChild(
          Effect.scoped(Effect.andThen(Server.make({ ...options, address: free }, () => Effect.never), Effect.never))
            .pipe(
              capricious(steps)
            )
        )
        for (let i = 0; i < steps % 20; i++) yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
      }
      yield* Server.make({ ...options, address: free }, () => Effect.never)
    })))
})

describe("a listener that can accept no more", () => {
  const reason = new TransportReason.Unknown({ code: "EBADF" })
  const error = new TransportError.ListenError({ reason, local: options.address })

  it.live("stops the server, and `stopped` says why", () =>
    bounded(Effect.gen(function*() {
      const { drains, fail, layer } = FakeTransport.make()
      const server = yield* Effect.provide(Server.make(options, () => Effect.never), layer)
      fail(error)
      assert.strictEqual(yield* Effect.flip(server.stopped), error)
      assert.strictEqual((yield* server.stop).accepted, 0)
      assert.strictEqual(drains(), 1)
    })))

  it.live("fails Server.run", () =>
    bounded(Effect.gen(function*() {
      const { fail, layer } = FakeTransport.make()
      const running = yield* Effect.forkChild(Effect.provide(Server.run(options, () => Effect.never), layer))
      fail(error)
      assert.deepStrictEqual(yield* Fiber.await(running), Exit.fail(error))
    })))
})
