// effect/rpc over our transport: the real RpcServer and RpcClient, on EffectSocket.
import { assert, describe, it } from "@effect/vitest"
import { type Address, EffectSocket, type Listener, Transport, TransportError } from "@framewire/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcClientError from "effect/rpc/RpcClientError"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"
import * as Stream from "effect/Stream"
import { anyPort, bounded, eventually, failure, Raw } from "./support/index.ts"

class NoSuchUser extends Schema.TaggedError<NoSuchUser>()("NoSuchUser", { id: Schema.Number }) {}

const Group = RpcGroup.make(
  Rpc.make("User", { payload: { id: Schema.Number }, success: Schema.String, error: NoSuchUser }),
  Rpc.make("Count", { payload: { to: Schema.Number }, success: Schema.Number, stream: true }),
  Rpc.make("Blob", { payload: { size: Schema.Number }, success: Schema.String }),
  Rpc.make("Never", { success: Schema.Void }),
  Rpc.make("Ticks", { success: Schema.Number, stream: true })
)

let open = 0

const Handlers = Group.toLayer({
  User: ({ id }) => id < 0 ? Effect.fail(new NoSuchUser({ id })) : Effect.succeed(`user ${id}`),
  Count: ({ to }) => Stream.range(1, to),
  Blob: ({ size }) => Effect.succeed("x".repeat(size)),
  Never: () => Effect.acquireUseRelease(Effect.sync(() => open++), () => Effect.never, () => Effect.sync(() => open--)),
  Ticks: () => Stream.fromSchedule(Schedule.spaced("1 millis"))
})

const linger = "100 millis"
const serializations = { ndjson: RpcSerialization.layerNdjson, "schema binary": RpcSerialization.layerSchemaBinary() }

type Serialization = Layer.Layer<RpcSerialization.RpcSerialization>

/** An RpcServer on our listener, with all that it logged. */
const serving = (serialization: Serialization, at: Address.Address = anyPort, options?: EffectSocket.SocketOptions) =>
  Effect.gen(function*() {
    const logged: Array<string> = []
    const scope = yield* Scope.fork(yield* Effect.scope)
    const listener: Listener.Listener = yield* Scope.provide(Transport.listen(at, { linger }), scope)
    const logger = Logger.make(({ cause, logLevel, message }) =>
      logged.push(`${logLevel} ${message} ${Cause.pretty(cause)}`)
    )
    yield* Layer.buildWithScope(
      RpcServer.layer(Group).pipe(
        Layer.provide(Handlers),
        Layer.provide(RpcServer.layerProtocolSocketServer),
        Layer.provide(serialization),
        Layer.provide(
          Layer.effect(SocketServer.SocketServer, EffectSocket.toSocketServer(listener, options))
        ),
        Layer.provide(Logger.layer([logger]))
      ),
      scope
    )
    return { address: listener.address, listener, logged, stop: Scope.close(scope, Exit.void) }
  })

/** An RpcClient on our connection. */
const clientOf = (serialization: Serialization, address: Address.Address) =>
  Effect.gen(function*() {
    const transport = yield* Transport.Transport
    const protocol = yield* Layer.build(
      RpcClient.layerProtocolSocket({ retryPolicy: Schedule.spaced("20 millis") }).pipe(
        Layer.provide(serialization),
        Layer.provide(Layer.succeed(Socket.Socket, EffectSocket.toSocket(transport.connect(address, { linger }))))
      )
    )
    return yield* Effect.provide(RpcClient.make(Group), protocol)
  })

const soon = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(Effect.timeout("1 second"), Effect.catchTag("TimeoutError", () => Effect.die(new Error("it hangs"))))

