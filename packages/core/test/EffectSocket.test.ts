// Effect's Socket and SocketServer on our connections; E1 to E10 are the defects that effect 4.1's own has.
import { assert, describe, it } from "@effect/vitest"
import {
  Address,
  type Connection,
  EffectSocket,
  type Listener,
  type Tls,
  Transport,
  TransportError,
  TransportReason
} from "@framewire/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type * as SocketServer from "effect/socket/SocketServer"
import * as Stream from "effect/Stream"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Certificates from "../../../tests/support/Certificates.ts"
import { anyPort, bounded, bytes, eventually, failure, Raw } from "./support/index.ts"

const linger = "100 millis"

const text = (chunks: ReadonlyArray<Uint8Array | string>) =>
  chunks.map((chunk) => typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk)).join("")

/** A socket that dials the address. */
const socketTo = (address: Address.Address, options: Transport.ConnectOptions = { linger }) =>
  Effect.map(Transport.Transport, (transport) => EffectSocket.toSocket(transport.connect(address, options)))

/** The error of the socket's, as its tag and what is below: the tag of ours and the errno, or the close code. */
const told = (error: Socket.SocketError): string => {
  const { reason } = error
  if (reason._tag === "SocketCloseError") return `${reason._tag} ${reason.code}`
  const ours = reason.cause
  return ours instanceof TransportError.ReceiveError || ours instanceof TransportError.SendError ||
      ours instanceof TransportError.ConnectError
    ? `${reason._tag} ${ours._tag} ${ours.reason._tag} ${ours.code}`
    : `${reason._tag} of something else`
}

/** Pulls to the end: what came, and how it ended. */
const pullAll = (reader: Socket.Reader) =>
  Effect.gen(function*() {
    const all: Array<Uint8Array | string> = []
    const end = yield* failure(Effect.forever(Effect.map(reader.pull, (chunks) => all.push(...chunks))))
    return { text: text(all), end: told(end) }
  })

/** Settles within a second, as E1 does not. */
const soon = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(Effect.timeout("1 second"), Effect.catchTag("TimeoutError", () => Effect.die(new Error("it hangs"))))

const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const began = performance.now()
    return Effect.map(effect, () => performance.now() - began)
  })

/** A socket of ours, acquired, and the bare peer at its other end. */
const dialled = (options?: Transport.ConnectOptions & { readonly reads?: boolean }) =>
  Effect.gen(function*() {
    const server = yield* Raw.listen(options)
    const socket = yield* socketTo(server.address, { linger, ...options })
    const scope = yield* Scope.fork(yield* Effect.scope)
    const writerScope = yield* Scope.fork(yield* Effect.scope)
    const writer = yield* Scope.provide(socket.writer, writerScope)
    const reader = yield* Scope.provide(socket.reader, scope)
    const peer = yield* server.next
    return {
      socket,
      reader,
      writer,
      peer,
      server,
      release: Scope.close(scope, Exit.void),
      releaseWriter: Scope.close(writerScope, Exit.void)
    }
  })

type Run = (socket: Socket.Socket) => Effect.Effect<unknown, unknown, Scope.Scope>

/** A server of ours that runs the handler until `stop`, or until its scope closes. */
const serving = (handler: Run, options?: Listener.ListenOptions) =>
  Effect.gen(function*() {
    const logged: Array<string> = []
    const scope = yield* Scope.fork(yield* Effect.scope)
    const listener = yield* Scope.provide(Transport.listen(anyPort, { linger, ...options }), scope)
    const server = yield* EffectSocket.toSocketServer(listener)
    const run = yield* server.run((socket) => Effect.scoped(handler(socket))).pipe(
      Effect.provide(
        Logger.layer([Logger.make(({ cause, message }) => logged.push(`${message} ${Cause.pretty(cause)}`))])
      ),
      Effect.forkIn(scope, { startImmediately: true })
    )
    return { listener, server, run, logged, stop: Scope.close(scope, Exit.void), address: listener.address }
  })

const echo: Run = (socket) =>
  Effect.gen(function*() {
    const writer = yield* socket.writer
    const { pull } = yield* socket.reader
    return yield* Effect.forever(Effect.flatMap(pull, writer.writeAll))
  })

