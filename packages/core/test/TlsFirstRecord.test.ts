import { assert, describe, it } from "@effect/vitest"
import { type Connection, type Listener, type Tls, Transport, type TransportError } from "@framewire/core"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import { createHook } from "node:async_hooks"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Duplex } from "node:stream"
import * as NodeTls from "node:tls"
import * as Certificates from "../../../tests/support/Certificates.ts"
import { anyPort, bounded, bytes, eventually, failure, Raw, receiveAll, received, turn } from "./support/index.ts"

const { ca, other, server } = Certificates

type Shed = Extract<Listener.AcceptShed, { reason: "handshake" }>

const listen = (tls: Partial<Tls.ServerOptions> = {}, at: Parameters<typeof Transport.listen>[0] = anyPort) =>
  Effect.gen(function*() {
    const failures = yield* Queue.unbounded<Shed>()
    const listener = yield* Transport.listen(at, {
      linger: 0,
      tls: { identity: server, ...tls },
      onShed: (event) => event.reason === "handshake" && Queue.offerUnsafe(failures, event)
    })
    return { listener, address: listener.address, failed: Effect.map(Queue.take(failures), ({ error }) => error) }
  })

/** A connection that is plain yet, and a bare peer at its other end. */
const plain = Effect.gen(function*() {
  const listener = yield* Transport.listen(anyPort, { linger: 0 })
  const peer = yield* Raw.connect(listener.address)
  return { its: yield* listener.accept, peer }
})

/** How often OpenSSL's state of a connection has been made in this process since. */
const states = Effect.acquireRelease(
  Effect.sync(() => {
    let made = 0
    const hook = createHook({ init: (_id, type) => void (type === "TLSWRAP" && made++) }).enable()
    return { hook, made: () => made }
  }),
  ({ hook }) => Effect.sync(() => void hook.disable())
).pipe(Effect.map(({ made }) => made))

/** A bare peer of a listener that has TLS. */
const stranger = Effect.gen(function*() {
  const { address, failed } = yield* listen()
  const made = yield* states
  return { failed, made, peer: yield* Raw.connect(address) }
})

const tagOf = (error: { readonly _tag: string; readonly reason: { readonly _tag: string } }) =>
  `${error._tag} ${error.reason._tag}`

/** What the connection is over of, in the end. */
const closedBy = (its: Connection.Connection) =>
  Effect.map(its.closed, (reason) => reason._tag === "Failed" ? tagOf(reason.error) : reason._tag)

/** A small first record, of fewer than 200 bytes. */
const small = { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256" } as const

/** A client of the platform's behind the peer's socket, whose first record goes out in parts, a turn of the loop or more for each. */
const clientInParts = (peer: Raw.Peer, partsOf: (first: Uint8Array) => ReadonlyArray<Uint8Array>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      let isFirst = true
      const { socket } = peer
      const wire = new Duplex({
        read: () => void socket.resume(),
        write: (chunk: Uint8Array, _encoding, done) => {
          const parts = isFirst ? partsOf(chunk) : [chunk]
          isFirst = false
          const next = (at: number) => {
            if (at === parts.length) return done()
            socket.write(parts[at]!, () => setImmediate(() => setImmediate(() => next(at + 1))))
          }
          next(0)
        }
      })
      socket.on("data", (chunk) => wire.push(chunk))
      socket.on("end", () => wire.push(null))
      const client = NodeTls.connect({ socket: wire, ca, servername: "localhost", ...small })
      client.on("error", () => {})
      return client
    }),
    (client) => Effect.sync(() => client.destroy())
  )

