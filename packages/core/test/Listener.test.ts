import { assert, describe, it } from "@effect/vitest"
import { type Address, type Connection, type Listener, Transport } from "@framewire/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Net from "node:net"
import { constants } from "node:os"
import * as Certificates from "../../../tests/support/Certificates.ts"
import {
  anyPort,
  Blocked,
  bounded,
  bytes,
  descriptors,
  eventually,
  Raw,
  reasonOf,
  received,
  sockets,
  turn
} from "./support/index.ts"

// Private parts of the platform.
declare global {
  namespace NodeJS {
    interface Process {
      readonly _getActiveHandles: () => ReadonlyArray<unknown>
    }
  }
}
declare module "node:net" {
  interface Server {
    readonly _handle: { readonly onconnection: (error: number, handle: unknown) => void }
  }
}

const tcp = (address: Address.Address): Address.TcpAddress => {
  assert("port" in address)
  return address
}

const serverAt = (address: Address.Address): Net.Server => {
  const servers = process._getActiveHandles().filter((handle) => handle instanceof Net.Server)
  return servers.find((each) => (each.address() as Net.AddressInfo | null)?.port === tcp(address).port)!
}

/** A listener that is closed when told. */
const inScope = (options?: Listener.ListenOptions) =>
  Effect.gen(function*() {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const listener = yield* Scope.provide(Transport.listen(anyPort, { linger: 0, ...options }), scope)
    return { listener, close: Scope.close(scope, Exit.void) }
  })

const isEnd = <A, E>(exit: Exit.Exit<A, E>) =>
  Exit.isFailure(exit) && exit.cause.reasons.some((reason) => Cause.isFailReason(reason) && Cause.isDone(reason.error))

describe("listen", () => {
  it.live("port 0: the kernel chooses one, and the address says which", () =>
    bounded(Effect.gen(function*() {
      const { listener } = yield* inScope()
      const { host, port } = tcp(listener.address)
      assert.strictEqual(host, "127.0.0.1")
      assert.isAbove(port, 0)
      const peer = yield* Raw.connect(listener.address)
      const connection = yield* listener.accept
      assert.deepStrictEqual(connection.local, listener.address)
      assert.deepStrictEqual(connection.remote, { host: "127.0.0.1", port: peer.socket.localPort! })
      assert.deepStrictEqual(yield* connection.state, { _tag: "Open" })
    })))

  it.live("interrupting it frees the port", () =>
    bounded(Effect.gen(function*() {
      const port = yield* Raw.freePort
      const open = descriptors()
      for (const host of ["127.0.0.1", "localhost"]) {
        const listen = yield* Effect.forkChild(Effect.scoped(Transport.listen({ host, port })), {
          startImmediately: true
        })
        yield* Fiber.interrupt(listen)
        yield* eventually(() => descriptors() <= open)
      }
      // A name that is still resolving cannot be stopped: it must be closed when it listens.
      yield* Effect.sleep("50 millis")
      assert.isAtMost(descriptors(), open)
      yield* Transport.listen({ host: "127.0.0.1", port })
    })))
})

