// What Effect 4.1's own sockets do wrong, as run for the design of framewire, and a test by that name that it does not
// happen here. Where the unit tests say more, this says it once more, end to end.
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@framewire/client"
import { type Address, Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Codec, Lines, Protocol } from "@framewire/framing"
import { Server } from "@framewire/server"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import { readdirSync } from "node:fs"
import * as Socket from "./support/Socket.ts"

const anyPort: Address.TcpAddress = { host: "127.0.0.1", port: 0 }
const protocol = Protocol.symmetric(Codec.text(Lines.make()))
const large = new Uint8Array(20_000_000)

const portOf = (address: Address.Address) => "port" in address ? address.port : 0
const descriptors = () => readdirSync("/proc/self/fd").length

/** A hang is a failure, also that of a finalizer: it runs in a fiber of its own. */
const bounded = <A, E>(body: Effect.Effect<A, E, Scope.Scope | Transport.Transport>) =>
  Effect.scoped(body).pipe(
    Effect.provide(NodeTransport.layer),
    Effect.forkDetach({ startImmediately: true }),
    Effect.flatMap(Fiber.join),
    Effect.timeout("10 seconds")
  )

/** Two ends: ours, accepted, and a bare socket that does only what it is told. */
const pair = Effect.gen(function*() {
  const listener = yield* Transport.listen(anyPort)
  const peer = yield* Socket.connect(portOf(listener.address))
  return { connection: yield* listener.accept, peer }
})

describe("defects of effect/socket 4.1", () => {
  it.live("E1: a write on a dead socket settles", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer } = yield* pair
      yield* peer.reset
      const first = yield* Effect.exit(Effect.forever(connection.send(large)))
      assert.isTrue(Exit.isFailure(first))
      const late = yield* Effect.flip(connection.send(Uint8Array.of(1)))
      assert.strictEqual(late._tag, "SendError")
    })))

  it.live("E2: the answer after the peer's half-close is not lost", () =>
    bounded(Effect.gen(function*() {
      const gate = Deferred.makeUnsafe<void>()
      const server = yield* Server.make(
        { address: anyPort },
        Server.respond(protocol, (line) => Effect.as(Deferred.await(gate), `late ${line}`))
      )
      const peer = yield* Socket.connect(portOf(server.address))
      yield* peer.write("reply\n")
      yield* peer.end
      yield* Effect.sleep("50 millis")
      yield* Deferred.succeed(gate, undefined)
      const { by, text } = yield* peer.ended
      assert.deepStrictEqual([text, by], ["late reply\n", "FIN"])
    })))

  it.live("E3: interrupting the server closes the port first, and lets work in flight finish", () =>
    bounded(Effect.gen(function*() {
      const scope = yield* Scope.make()
      const started = Deferred.makeUnsafe<void>()
      const gate = Deferred.makeUnsafe<void>()
      const server = yield* Server.make(
        { address: anyPort },
        Server.respond(
          protocol,
          (line) => Effect.as(Effect.andThen(Deferred.succeed(started, undefined), Deferred.await(gate)), line)
        )
      ).pipe(Scope.provide(scope))
      const port = portOf(server.address)
      const peer = yield* Socket.connect(port)
      yield* peer.write("in flight\n")
      yield* Deferred.await(started)
      const stopping = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* Socket.closed(port)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual((yield* peer.ended).text, "in flight\n")
      yield* peer.end
      yield* Fiber.join(stopping)
    })))

  it.live("E4: closing a scope does not wait for a peer that does not read", () =>
    bounded(Effect.gen(function*() {
      const listener = yield* Transport.listen(anyPort, { linger: "300 millis" })
      const scope = yield* Scope.make()
      const client = yield* Transport.connect(listener.address)
      const connection = yield* Scope.provide(listener.accept, scope)
      const sending = yield* Effect.forkChild(connection.send(large), { startImmediately: true })
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(Exit.isFailure(yield* Fiber.await(sending)))
      assert.strictEqual((yield* connection.closed)._tag, "LingerExpired")
      yield* client.abort
    })))

  it.live("E5: a handler that leaves the connection alone leaks nothing", () =>
    bounded(Effect.gen(function*() {
      const before = descriptors()
      yield* Effect.scoped(Effect.gen(function*() {
        const server = yield* Server.make({ address: anyPort }, () => Effect.void)
        const peer = yield* Socket.connect(portOf(server.address))
        assert.strictEqual((yield* peer.ended).by, "FIN")
      }))
      assert.isAtMost(descriptors(), before)
    })))

  it.live("E6: a listener that cannot listen fails with its reason, and nothing hangs", () =>
    bounded(Effect.gen(function*() {
      const { address } = yield* Transport.listen(anyPort)
      const error = yield* Effect.flip(Server.run({ address }, () => Effect.void))
      assert.deepStrictEqual([error._tag, error.reason._tag], ["ListenError", "AddressInUse"])
    })))

  it.live("E7: a clean disconnect is no error, and logs nothing", () =>
    bounded(Effect.gen(function*() {
      const lines: Array<unknown> = []
      const quiet = Layer.mergeAll(
        Logger.layer([Logger.make(({ message }) => void lines.push(message))]),
        Layer.succeed(References.MinimumLogLevel, "All")
      )
      yield* Effect.scoped(Effect.gen(function*() {
        const server = yield* Server.make(
          { address: anyPort },
          Server.respond(protocol, (line) => Effect.succeed(line))
        )
        const peer = yield* Socket.connect(portOf(server.address))
        yield* peer.write("hello\n")
        yield* peer.received(6)
        yield* peer.end
        yield* peer.ended
        yield* server.stop
      })).pipe(Effect.provide(quiet))
      assert.deepStrictEqual(lines, [])
    })))

  it.live("E8: an error has its errno, its reason and its addresses", () =>
    bounded(Effect.gen(function*() {
      const remote = { host: "127.0.0.1", port: yield* Socket.refusing }
      const error = yield* Effect.flip(Transport.connect(remote))
      assert.deepStrictEqual(
        [error._tag, error.reason._tag, error.code, error.retry, error.remote],
        ["ConnectError", "ConnectionRefused", "ECONNREFUSED", "after-backoff", remote]
      )
    })))

  it.live("E9: a timeout that is asked for has an effect", () =>
    bounded(Effect.gen(function*() {
      const listener = yield* Transport.listen(anyPort)
      const connection = yield* Transport.connect(listener.address, { writeTimeout: "300 millis" })
      const error = yield* Effect.flip(connection.send(large))
      assert.strictEqual(error.reason._tag, "TimedOut")
    })))

  it.live("E10: a request on a line that has ended fails at once, and says that it was not sent", () =>
    bounded(Effect.gen(function*() {
      const listener = yield* Transport.listen(anyPort)
      const client = yield* Client.connect(protocol, listener.address)
      yield* Effect.flatMap(listener.accept, (connection) => connection.abort)
      yield* client.closed
      const error = yield* Effect.flip(client.request("anybody there?"))
      assert.strictEqual(error.delivery, "NotSent")
    })))

  it.live("E11: what is interrupted before it begins ends, and frees the port", () =>
    bounded(Effect.gen(function*() {
      const listening = yield* Effect.forkChild(Effect.scoped(Effect.andThen(Transport.listen(anyPort), Effect.never)))
      yield* Fiber.interrupt(listening)
      const { address } = yield* Effect.scoped(Transport.listen(anyPort))
      const connecting = yield* Effect.forkChild(Effect.scoped(Transport.connect(address)))
      yield* Fiber.interrupt(connecting)
      yield* Effect.scoped(Transport.listen(address))
    })))
})