describe("a peer at a server's end of TLS that speaks something else", () => {
  const garbage: Record<string, ReadonlyArray<string | Uint8Array>> = {
    "HTTP": ["GET / HTTP/1.1\r\n\r\n"],
    "one byte": ["G"],
    "a record of another type": [Uint8Array.of(0x17, 0x03, 0x03, 0x00, 0x01, 0x00)],
    "a record of another protocol": [Uint8Array.of(0x16, 0x02)],
    "the same, byte by byte": [Uint8Array.of(0x16), Uint8Array.of(0x02)],
    // More than is read at once.
    "a flood": [new Uint8Array(1_000_000)]
  }
  for (const [name, parts] of Object.entries(garbage)) {
    it.live(`is told of without any state of OpenSSL's: ${name}`, () =>
      bounded(Effect.gen(function*() {
        const { failed, made, peer } = yield* stranger
        for (const part of parts) {
          yield* peer.write(part)
          yield* turn
          yield* turn
        }
        const error = yield* failed
        assert.strictEqual(tagOf(error), "HandshakeError NotTls")
        assert.strictEqual(error.retry, "never")
        assert.isDefined(error.code)
        yield* peer.ended
        assert.strictEqual(made(), 0)
      })))
  }

  it.live("is told of by OpenSSL where it begins as TLS, however much it is", () =>
    bounded(Effect.gen(function*() {
      const { failed, made, peer } = yield* stranger
      yield* peer.write(new Uint8Array(1_000_000).fill(0xff).fill(0x16, 0, 1).fill(0x03, 1, 2))
      assert.include(["NotTls", "TlsViolation", "VersionMismatch"], (yield* failed).reason._tag)
      yield* peer.ended
      assert.strictEqual(made(), 1)
    })))

  it.live("the states of a handshake that is one are counted", () =>
    bounded(Effect.gen(function*() {
      const { address, listener } = yield* listen()
      const made = yield* states
      yield* Transport.connect(address, { linger: 0, tls: { ca } })
      yield* listener.accept
      assert.strictEqual(made(), 2)
    })))

  it.live("in what was received before", () =>
    bounded(Effect.gen(function*() {
      const { its, peer } = yield* plain
      const made = yield* states
      const upgrade = its.upgradeTls({ server: { identity: server }, received: [bytes(""), bytes("GET ")] })
      assert.strictEqual(tagOf(yield* failure(upgrade)), "HandshakeError NotTls")
      assert.strictEqual(yield* closedBy(its), "HandshakeError NotTls")
      assert.strictEqual((yield* receiveAll(its)).text, "")
      yield* peer.ended
      assert.strictEqual(made(), 0)
    })))

  it.live("on a Unix socket", () =>
    bounded(Effect.gen(function*() {
      const path = join(tmpdir(), `framewire-first-${process.pid}.sock`)
      const { address, failed, listener } = yield* listen({}, { path })
      const made = yield* states
      const peer = yield* Raw.connect(address)
      yield* peer.write("nonsense")
      assert.strictEqual(tagOf(yield* failed), "HandshakeError NotTls")
      assert.strictEqual(made(), 0)
      const dialled = yield* Transport.connect(address, { linger: 0, tls: { ca } })
      yield* (yield* listener.accept).send(bytes("x"))
      assert.strictEqual(yield* received(dialled), "x")
    })))
})

describe("the first record", () => {
  const exchange = (partsOf: (first: Uint8Array) => ReadonlyArray<Uint8Array>) =>
    Effect.scoped(Effect.gen(function*() {
      const { address, listener } = yield* listen()
      const peer = yield* Raw.connect(address, { reads: false })
      const client = yield* clientInParts(peer, partsOf)
      client.write("hello")
      const its = yield* listener.accept
      assert.strictEqual(yield* received(its), "hello")
      assert.deepStrictEqual(yield* its.traffic, { received: 5, sent: 0, waiting: 0 })
    }))

  it.live("cut in two anywhere", () =>
    bounded(
      Effect.gen(function*() {
        let size = 2
        for (let at = 1; at < size; at++) {
          yield* exchange((first) => {
            size = first.length
            return [first.subarray(0, at), first.subarray(at)]
          })
        }
        assert.isAbove(size, 100)
      }),
      "30 seconds"
    ), 35_000)

  it.live("byte by byte", () => bounded(exchange((first) => Array.from(first, (byte) => Uint8Array.of(byte)))))

  for (const parts of [[0], [1], [0, 1], [1, 1], [2], [1, 0, 4], [7, 5]]) {
    it.live(`with ${parts.join(" + ")} bytes of it received before`, () =>
      bounded(Effect.gen(function*() {
        const { its, peer } = yield* plain
        let first: Uint8Array | undefined
        // What is received here never crosses the wire.
        const before = parts.reduce((sum, part) => sum + part, 0)
        const client = yield* clientInParts(peer, (whole) => {
          first = whole
          return [whole.subarray(before)]
        })
        client.write("hello")
        yield* eventually(() => first !== undefined)
        let at = 0
        const early = parts.map((part) => first!.slice(at, at += part))
        const fiber = yield* Effect.forkChild(its.upgradeTls({ server: { identity: server }, received: early }), {
          startImmediately: true
        })
        // They are the caller's again.
        for (const chunk of early) if (before < 2) chunk.fill(0xdd)
        yield* Fiber.join(fiber)
        assert.strictEqual(yield* received(its), "hello")
        yield* its.send(bytes("x"))
        // What this side of the test kept back was never counted by the kernel.
        assert.strictEqual((yield* its.traffic).sent, 1)
      })))
  }

  it.live("behind plaintext of ours that waits to go out", () =>
    bounded(Effect.gen(function*() {
      const listener = yield* Transport.listen(anyPort, { linger: 0 })
      const client = yield* Transport.connect(listener.address, { linger: 0 })
      const its = yield* listener.accept
      const size = 8_000_000
      yield* Effect.forkChild(Effect.ignore(its.send(new Uint8Array(size))), { startImmediately: true })
      const secured = yield* Effect.forkChild(its.upgradeTls({ server: { identity: server } }), {
        startImmediately: true
      })
      let got = 0
      while (got < size) for (const chunk of yield* client.receive) got += chunk.length
      yield* client.upgradeTls({ client: { ca } })
      yield* Fiber.join(secured)
      yield* client.send(bytes("secret"))
      assert.strictEqual(yield* received(its), "secret")
      assert.deepStrictEqual(yield* its.traffic, { received: 6, sent: size, waiting: 0 })
    })))
})