describe("accept", () => {
  it.live("in the order in which they came", () =>
    bounded(Effect.gen(function*() {
      const { listener } = yield* inScope()
      const ports: Array<number | undefined> = []
      for (let i = 0; i < 20; i++) ports.push((yield* Raw.connect(listener.address)).socket.localPort)
      const accepted: Array<Connection.Connection> = []
      for (let i = 0; i < 20; i++) accepted.push(yield* listener.accept)
      assert.deepStrictEqual(accepted.map((connection) => tcp(connection.remote).port), ports)
      const ids = accepted.map(({ id }) => id)
      assert.deepStrictEqual(ids, ids.toSorted((a, b) => a - b))
      assert.lengthOf(new Set(ids), 20)
    })))

  it.live("suspends until there is one", () =>
    bounded(Effect.gen(function*() {
      const { listener } = yield* inScope()
      const accept = yield* Effect.forkScoped(listener.accept, { startImmediately: true })
      yield* turn
      assert.isUndefined(accept.pollUnsafe())
      const peer = yield* Raw.connect(listener.address)
      assert.strictEqual(tcp((yield* Fiber.join(accept)).remote).port, peer.socket.localPort)
    })))

  it.live("the connection outlives the listener's scope", () =>
    bounded(Effect.gen(function*() {
      const { close, listener } = yield* inScope()
      const peer = yield* Raw.connect(listener.address)
      const connection = yield* listener.accept
      yield* close
      yield* peer.write("still")
      assert.strictEqual(yield* received(connection), "still")
      yield* connection.send(bytes("here"))
      assert.strictEqual(yield* peer.receivedBytes(4), "here")
    })))

  it.live("the scope that accepts closes the connection, and not the listener", () =>
    bounded(Effect.gen(function*() {
      const { listener } = yield* inScope({ linger: "5 seconds" })
      const peer = yield* Raw.connect(listener.address)
      const connection = yield* Effect.scoped(Effect.andThen(peer.end, listener.accept))
      assert.match(reasonOf(yield* connection.closed), /^Graceful/)
      assert.strictEqual(yield* peer.ended, "FIN")
      const next = yield* Raw.connect(listener.address)
      yield* listener.accept
      yield* next.end
    })))

  it.live("an interrupted accept loop loses no connection", () =>
    bounded(Effect.gen(function*() {
      const { listener } = yield* inScope()
      const count = 100
      const scope = yield* Effect.scope
      const accepted: Array<number> = []
      const accept = Scope.provide(
        Effect.map(listener.accept, (connection) => accepted.push(tcp(connection.remote).port)),
        scope
      )
      const peers: Array<number> = []
      const clients = yield* Effect.forkChild(Effect.forEach(
        Array.from({ length: count }),
        () => Effect.map(Raw.connect(listener.address), (peer) => peers.push(peer.socket.localPort!))
      ))
      while (accepted.length < count) {
        const loop = yield* Effect.forkChild(Effect.forever(accept), { startImmediately: true })
        yield* Effect.yieldNow
        yield* Fiber.interrupt(loop)
        yield* turn
      }
      yield* Fiber.join(clients)
      assert.deepStrictEqual(accepted, peers)
    })))

  it.live("more than the backlog are reset, and the next is served", () =>
    bounded(Effect.gen(function*() {
      const { listener } = yield* inScope({ backlog: 3 })
      const peers = yield* Effect.forEach([1, 2, 3], () => Raw.connect(listener.address))
      yield* turn
      // RST comes before or after its connect event.
      const outcome = Effect.matchCauseEffect(Raw.connect(listener.address), {
        onFailure: (cause) => Effect.succeed((Cause.squash(cause) as NodeJS.ErrnoException).code),
        onSuccess: (peer) => peer.ended
      })
      assert.deepStrictEqual([yield* outcome, yield* outcome], ["ECONNRESET", "ECONNRESET"])
      for (let i = 0; i < 3; i++) {
        assert.strictEqual(tcp((yield* listener.accept).remote).port, peers[i]!.socket.localPort)
      }
      const next = yield* Raw.connect(listener.address)
      assert.strictEqual(tcp((yield* listener.accept).remote).port, next.socket.localPort)
    })))
})

it.live("serves a socket that comes by the platform's event, as from another process, and reads it as the platform does", () =>
  bounded(Effect.gen(function*() {
    const { listener } = yield* inScope()
    const other = yield* Raw.listen()
    const peer = yield* Raw.connect(other.address)
    const { socket } = yield* other.next
    serverAt(listener.address).emit("connection", socket.removeAllListeners())
    const connection = yield* listener.accept
    const echoing = yield* Effect.forkChild(connection.lendEach(connection.sendAllUnsafe))
    yield* peer.write("hello")
    assert.strictEqual(yield* peer.receivedBytes(5), "hello")
    yield* peer.end
    yield* Fiber.join(echoing)
  })))