describe("toSocket", () => {
  it.live("talks with toSocketServer", () =>
    bounded(Effect.gen(function*() {
      const { address } = yield* serving(echo)
      const socket = yield* socketTo(address)
      const writer = yield* socket.writer
      const { pull } = yield* socket.reader
      yield* writer.write("grüße ")
      yield* writer.writeAll([bytes("a"), "b", bytes("c")])
      let have = ""
      while (have.length < 9) have += text(yield* pull)
      assert.strictEqual(have, "grüße abc")
    })))

  it.live("is a Channel and a Stream of Effect's", () =>
    bounded(Effect.gen(function*() {
      const { address } = yield* serving((socket) =>
        Effect.flatMap(socket.writer, (writer) => writer.writeAll(["12:00 ", "o'clock"]))
      )
      const socket = yield* socketTo(address)
      const got = yield* Stream.runFold(
        Stream.catch(Socket.toStream(socket), (error) => Stream.succeed(bytes(`, ${told(error)}`))),
        () => "",
        (all, chunk) => all + text([chunk])
      )
      assert.strictEqual(got, "12:00 o'clock, SocketCloseError 1000")
    })))

  it.live("the peer's FIN comes after its bytes, as close code 1000", () =>
    bounded(Effect.gen(function*() {
      const { peer, reader } = yield* dialled()
      yield* peer.write("bye")
      yield* peer.end
      assert.deepStrictEqual(yield* pullAll(reader), { text: "bye", end: "SocketCloseError 1000" })
    })))

  it.live("the peer's RST is a read error with our ReceiveError and the errno (E8)", () =>
    bounded(Effect.gen(function*() {
      const { peer, reader } = yield* dialled()
      const pulled = yield* Effect.forkChild(pullAll(reader), { startImmediately: true })
      yield* peer.reset
      assert.deepStrictEqual(yield* Fiber.join(pulled), {
        text: "",
        end: "SocketReadError ReceiveError ConnectionReset ECONNRESET"
      })
    })))

  it.live("a refused connection is an open error with our ConnectError and the errno (E8)", () =>
    bounded(Effect.gen(function*() {
      const socket = yield* socketTo({ host: "127.0.0.1", port: yield* Raw.freePort })
      const error = yield* failure(Effect.scoped(socket.reader))
      assert.strictEqual(told(error), "SocketOpenError ConnectError ConnectionRefused ECONNREFUSED")
      assert.strictEqual(error.reason._tag === "SocketOpenError" && error.reason.kind, "Unknown")
    })))

  it.effect("a connection that came too late is an open error of the kind Timeout", () =>
    Effect.gen(function*() {
      const reason = new TransportReason.TimedOut({ afterMillis: 5 })
      const socket = EffectSocket.toSocket(
        Effect.fail(new TransportError.ConnectError({ reason, remote: anyPort, attempts: [] }))
      )
      const error = yield* failure(Effect.scoped(socket.reader))
      assert.strictEqual(error.reason._tag === "SocketOpenError" && error.reason.kind, "Timeout")
    }))

  it.live("Effect.retry reconnects, and what was written in between goes to the next connection", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Raw.listen()
      const socket = yield* socketTo(server.address)
      const writer = yield* socket.writer
      const got: Array<string> = []
      const closes: Array<string> = []
      const again = Latch.makeUnsafe()
      yield* Effect.gen(function*() {
        const { pull } = yield* socket.reader
        return yield* Effect.forever(Effect.map(pull, (chunks) => got.push(text(chunks))))
      }).pipe(
        Effect.scoped,
        Effect.tapError((error) => Effect.andThen(Effect.sync(() => closes.push(told(error))), again.await)),
        Effect.retry({ times: 2 }),
        Effect.forkScoped
      )
      const first = yield* server.next
      yield* first.write("one")
      yield* eventually(() => got.length === 1)
      yield* first.end
      yield* eventually(() => closes.length === 1)
      const waiting = yield* Effect.forkChild(writer.write("in between"), { startImmediately: true })
      yield* Effect.sleep("20 millis")
      assert.isUndefined(waiting.pollUnsafe())
      yield* again.open
      const second = yield* server.next
      yield* Fiber.join(waiting)
      assert.strictEqual(yield* second.receivedBytes(10), "in between")
      yield* second.write("two")
      yield* eventually(() => got.length === 2)
      assert.deepStrictEqual(got, ["one", "two"])
      yield* second.reset
      yield* server.next
      assert.deepStrictEqual(closes, [
        "SocketCloseError 1000",
        "SocketReadError ReceiveError ConnectionReset ECONNRESET"
      ])
    })))

  for (const [how, kill] of [["RST", "reset"], ["end and RST", "both"]] as const) {
    it.live(`a write after the peer's ${how} settles, with an error (E1)`, () =>
      bounded(Effect.gen(function*() {
        const { peer, writer } = yield* dialled()
        if (kill === "both") yield* Effect.andThen(peer.end, Effect.sleep("10 millis"))
        yield* peer.reset
        let last: Exit.Exit<void, Socket.SocketError> = Exit.void
        for (let i = 0; i < 100 && Exit.isSuccess(last); i++) {
          last = yield* Effect.exit(soon(writer.write("x")))
          yield* Effect.sleep("1 millis")
        }
        // And on the socket that is known to be dead.
        const error = yield* failure(soon(writer.write("y")))
        assert.match(told(error), /^SocketWriteError SendError (ConnectionReset ECONNRESET|BrokenPipe EPIPE)$/)
        assert.match(told(yield* failure(soon(writer.writeAll(["a", "b"])))), /^SocketWriteError/)
      })))
  }

  it.live("releasing the writer half-closes, and the late answer still comes (E2)", () =>
    bounded(Effect.gen(function*() {
      const { peer, reader, releaseWriter, writer } = yield* dialled()
      yield* writer.write("question")
      yield* releaseWriter
      assert.strictEqual(yield* peer.ended, "FIN")
      assert.strictEqual(peer.text(), "question")
      yield* Effect.sleep("20 millis")
      yield* peer.write("late answer")
      assert.strictEqual(text(yield* reader.pull), "late answer")
      const error = yield* failure(writer.write("more"))
      assert.strictEqual(told(error), "SocketWriteError SendError WriteSideClosed undefined")
    })))

  it.live("a peer that does not read keeps no scope open: reader, writer and write end (E4)", () =>
    bounded(Effect.gen(function*() {
      const { reader, release, releaseWriter, writer } = yield* dialled({ reads: false })
      const pull = yield* Effect.forkChild(failure(reader.pull), { startImmediately: true })
      const write = yield* Effect.forkChild(failure(writer.write(new Uint8Array(20_000_000))), {
        startImmediately: true
      })
      const next = yield* Effect.forkChild(failure(writer.write("next")), { startImmediately: true })
      yield* Effect.sleep("20 millis")
      assert.isBelow(yield* timed(releaseWriter), 500)
      assert.isBelow(yield* timed(release), 1000)
      assert.strictEqual(told(yield* soon(Fiber.join(pull))), "SocketCloseError 1006")
      assert.match(told(yield* soon(Fiber.join(write))), /^SocketWriteError/)
      assert.match(told(yield* soon(Fiber.join(next))), /^SocketWriteError/)
    })))

  it.live("closing the reader's scope fails a pull that waits, and sends what was written", () =>
    bounded(Effect.gen(function*() {
      const { peer, reader, release, writer } = yield* dialled()
      const pull = yield* Effect.forkChild(failure(reader.pull), { startImmediately: true })
      yield* writer.write("last words")
      yield* release
      assert.strictEqual(told(yield* soon(Fiber.join(pull))), "SocketCloseError 1006")
      assert.strictEqual(yield* peer.ended, "FIN")
      assert.strictEqual(peer.text(), "last words")
    })))

  it.live("writing CloseEvent ends the connection: 1000 by FIN, any other by RST, and pull tells the code", () =>
    bounded(Effect.gen(function*() {
      for (const [code, wire] of [[1000, "FIN"], [1009, "ECONNRESET"]] as const) {
        const { peer, reader, writer } = yield* dialled()
        const pull = yield* Effect.forkChild(failure(reader.pull), { startImmediately: true })
        yield* soon(writer.write(new Socket.CloseEvent(code, "why")))
        const { reason } = yield* soon(Fiber.join(pull))
        assert.deepStrictEqual(reason._tag === "SocketCloseError" && [reason.code, reason.closeReason], [code, "why"])
        assert.strictEqual(yield* peer.ended, wire)
      }
    })))

  it.live("writers wait for one another, not for room: a slow peer gets everything, in order", () =>
    bounded(Effect.gen(function*() {
      const { peer, writer } = yield* dialled({ reads: false })
      const writes = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: 200 }, (_, i) => i),
          (i) => writer.write(new Uint8Array(100_000).fill(i)),
          { concurrency: "unbounded", discard: true }
        ),
        { startImmediately: true }
      )
      yield* Effect.sleep("20 millis")
      assert.isUndefined(writes.pollUnsafe())
      yield* peer.read
      yield* Fiber.join(writes)
      yield* eventually(() => peer.size() === 20_000_000)
    })))

  it.live("a write without progress fails with TimedOut, and slow progress is progress", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Raw.listen({ reads: false })
      const transport = yield* Transport.Transport
      const socket = EffectSocket.toSocket(transport.connect(server.address, { linger }), {
        writeTimeout: "500 millis"
      })
      const writer = yield* socket.writer
      const { pull } = yield* socket.reader
      const peer = yield* server.next
      const first = yield* Effect.forkChild(writer.write(new Uint8Array(20_000_000)), { startImmediately: true })
      // A peer that takes 64 KiB every 5 ms.
      const slowly = yield* Effect.forkChild(
        Effect.forever(Effect.andThen(Effect.sync(() => peer.socket.read()), Effect.sleep("5 millis")))
      )
      yield* Effect.sleep("900 millis")
      assert.isUndefined(first.pollUnsafe())
      yield* Fiber.interrupt(slowly)
      const error = yield* failure(Fiber.join(first))
      assert.strictEqual(told(error), "SocketWriteError SendError TimedOut undefined")
      assert.strictEqual(told(yield* failure(soon(pull))), "SocketCloseError 1006")
    })))

  it.live("an interrupted write is whole or not at all, and the next ones are not refused", () =>
    bounded(Effect.gen(function*() {
      const { peer, writer } = yield* dialled({ reads: false })
      const writes = yield* Effect.forEach(
        [1, 2, 3],
        (i) => Effect.forkChild(writer.write(new Uint8Array(10_000_000).fill(i)), { startImmediately: true })
      )
      yield* Effect.sleep("10 millis")
      yield* soon(Fiber.interruptAll(writes))
      const last = yield* Effect.forkChild(writer.write("last"), { startImmediately: true })
      yield* peer.read
      yield* Fiber.join(last)
      assert.isTrue((yield* peer.receivedBytes(10_000_004)).endsWith("last"))
      assert.strictEqual(peer.size(), 10_000_004)
    })))

  const { ca, other, server } = Certificates
  const key = (identity: Tls.Identity) => Redacted.make(identity.key as string)

  it.live("TLS in place, at both ends", () =>
    bounded(Effect.gen(function*() {
      const listener = yield* Transport.listen(anyPort, { linger })
      const near = yield* (yield* socketTo(listener.address)).reader
      const far = EffectSocket.fromAccepted(yield* listener.accept)
      const reader = yield* far.reader
      const writer = yield* far.writer
      yield* Effect.all([
        near.upgrade({ ca, servername: "localhost" }),
        reader.upgrade({ cert: [server.certificate], key: [key(server)] })
      ], { concurrency: 2 })
      yield* writer.write("secret")
      assert.strictEqual(text(yield* near.pull), "secret")
    })))

  it.live("TLS that fails, or has half an identity, is a SocketUpgradeError", () =>
    bounded(Effect.gen(function*() {
      const listener = yield* Transport.listen(anyPort, { linger })
      const upgrade = (options?: Socket.TlsUpgradeOptions) =>
        Effect.gen(function*() {
          const near = yield* (yield* socketTo(listener.address)).reader
          const far = yield* EffectSocket.fromAccepted(yield* listener.accept).reader
          yield* Effect.forkChild(Effect.exit(far.upgrade({ cert: other.certificate, key: key(other) })))
          const { reason } = yield* failure(near.upgrade(options))
          assert(reason._tag === "SocketUpgradeError")
          return reason.cause
        })
      const cause = yield* upgrade({ ca })
      assert(cause instanceof TransportError.HandshakeError)
      assert.strictEqual(cause.reason._tag, "HostnameMismatch")
      assert.notInstanceOf(yield* upgrade({ ca, cert: server.certificate }), TransportError.HandshakeError)
      yield* (yield* socketTo(listener.address)).reader
      const far = yield* EffectSocket.fromAccepted(yield* listener.accept).reader
      assert.strictEqual((yield* failure(far.upgrade())).reason._tag, "SocketUpgradeError")
    })))
})