describe("a wait for the first record", () => {
  for (const sent of [[], [0x16]]) {
    it.live(`ends with the handshake's time, after ${sent.length} bytes, by RST`, () =>
      bounded(Effect.gen(function*() {
        const { address, failed } = yield* listen({ handshakeTimeout: "60 millis" })
        const peer = yield* Raw.connect(address)
        const began = performance.now()
        yield* peer.write(Uint8Array.from(sent))
        const error = yield* failed
        assert.isAtLeast(performance.now() - began, 50)
        assert(error.reason._tag === "TimedOut")
        assert.strictEqual(error.reason.afterMillis, 60)
        assert.match(error.message, /waiting for the TLS handshake$/)
        assert.strictEqual(yield* peer.ended, "ECONNRESET")
      })))

    for (const [how, tag] of [["end", "HandshakeAborted"], ["reset", "ConnectionReset"]] as const) {
      it.live(`ends with the peer's ${how}, after ${sent.length} bytes`, () =>
        bounded(Effect.gen(function*() {
          const { its, peer } = yield* plain
          const fiber = yield* Effect.forkChild(failure(its.upgradeTls({ server: { identity: server } })), {
            startImmediately: true
          })
          yield* peer.write(Uint8Array.from(sent))
          yield* turn
          yield* turn
          assert.strictEqual((yield* its.state)._tag, "Handshaking")
          assert.deepStrictEqual(yield* its.traffic, { received: 0, sent: 0, waiting: 0 })
          yield* peer[how]
          const error: TransportError.HandshakeError = yield* Fiber.join(fiber)
          assert.strictEqual(tagOf(error), `HandshakeError ${tag}`)
          assert.strictEqual(error.retry, "after-backoff")
          assert.strictEqual(yield* closedBy(its), `HandshakeError ${tag}`)
          assert.deepStrictEqual(yield* receiveAll(its), { text: "", end: tag })
        })))
    }

    for (const how of ["close", "abort", "interrupt"] as const) {
      it.live(`ends with our ${how}, after ${sent.length} bytes`, () =>
        bounded(Effect.gen(function*() {
          const { its, peer } = yield* plain
          const fiber = yield* Effect.forkChild(failure(its.upgradeTls({ server: { identity: server } })), {
            startImmediately: true
          })
          yield* peer.write(Uint8Array.from(sent))
          yield* turn
          yield* turn
          if (how === "interrupt") yield* Fiber.interrupt(fiber)
          else {
            assert.deepStrictEqual(yield* how === "close" ? its.close() : its.abort, { _tag: "Aborted" })
            assert.strictEqual(tagOf(yield* Fiber.join(fiber)), "HandshakeError ConnectionClosed")
          }
          assert.deepStrictEqual(yield* its.closed, { _tag: "Aborted" })
          assert.strictEqual((yield* receiveAll(its)).text, "")
          assert.strictEqual(yield* peer.ended, "ECONNRESET")
        })))
    }
  }

  it.live("does not begin with options that cannot work", () =>
    bounded(Effect.gen(function*() {
      const { its } = yield* plain
      const identity = { certificate: server.certificate, key: other.key }
      assert.strictEqual(tagOf(yield* failure(its.upgradeTls({ server: { identity } }))), "HandshakeError InvalidTls")
    })))
})