describe("an error of the platform", () => {
  it.live("fails one accept, in its turn: who comes before and after it is served", () =>
    bounded(Effect.gen(function*() {
      const seen = yield* sockets
      const { listener } = yield* inScope()
      // The platform's own callback for accept(2); nothing that a test may do makes the kernel fail.
      const fail = (code: "ENOMEM" | "ENOBUFS") =>
        serverAt(listener.address)._handle.onconnection(-constants.errno[code], undefined)
      const come = Effect.gen(function*() {
        const before = seen.length
        const peer = yield* Raw.connect(listener.address)
        // Both ends.
        yield* eventually(() => seen.length === before + 2)
        return peer.socket.localPort!
      })
      const ports = [yield* come]
      fail("ENOMEM")
      ports.push(yield* come)
      fail("ENOBUFS")
      ports.push(yield* come)
      const next = Effect.match(listener.accept, {
        onSuccess: ({ remote }) => tcp(remote).port,
        onFailure: (error) => {
          assert(error._tag === "ListenError")
          assert.deepStrictEqual([error.reason._tag, error.retry], ["ResourceExhausted", "after-backoff"])
          assert.deepStrictEqual(error.local, listener.address)
          return error.code
        }
      })
      const items: Array<unknown> = []
      for (let i = 0; i < 5; i++) items.push(yield* next)
      assert.deepStrictEqual(items, [ports[0], "ENOMEM", ports[1], "ENOBUFS", ports[2]])
      // It is not the end.
      fail("ENOMEM")
      yield* listener.drain
      assert.strictEqual(yield* next, "ENOMEM")
      assert.isTrue(isEnd(yield* Effect.exit(listener.accept)))
    })))

  it.live("before TLS fails one accept, too", () =>
    bounded(Effect.gen(function*() {
      const { ca, server } = Certificates
      const { listener } = yield* inScope({ tls: { identity: server } })
      const fail = Effect.sync(() =>
        serverAt(listener.address)._handle.onconnection(-constants.errno.ENOMEM, undefined)
      )
      for (let i = 0; i < 2; i++) {
        yield* fail
        assert.strictEqual((yield* Effect.flip(listener.accept))._tag, "ListenError")
        const dialling = yield* Effect.forkChild(
          Transport.connect({ ...tcp(listener.address), host: "localhost" }, { family: 4, linger: 0, tls: { ca } })
        )
        yield* listener.accept
        yield* Fiber.join(dialling)
      }
    })))
})

describe("the scope", () => {
  it.live("resets those that nobody accepted, ends accept, and frees the port and every descriptor", () =>
    bounded(Effect.gen(function*() {
      const open = descriptors()
      yield* Effect.scoped(Effect.gen(function*() {
        const { close, listener } = yield* inScope()
        const peers = yield* Effect.forEach([1, 2, 3], () => Raw.connect(listener.address))
        yield* turn
        const first = yield* Effect.exit(Effect.scoped(Effect.andThen(peers[0]!.end, listener.accept)))
        assert.isTrue(Exit.isSuccess(first))
        yield* close
        assert.deepStrictEqual(
          yield* Effect.forEach(peers, (peer) => peer.ended),
          ["FIN", "ECONNRESET", "ECONNRESET"]
        )
        assert.isTrue(isEnd(yield* Effect.exit(listener.accept)))
        yield* listener.drain
        yield* Transport.listen(listener.address)
      }))
      yield* eventually(() => descriptors() <= open)
    })))

  it.live("ends an accept that waits", () =>
    bounded(Effect.gen(function*() {
      const { close, listener } = yield* inScope()
      const accept = yield* Effect.forkScoped(Effect.exit(listener.accept), { startImmediately: true })
      yield* close
      assert.isTrue(isEnd(yield* Fiber.join(accept)))
    })))
})