for (const [name, serialization] of Object.entries(serializations)) {
  describe(`effect/rpc (${name})`, () => {
    const both = Effect.gen(function*() {
      const server = yield* serving(serialization)
      return { ...server, client: yield* clientOf(serialization, server.address) }
    })

    it.live("request and response, a typed error, a stream, a large answer", () =>
      bounded(Effect.gen(function*() {
        const { client, logged } = yield* both
        assert.strictEqual(yield* client.User({ id: 7 }), "user 7")
        assert.deepStrictEqual(yield* failure(client.User({ id: -1 })), new NoSuchUser({ id: -1 }))
        assert.deepStrictEqual(
          yield* Stream.runCollect(client.Count({ to: 1000 })),
          Array.from({ length: 1000 }, (_, i) => i + 1)
        )
        assert.strictEqual((yield* client.Blob({ size: 3_000_000 })).length, 3_000_000)
        assert.deepStrictEqual(logged, [])
      })))

    it.live("100 concurrent, more than the write buffer in all", () =>
      bounded(Effect.gen(function*() {
        const { client, logged } = yield* both
        const ids = Array.from({ length: 100 }, (_, id) => id)
        const users = Effect.forEach(ids, (id) => client.User({ id }), { concurrency: "unbounded" })
        const blobs = Effect.forEach(ids, () => client.Blob({ size: 50_000 }), { concurrency: "unbounded" })
        const [names, texts] = yield* Effect.all([users, blobs], { concurrency: "unbounded" })
        assert.deepStrictEqual(names, ids.map((id) => `user ${id}`))
        assert.isTrue(texts.every(({ length }) => length === 50_000))
        assert.deepStrictEqual(logged, [])
      })))

    it.live("a client that goes away ends its requests, and nothing is logged", () =>
      bounded(Effect.gen(function*() {
        const { address, logged } = yield* serving(serialization)
        yield* Effect.scoped(Effect.gen(function*() {
          const client = yield* clientOf(serialization, address)
          yield* Effect.forkScoped(client.Never(), { startImmediately: true })
          yield* eventually(() => open === 1)
        }))
        yield* eventually(() => open === 0)
        assert.deepStrictEqual(logged, [])
      })))

    it.live("a client that resets in the middle of a stream disturbs nobody else", () =>
      bounded(Effect.gen(function*() {
        const { address, client, logged } = yield* both
        const ticks = yield* Effect.forkChild(Stream.runCollect(Stream.take(client.Ticks(), 100)))
        // A client whose connection a bare proxy can reset.
        const proxy = yield* Raw.listen({ reads: false })
        const other = yield* clientOf(serialization, proxy.address)
        const stream = yield* Effect.forkChild(Effect.exit(Stream.runDrain(other.Ticks())), { startImmediately: true })
        const near = yield* proxy.next
        const far = yield* Raw.connect(address, { reads: false })
        near.socket.pipe(far.socket).pipe(near.socket)
        yield* eventually(() => far.socket.bytesRead > 200)
        yield* far.reset
        yield* near.reset
        const exit = yield* soon(Fiber.join(stream))
        const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        // RpcClient acknowledges each chunk, and makes a defect of an acknowledgement that cannot be written.
        assert.isTrue(Socket.isSocketError(error) || Schema.is(RpcClientError.RpcClientError)(error))
        assert.strictEqual((yield* Fiber.join(ticks)).length, 100)
        assert.strictEqual(yield* client.User({ id: 1 }), "user 1")
        assert.deepStrictEqual(logged, [])
      })))

    it.live("the server goes away: requests fail, nothing hangs, and it comes back", () =>
      bounded(Effect.gen(function*() {
        const { address, client, logged, stop } = yield* both
        const never = yield* Effect.forkChild(failure(client.Never()), { startImmediately: true })
        const ticks = yield* Effect.forkChild(failure(Stream.runDrain(client.Ticks())), { startImmediately: true })
        yield* eventually(() => open === 1)
        yield* soon(stop)
        // RpcServer interrupts what it does, and has the time to say so.
        for (const fiber of [never, ticks]) {
          const exit = yield* soon(Fiber.await(fiber))
          assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
        }
        assert.deepStrictEqual(logged, [])
        const refused = yield* Effect.repeat(failure(client.User({ id: 1 })), {
          schedule: Schedule.spaced("5 millis"),
          until: (error) => error._tag === "RpcClientError" && error.reason._tag === "SocketOpenError"
        })
        if (refused._tag !== "RpcClientError" || refused.reason._tag !== "SocketOpenError") throw refused
        const { cause } = refused.reason
        assert.strictEqual(cause instanceof TransportError.ConnectError && cause.code, "ECONNREFUSED")
        yield* serving(serialization, address)
        assert.strictEqual(yield* Effect.retry(client.User({ id: 1 }), Schedule.spaced("10 millis")), "user 1")
      })))

    it.live("the connection breaks: requests fail with what broke it, and the next ones go to the next connection", () =>
      bounded(Effect.gen(function*() {
        const { address } = yield* serving(serialization)
        const proxy = yield* Raw.listen({ reads: false })
        const client = yield* clientOf(serialization, proxy.address)
        for (
          const [how, reason, code] of [["reset", "SocketReadError", "ECONNRESET"], [
            "end",
            "SocketCloseError",
            undefined
          ]] as const
        ) {
          const near = yield* proxy.next
          const far = yield* Raw.connect(address, { reads: false })
          near.socket.pipe(far.socket).pipe(near.socket)
          assert.strictEqual(yield* Effect.retry(client.User({ id: 1 }), Schedule.spaced("10 millis")), "user 1")
          const never = yield* Effect.forkChild(failure(client.Never()), { startImmediately: true })
          yield* eventually(() => open === 1)
          far.socket.unpipe(near.socket)
          yield* near[how]
          yield* far.reset
          const error = yield* soon(Fiber.join(never))
          if (error._tag !== "RpcClientError") throw new Error("another error")
          assert.strictEqual(error.reason._tag, reason)
          const cause = "cause" in error.reason ? error.reason.cause : undefined
          assert.strictEqual(cause instanceof TransportError.ReceiveError ? cause.code : cause, code)
          yield* eventually(() => open === 0)
        }
      })))

    it.live("requests while the connection breaks get a typed error, never a defect", () =>
      bounded(Effect.gen(function*() {
        const { address } = yield* serving(serialization)
        const proxy = yield* Raw.listen({ reads: false })
        const client = yield* clientOf(serialization, proxy.address)
        for (let i = 0; i < 5; i++) {
          const near = yield* proxy.next
          const far = yield* Raw.connect(address, { reads: false })
          near.socket.pipe(far.socket).pipe(near.socket)
          yield* Effect.retry(client.User({ id: 1 }), Schedule.spaced("5 millis"))
          // One after the other without a pause, so that some are written after the RST and before anybody has seen it.
          const last = yield* Effect.forkChild(failure(Effect.forever(client.User({ id: 1 }))))
          yield* Effect.sleep("5 millis")
          far.socket.unpipe(near.socket)
          yield* near.reset
          assert.strictEqual((yield* soon(Fiber.join(last)))._tag, "RpcClientError")
          yield* far.reset
        }
      })))

    it.live("a client that does not read keeps no server open", () =>
      bounded(Effect.gen(function*() {
        const { address, logged, stop } = yield* serving(serialization, anyPort, { writeTimeout: "300 millis" })
        const client = yield* clientOf(serialization, address)
        const proxy = yield* Raw.listen({ reads: false })
        const other = yield* clientOf(serialization, proxy.address)
        yield* Effect.forkChild(Effect.exit(other.Blob({ size: 20_000_000 })), { startImmediately: true })
        const near = yield* proxy.next
        const far = yield* Raw.connect(address, { reads: false })
        near.socket.pipe(far.socket)
        yield* Effect.sleep("300 millis")
        assert.strictEqual(yield* client.User({ id: 1 }), "user 1")
        yield* soon(stop)
        assert.deepStrictEqual(logged, [])
      })))
  })
}