describe("toSocketServer", () => {
  it.live("tells its address, also of a Unix domain socket, and refuses a name", () =>
    bounded(Effect.gen(function*() {
      const tcp = yield* serving(echo)
      assert.deepStrictEqual(tcp.server.address, Result.getOrThrow(Address.toSocketAddress(tcp.address)))
      assert.strictEqual(tcp.server.address._tag, "InetAddressV4")
      const path = join(tmpdir(), `framewire-${process.pid}-effect.sock`)
      const unix = yield* EffectSocket.toSocketServer(yield* Transport.listen({ path }))
      assert.deepStrictEqual(unix.address._tag === "UnixPathAddress" && unix.address.path, path)
      const named: Listener.Listener = {
        address: { host: "localhost", port: 80 },
        accept: Effect.never,
        suspend: Effect.void,
        resume: Effect.void,
        drain: Effect.void,
        counters: Effect.succeed({ accepted: 0, shed: 0 })
      }
      const error = yield* failure(EffectSocket.toSocketServer(named))
      assert.strictEqual(error.reason._tag, "SocketServerOpenError")
      assert.instanceOf(error.reason.cause, Address.AddressError)
    })))

  it.live("the handler can answer after the client's half-close (E2)", () =>
    bounded(Effect.gen(function*() {
      const { address } = yield* serving((socket) =>
        Effect.gen(function*() {
          const writer = yield* socket.writer
          const { text } = yield* pullAll(yield* socket.reader)
          yield* Effect.sleep("20 millis")
          yield* writer.write(`answer to ${text}`)
        })
      )
      const peer = yield* Raw.connect(address)
      yield* peer.write("question")
      yield* peer.end
      assert.strictEqual(yield* peer.ended, "FIN")
      assert.strictEqual(peer.text(), "answer to question")
    })))

  it.live("peers that do not read keep no scope open, however many they are (E4)", () =>
    bounded(Effect.gen(function*() {
      let began = 0
      const { address, stop } = yield* serving((socket) =>
        Effect.gen(function*() {
          const writer = yield* socket.writer
          yield* socket.reader
          began++
          return yield* writer.write(new Uint8Array(20_000_000))
        })
      )
      for (let i = 0; i < 10; i++) yield* Raw.connect(address, { reads: false })
      yield* eventually(() => began === 10)
      // One after the other it would be 1 s.
      assert.isBelow(yield* timed(stop), 900)
    })))

  it.live("a handler that never acquires the reader leaks nothing, and can write (E5)", () =>
    bounded(Effect.gen(function*() {
      const { address, stop } = yield* serving((socket) =>
        Effect.scoped(Effect.flatMap(socket.writer, (writer) => writer.write("12:00")))
      )
      const peer = yield* Raw.connect(address)
      assert.strictEqual(yield* peer.ended, "FIN")
      assert.strictEqual(peer.text(), "12:00")
      yield* peer.end
      const silent = yield* serving(() => Effect.void)
      const other = yield* Raw.connect(silent.address)
      assert.strictEqual(yield* other.ended, "FIN")
      assert.isBelow(yield* timed(Effect.andThen(stop, silent.stop)), 1000)
    })))

  it.live("ends are not logged: clean, by RST, by us, by interruption (E7)", () =>
    bounded(Effect.gen(function*() {
      let open = 0
      const { address, logged, stop } = yield* serving((socket) =>
        Effect.acquireUseRelease(Effect.sync(() => open++), () => echo(socket), () => Effect.sync(() => open--))
      )
      const clean = yield* Raw.connect(address)
      yield* clean.write("x")
      yield* clean.receivedBytes(1)
      yield* clean.end
      yield* clean.ended
      const reset = yield* Raw.connect(address)
      yield* reset.write("x")
      yield* reset.receivedBytes(1)
      yield* reset.reset
      yield* eventually(() => open === 0)
      const last = yield* Raw.connect(address)
      yield* eventually(() => open === 1)
      yield* stop
      yield* last.ended
      assert.deepStrictEqual(logged, [])
    })))

  it.live("a bug of the handler's is logged, and the others are still served", () =>
    bounded(Effect.gen(function*() {
      let first = true
      const { address, logged } = yield* serving((socket) => {
        if (!first) return echo(socket)
        first = false
        throw new Error("a bug")
      })
      const peer = yield* Raw.connect(address)
      assert.strictEqual(yield* peer.ended, "FIN")
      yield* eventually(() => logged.length === 1)
      assert.match(logged[0]!, /^Unhandled error in SocketServer Error: a bug/)
      const other = yield* Raw.connect(address)
      yield* other.write("still here")
      yield* other.receivedBytes(10)
    })))

  it.live("what the handler acquires in a scope of its environment ends with the connection", () =>
    bounded(Effect.gen(function*() {
      let released = false
      const listener = yield* Transport.listen(anyPort, { linger })
      const server = yield* EffectSocket.toSocketServer(listener)
      yield* Effect.forkScoped(
        server.run(() => Effect.addFinalizer(() => Effect.sync(() => released = true)))
      )
      yield* (yield* Raw.connect(listener.address)).ended
      assert.isTrue(released)
    })))

  it.live("run can be interrupted, and run again", () =>
    bounded(Effect.gen(function*() {
      const { address, run, server } = yield* serving(echo)
      const first = yield* Raw.connect(address)
      yield* first.write("x")
      yield* first.receivedBytes(1)
      yield* soon(Fiber.interrupt(run))
      assert.strictEqual(yield* first.ended, "FIN")
      const second = yield* Raw.connect(address)
      yield* second.write("held")
      yield* Effect.forkScoped(server.run((socket) => Effect.scoped(echo(socket))))
      assert.strictEqual(yield* second.receivedBytes(4), "held")
    })))

  it.live("after the listener's drain, run ends when its handlers have", () =>
    bounded(Effect.gen(function*() {
      const { address, listener, run } = yield* serving(echo)
      const peer = yield* Raw.connect(address)
      yield* peer.write("x")
      yield* peer.receivedBytes(1)
      yield* listener.drain
      yield* Effect.sleep("20 millis")
      assert.isUndefined(run.pollUnsafe())
      yield* peer.end
      const exit = yield* soon(Fiber.await(run))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
    })))

  it.effect("a listener that fails fails run (E6)", () =>
    Effect.gen(function*() {
      const broken = new TransportError.ListenError({
        reason: new TransportReason.ResourceExhausted({ code: "EMFILE" }),
        local: anyPort
      })
      const server = yield* EffectSocket.toSocketServer({
        address: anyPort,
        accept: Effect.fail(broken),
        suspend: Effect.void,
        resume: Effect.void,
        drain: Effect.void,
        counters: Effect.succeed({ accepted: 0, shed: 0 })
      })
      const error: SocketServer.SocketServerError = yield* failure(server.run(() => Effect.void))
      assert.strictEqual(error.reason._tag, "SocketServerUnknownError")
      assert.strictEqual(error.cause, broken)
    }))

  it.live("fromAccepted: when the reader's scope has closed, it is over, and says so", () =>
    bounded(Effect.gen(function*() {
      const listener = yield* Transport.listen(anyPort, { linger })
      const peer = yield* Raw.connect(listener.address)
      const connection: Connection.Connection = yield* listener.accept.pipe(Effect.orDie)
      const socket = EffectSocket.fromAccepted(connection)
      const writer = yield* socket.writer
      yield* Effect.scoped(socket.reader)
      assert.strictEqual(yield* peer.ended, "FIN")
      assert.match(told(yield* failure(soon(writer.write("x")))), /^SocketWriteError SendError ConnectionClosed/)
      const again = yield* Effect.scoped(Effect.flatMap(socket.reader, pullAll))
      assert.strictEqual(again.end, "SocketCloseError 1006")
    })))
})
