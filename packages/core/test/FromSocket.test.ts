// Our Connection on sockets of Effect's: its own NodeSocket, which has the defect E1, a WebSocket, and our own.
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import { assert, describe, it } from "@effect/vitest"
import { type Address, type Connection, EffectSocket, Transport } from "@framewire/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import { anyPort, bounded, bytes, eventually, failure, Raw, reasonOf, receiveAll, received } from "./support/index.ts"

const linger = "100 millis"

/** Settles within a second, as E1 does not. */
const soon = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(Effect.timeout("1 second"), Effect.catchTag("TimeoutError", () => Effect.die(new Error("it hangs"))))

const tag = (connection: Connection.Connection) => Effect.map(connection.state, ({ _tag }) => _tag)

const portOf = (address: Address.Address) => "port" in address ? address.port : -1

/** A connection on Effect's NodeSocket to a bare peer. */
const overNode = (options?: { readonly reads?: boolean; readonly allowHalfOpen?: boolean; readonly max?: number }) =>
  Effect.gen(function*() {
    const server = yield* Raw.listen(options)
    const socket = yield* NodeSocket.makeNet({
      host: "127.0.0.1",
      port: portOf(server.address),
      allowHalfOpen: options?.allowHalfOpen ?? false
    })
    const scope = yield* Scope.fork(yield* Effect.scope)
    const connection = yield* Scope.provide(
      EffectSocket.fromSocket(socket, {
        local: anyPort,
        remote: server.address,
        halfClose: options?.allowHalfOpen === true ? "both" : "self",
        linger,
        ...(options?.max === undefined ? {} : { maxWriteBuffer: options.max })
      }),
      scope
    )
    return { connection, peer: yield* server.next, closeScope: Scope.close(scope, Exit.void) }
  })

/** A socket of the test's own: `incoming` is what it pulls, and it keeps what is written. */
const scripted = () => {
  const written: Array<Uint8Array | string | Socket.CloseEvent> = []
  const incoming = Effect.runSync(Queue.unbounded<readonly [Uint8Array | string], Socket.SocketError>())
  const socket = Socket.make({
    reader: Effect.acquireRelease(
      Effect.succeed({ pull: Queue.take(incoming), upgrade: Socket.SocketUpgradeError.unsupported }),
      () => Effect.sync(() => Queue.failCauseUnsafe(incoming, Cause.fail(closed(1006))))
    ),
    writer: Effect.succeed({
      write: (chunk) => Effect.sync(() => written.push(chunk)),
      writeAll: (chunks) => Effect.sync(() => written.push(...chunks))
    })
  })
  return { socket, incoming, written }
}

const closed = (code: number) => new Socket.SocketError({ reason: new Socket.SocketCloseError({ code }) })