describe("drain", () => {
  it.live("50 clients queued in the kernel while the loop is blocked are all served", () =>
    bounded(Effect.gen(function*() {
      const count = 50
      const { listener } = yield* inScope()
      const answers = Effect.forkScoped(Effect.forever(Effect.flatMap(
        listener.accept,
        (connection) =>
          Effect.forkScoped(Effect.flatMap(
            Effect.map(connection.receive, (chunks) => String(Buffer.concat(chunks))),
            (text) => Effect.andThen(connection.send(bytes(text.toUpperCase())), connection.close({ linger: 0 }))
          ))
      )))
      yield* answers
      // They connect and send in another thread; this one has not turned its loop since.
      const { outcomes } = yield* Blocked.clients(tcp(listener.address), count)
      yield* listener.drain
      const expected = Array.from({ length: count }, (_, id) => `HELLO ${id}`)
      assert.deepStrictEqual((yield* outcomes).toSorted(), expected.toSorted())
    })))

  it.live("is bounded where clients never stop to come", () =>
    bounded(Effect.gen(function*() {
      const { listener } = yield* inScope()
      const come = Effect.exit(Effect.scoped(Raw.connect(listener.address)))
      yield* Effect.forkScoped(Effect.all(Array.from({ length: 20 }, () => Effect.forever(come)), {
        concurrency: "unbounded"
      }))
      yield* Effect.scoped(listener.accept)
      const start = performance.now()
      yield* listener.drain
      assert.isBelow(performance.now() - start, 2000)
    })))

  it.live("a flood of clients that never stop to come: refused or served, not reset", () =>
    bounded(Effect.gen(function*() {
      const count = 400
      const { listener } = yield* inScope()
      yield* Effect.forkScoped(Effect.forever(Effect.flatMap(
        listener.accept,
        (connection) =>
          Effect.forkScoped(Effect.ignore(Effect.andThen(connection.send(bytes("hello")), connection.close())))
      )))
      const floods = yield* Effect.forEach([1, 2], () => Blocked.flood(tcp(listener.address), count))
      yield* Effect.repeat(Effect.andThen(Effect.sleep("5 millis"), listener.counters), {
        until: ({ accepted }) => accepted > 2 * count
      })
      yield* listener.drain
      const all: Record<string, number> = {}
      for (const { tally } of floods) {
        for (const [how, times] of Object.entries(yield* tally)) all[how] = (all[how] ?? 0) + times
      }
      const { ECONNREFUSED = 0, answered = 0, ...lost } = all
      const { accepted } = yield* listener.counters
      assert.strictEqual(answered, accepted)
      // One at most where the machine has time; where it is busy, 250 ms end before the queue does (seen: 84). Were new ones
      // still let in, it would be full: over 400.
      const lostCount = Object.values(lost).reduce((sum, times) => sum + times, 0)
      assert.isAtMost(lostCount, 255, JSON.stringify(all))
      assert.strictEqual(ECONNREFUSED + lostCount, 2 * count)
    })))

  it.live("hands out what waits, then accept is at its end", () =>
    bounded(Effect.gen(function*() {
      const { listener } = yield* inScope()
      const { outcomes } = yield* Blocked.clients(tcp(listener.address), 10)
      yield* listener.drain
      for (let i = 0; i < 10; i++) {
        const connection = yield* listener.accept
        yield* connection.close({ linger: 0 })
      }
      for (let i = 0; i < 2; i++) assert.isTrue(isEnd(yield* Effect.exit(listener.accept)))
      assert.lengthOf(yield* outcomes, 10)
    })))

  it.live("ends an accept that waits", () =>
    bounded(Effect.gen(function*() {
      const { listener } = yield* inScope()
      const accept = yield* Effect.forkScoped(Effect.exit(listener.accept), { startImmediately: true })
      yield* listener.drain
      assert.isTrue(isEnd(yield* Fiber.join(accept)))
    })))

  it.live("frees the port: it can be listened on again at once", () =>
    bounded(Effect.gen(function*() {
      const { listener } = yield* inScope()
      const peer = yield* Raw.connect(listener.address)
      const connection = yield* listener.accept
      for (let i = 0; i < 5; i++) {
        const again = yield* Effect.exit(Transport.listen(listener.address))
        assert.isTrue(Exit.isFailure(again))
      }
      yield* listener.drain
      yield* Transport.listen(listener.address)
      // Who was accepted stays.
      yield* peer.write("still")
      assert.strictEqual(yield* received(connection), "still")
    })))

  it.live("joins, and is over when the scope closes", () =>
    bounded(Effect.gen(function*() {
      const { close, listener } = yield* inScope()
      const drains = yield* Effect.forEach(
        [listener.drain, listener.drain, close],
        (effect) => Effect.forkChild(effect, { startImmediately: true })
      )
      yield* Fiber.joinAll(drains)
      yield* listener.drain
    })))

  it.live("interrupting the one who waits does not stop it", () =>
    bounded(Effect.gen(function*() {
      const { listener } = yield* inScope()
      const drain = yield* Effect.forkChild(listener.drain, { startImmediately: true })
      yield* Fiber.interrupt(drain)
      assert.isTrue(isEnd(yield* Effect.exit(listener.accept)))
      yield* Transport.listen(listener.address)
    })))
})