describe("fromSocket", () => {
  it.live("over Effect's NodeSocket, against our listener", () =>
    bounded(Effect.gen(function*() {
      const listener = yield* Transport.listen(anyPort, { linger })
      yield* Effect.forkScoped(Effect.gen(function*() {
        const connection = yield* listener.accept
        return yield* Effect.forever(Effect.flatMap(connection.receive, (chunks) => connection.sendAll(chunks)))
      }))
      const socket = yield* NodeSocket.makeNet({ host: "127.0.0.1", port: portOf(listener.address) })
      const connection = yield* EffectSocket.fromSocket(socket, { local: anyPort, remote: listener.address })
      yield* connection.send(bytes("one "))
      yield* connection.sendAll([bytes("two "), bytes("three")])
      yield* connection.sendAll([])
      yield* connection.shutdownWrite
      let have = ""
      while (have.length < 13) have += yield* received(connection)
      assert.strictEqual(have, "one two three")
      assert.strictEqual(yield* tag(connection), "WriteClosed")
    })))

  it.live("the peer's FIN: its bytes, the end, and all is over where the socket has no half-open", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer } = yield* overNode()
      yield* peer.write("bye")
      yield* peer.end
      assert.deepStrictEqual(yield* receiveAll(connection), { text: "bye", end: "end" })
      assert.strictEqual((yield* failure(soon(connection.send(bytes("x"))))).reason._tag, "ConnectionClosed")
      assert.strictEqual(reasonOf(yield* connection.closed), "Graceful by peer")
      assert.strictEqual(yield* peer.ended, "FIN")
      assert.strictEqual(yield* received(connection), "end")
      assert.strictEqual(yield* tag(connection), "Closed")
    })))

  it.live("the peer's FIN with allowHalfOpen: a late answer still goes out", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer } = yield* overNode({ allowHalfOpen: true })
      yield* peer.write("question")
      yield* peer.end
      assert.deepStrictEqual(yield* receiveAll(connection), { text: "question", end: "end" })
      assert.strictEqual(yield* tag(connection), "ReadClosed")
      yield* connection.send(bytes("late answer"))
      yield* connection.shutdownWrite
      assert.strictEqual(yield* peer.ended, "FIN")
      assert.strictEqual(peer.text(), "late answer")
      assert.strictEqual(reasonOf(yield* connection.closed), "Graceful by peer")
    })))

  it.live("our FIN, and a late answer still comes", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer } = yield* overNode()
      yield* connection.send(bytes("question"))
      yield* connection.shutdownWrite
      yield* connection.shutdownWrite
      assert.strictEqual(yield* peer.ended, "FIN")
      assert.strictEqual((yield* failure(connection.send(bytes("x")))).reason._tag, "WriteSideClosed")
      yield* peer.write("late answer")
      assert.strictEqual(yield* received(connection), "late answer")
      yield* peer.end
      assert.strictEqual(yield* received(connection), "end")
      assert.strictEqual(reasonOf(yield* connection.closed), "Graceful by self")
    })))

  it.live("the peer's RST fails receive with the errno, and whatever is sent afterwards settles (E1)", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer } = yield* overNode()
      const waiting = yield* Effect.forkChild(failure(connection.receive), { startImmediately: true })
      yield* peer.reset
      const error = yield* soon(Fiber.join(waiting))
      assert.deepStrictEqual(
        Cause.isDone(error) ? [] : [error._tag, error.reason._tag, error.code],
        ["ReceiveError", "ConnectionReset", "ECONNRESET"]
      )
      assert.strictEqual((yield* failure(soon(connection.send(bytes("x"))))).code, "ECONNRESET")
      assert.strictEqual(reasonOf(yield* soon(connection.closed)), "Failed")
    })))

  it.live("a send after a RST that nobody has seen settles (E1)", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer } = yield* overNode()
      yield* peer.reset
      yield* eventually(() => peer.socket.closed)
      let last: Exit.Exit<void, unknown> = Exit.void
      for (let i = 0; i < 100 && Exit.isSuccess(last); i++) {
        last = yield* Effect.exit(soon(connection.send(bytes("x"))))
        yield* Effect.sleep("1 millis")
      }
      assert.strictEqual((yield* failure(soon(connection.send(bytes("y"))))).reason._tag, "ConnectionReset")
      assert.strictEqual(reasonOf(yield* soon(connection.closed)), "Failed")
    })))

  it.live("a peer that does not read: sends are bounded, and close ends after its linger", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer } = yield* overNode({ reads: false, max: 1_000_000 })
      const send = yield* Effect.forkChild(failure(connection.send(new Uint8Array(20_000_000))), {
        startImmediately: true
      })
      const { reason } = yield* failure(connection.send(bytes("x")))
      assert.deepStrictEqual(reason._tag === "WriteBufferExceeded" && [reason.waiting, reason.limit], [20e6, 1e6])
      const finish = yield* Effect.forkChild(failure(connection.shutdownWrite), { startImmediately: true })
      const began = performance.now()
      assert.strictEqual(reasonOf(yield* connection.close()), "LingerExpired")
      assert.isBelow(performance.now() - began, 1000)
      assert.strictEqual((yield* soon(Fiber.join(send))).reason._tag, "WriteSideClosed")
      yield* soon(Fiber.join(finish))
      yield* peer.read
      yield* peer.ended
      assert.isBelow(peer.size(), 20_000_000)
    })))

  it.live("close sends what waits, takes no more than 64 KiB, and joins", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer } = yield* overNode({ allowHalfOpen: true })
      yield* connection.send(bytes("last words"))
      const waiting = yield* Effect.forkChild(failure(connection.receive), { startImmediately: true })
      const close = yield* Effect.forkChild(connection.close({ linger: "1 minute" }), { startImmediately: true })
      const error = yield* soon(Fiber.join(waiting))
      assert.strictEqual(Cause.isDone(error) || error.reason._tag, "ConnectionClosed")
      assert.strictEqual(yield* peer.ended, "FIN")
      assert.strictEqual(peer.text(), "last words")
      yield* Effect.forkScoped(peer.write(new Uint8Array(200_000)))
      assert.strictEqual(reasonOf(yield* connection.close()), "LingerExpired")
      assert.strictEqual(reasonOf(yield* Fiber.join(close)), "LingerExpired")
    })))

  it.live("closing the scope is a graceful close, and abort is not", () =>
    bounded(Effect.gen(function*() {
      const first = yield* overNode()
      yield* Effect.forkChild(Effect.andThen(first.peer.ended, first.peer.end))
      yield* first.closeScope
      assert.strictEqual(reasonOf(yield* first.connection.closed), "Graceful by self")
      const second = yield* overNode()
      assert.strictEqual(reasonOf(yield* soon(second.connection.abort)), "Aborted")
      assert.strictEqual(reasonOf(yield* soon(second.connection.abort)), "Aborted")
      assert.strictEqual(reasonOf(yield* soon(second.connection.close())), "Aborted")
      assert.strictEqual((yield* failure(second.connection.shutdownWrite)).reason._tag, "ConnectionClosed")
      yield* second.peer.ended
    })))

  it.live("one fiber receives at a time, an interrupted one loses nothing, and shutdownRead ends it", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer } = yield* overNode()
      const first = yield* Effect.forkChild(connection.receive, { startImmediately: true })
      const second = yield* Effect.exit(connection.receive)
      assert.isTrue(Exit.isFailure(second) && Cause.hasDies(second.cause))
      yield* Fiber.interrupt(first)
      yield* peer.write("x")
      yield* Effect.sleep("20 millis")
      yield* connection.shutdownRead
      assert.deepStrictEqual(yield* receiveAll(connection), { text: "x", end: "end" })
      yield* peer.write("more")
      yield* Effect.sleep("20 millis")
      assert.strictEqual(yield* received(connection), "end")
      yield* connection.send(bytes("still sending"))
      assert.strictEqual(yield* peer.receivedBytes(13), "still sending")
    })))

  it.live("a refused connection is our ConnectError", () =>
    bounded(Effect.gen(function*() {
      const remote = { host: "127.0.0.1", port: yield* Raw.freePort }
      const socket = yield* NodeSocket.makeNet(remote)
      const error = yield* failure(EffectSocket.fromSocket(socket, { local: anyPort, remote }))
      assert.deepStrictEqual([error._tag, error.reason._tag, error.code, error.remote], [
        "ConnectError",
        "ConnectionRefused",
        "ECONNREFUSED",
        remote
      ])
    })))

  it.live("over our own toSocket and back nothing is lost of an error", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Raw.listen()
      const transport = yield* Transport.Transport
      const connection = yield* EffectSocket.fromSocket(EffectSocket.toSocket(transport.connect(server.address)), {
        local: anyPort,
        remote: server.address,
        halfClose: "both",
        linger
      })
      const peer = yield* server.next
      yield* peer.write("x")
      assert.strictEqual(yield* received(connection), "x")
      yield* peer.reset
      const error = yield* received(connection)
      assert.strictEqual(typeof error === "string" ? error : error.code, "ECONNRESET")
      assert.notStrictEqual(connection.id, 0)
    })))

  it.live("over a WebSocket: bytes both ways, its close is the end, ours is its close", () =>
    bounded(Effect.gen(function*() {
      const server = yield* NodeSocketServer.makeWebSocket({ port: 0, host: "127.0.0.1" })
      const ends: Array<number> = []
      yield* Effect.forkScoped(server.run((socket) =>
        Effect.gen(function*() {
          const { write, writeAll } = yield* socket.writer
          const { pull } = yield* socket.reader
          yield* writeAll(["", "hello ", bytes("there")])
          for (;;) {
            const frames = yield* pull
            yield* frames.some((frame) => typeof frame !== "string" && frame[0] === 0x71)
              ? write(new Socket.CloseEvent(1000))
              : writeAll(frames)
          }
        }).pipe(
          Effect.scoped,
          Effect.catchReason("SocketError", "SocketCloseError", ({ code }) => Effect.sync(() => ends.push(code)))
        )
      ))
      if (server.address._tag === "UnixPathAddress") throw new Error("a port was asked for")
      const remote = { host: "127.0.0.1", port: server.address.port }
      const dial = Socket.makeWebSocket(`ws://127.0.0.1:${remote.port}`).pipe(
        Effect.provide(NodeSocket.layerWebSocketConstructor),
        Effect.flatMap((socket) => EffectSocket.fromSocket(socket, { local: anyPort, remote, halfClose: "none" }))
      )
      const connection = yield* dial
      let have = ""
      while (have.length < 11) have += yield* received(connection)
      assert.strictEqual(have, "hello there")
      yield* connection.send(bytes("ping"))
      assert.strictEqual(yield* received(connection), "ping")
      const { reason } = yield* failure(connection.shutdownWrite)
      assert.strictEqual(reason.message, "this socket has no half-close")
      yield* connection.send(bytes("q"))
      assert.deepStrictEqual(yield* receiveAll(connection), { text: "", end: "end" })
      assert.strictEqual(reasonOf(yield* soon(connection.closed)), "Graceful by peer")
      const second = yield* dial
      assert.strictEqual(reasonOf(yield* soon(second.close())), "Graceful by self")
      const third = yield* dial
      assert.strictEqual(reasonOf(yield* soon(third.abort)), "Aborted")
      yield* eventually(() => ends.length === 3)
      assert.deepStrictEqual(ends.toSorted((a, b) => a - b), [1000, 1000, 4000])
    })))

  it.live("close codes: clean ones are the end, any other is the code of ConnectionReset", () =>
    bounded(Effect.gen(function*() {
      for (
        const [code, expected] of [[1000, "end"], [1001, "end"], [1005, "end"], [1006, "1006"], [4321, "4321"]] as const
      ) {
        const { incoming, socket } = scripted()
        const connection = yield* EffectSocket.fromSocket(socket, {
          local: anyPort,
          remote: anyPort,
          halfClose: "none"
        })
        yield* Queue.offer(incoming, [""])
        yield* Queue.offer(incoming, ["ü"])
        yield* Queue.offer(incoming, [bytes("x")])
        yield* eventually(() => true)
        Queue.failCauseUnsafe(incoming, Cause.fail(closed(code)))
        let text = ""
        let last = yield* received(connection)
        for (; typeof last === "string" && last !== "end"; last = yield* received(connection)) text += last
        assert.strictEqual(text, "üx")
        assert.strictEqual(typeof last === "string" ? last : last.code, expected)
        yield* soon(connection.closed)
      }
    })))

  it.live("read ahead is bounded", () =>
    bounded(Effect.gen(function*() {
      const { incoming, socket } = scripted()
      const connection = yield* EffectSocket.fromSocket(socket, {
        local: anyPort,
        remote: anyPort,
        halfClose: "none",
        readBuffer: 1000
      })
      for (let i = 0; i < 100; i++) yield* Queue.offer(incoming, [new Uint8Array(100)])
      yield* Effect.sleep("5 millis")
      assert.strictEqual(yield* Queue.size(incoming), 100)
      let size = (yield* connection.receive).reduce((sum, { length }) => sum + length, 0)
      yield* Effect.sleep("5 millis")
      assert.isAtLeast(yield* Queue.size(incoming), 80)
      while (size < 10_000) size += (yield* connection.receive).reduce((sum, { length }) => sum + length, 0)
    })))
})
