import { assert, describe, it } from "@effect/vitest"
import { type Connection, type Listener, Transport } from "@framewire/core"
import { MemoryTransport } from "@framewire/core/testing"
import { Codec, FramingError, ProxyHeader } from "@framewire/framing"
import { ProxyProtocol, Server } from "@framewire/server"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeTls from "node:tls"
import * as Certificates from "../../../tests/support/Certificates.ts"
import { bounded, lines, options, RawClient } from "./support/index.ts"

const trusted = ["127.0.0.0/8"]
const client = { host: "203.0.113.9", port: 54_321 }
const forwarded: ProxyHeader.Inet = {
  version: 2,
  command: "proxy",
  family: "ipv4",
  transport: "stream",
  source: client,
  destination: { host: "198.51.100.1", port: 443 },
  tlvs: []
}

const bytesOf = (header: ProxyHeader.ProxyHeader) =>
  Buffer.concat(Result.getOrThrow(Codec.encodeAll(ProxyHeader.make(), [header])))
const v1 = bytesOf({ ...forwarded, version: 1 })
const v2 = bytesOf(forwarded)
const local = bytesOf({ version: 2, command: "local" })
const text = (chunks: ReadonlyArray<Uint8Array>) => String(Buffer.concat(chunks))

/** Lines both ways, and the connection as its handler got it. */
const echo = Effect.map(Deferred.make<ProxyProtocol.Proxied>(), (seen) => ({
  seen: Deferred.await(seen),
  handler: (connection: ProxyProtocol.Proxied) => {
    Deferred.doneUnsafe(seen, Effect.succeed(connection))
    return Server.respond(lines, Effect.succeed<string>)(connection)
  }
}))

/** Both ends in memory, where TestClock rules. */
const pair = (how: Listener.ListenOptions = {}) =>
  Effect.gen(function*() {
    const listener = yield* Transport.listen({ host: "127.0.0.1", port: 0 }, { linger: 0, ...how })
    const peer = yield* Transport.connect(listener.address, { linger: 0 })
    return { peer, connection: yield* listener.accept }
  })

const inMemory =
  (network: MemoryTransport.Options = {}) => <A, E>(body: Effect.Effect<A, E, Scope.Scope | Transport.Transport>) =>
    Effect.scoped(body).pipe(Effect.provide(MemoryTransport.layer(network)))

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

/** Why there is no header to believe, and how the connection ended. */
const refusal = (connection: Connection.Connection, how: Partial<ProxyProtocol.ProxyOptions> = {}) =>
  Effect.gen(function*() {
    const error = yield* Effect.flip(ProxyProtocol.read({ trusted, ...how })(connection))
    assert(error._tag === "ProxyError", error.message)
    assert.deepStrictEqual(error.proxy, connection.remote)
    return error.reason
  })

describe("ProxyProtocol", () => {
  for (const [version, header] of [["1", v1], ["2", v2]] as const) {
    it.live(`version ${version}: the handler sees the client, and gets what follows the header`, () =>
      bounded(Effect.gen(function*() {
        const { handler, seen } = yield* echo
        const server = yield* Server.make(options, ProxyProtocol.accept({ trusted })(handler))
        const peer = yield* RawClient.connect(server.address)
        peer.socket.write(Buffer.concat([header, Buffer.from("hello\n")]))
        assert.strictEqual(yield* peer.received(6), "hello\n")
        peer.write("again\n")
        assert.strictEqual(yield* peer.received(12), "hello\nagain\n")
        const connection = yield* seen
        assert.deepStrictEqual(connection.remote, client)
        assert.deepStrictEqual(connection.proxy, { host: "127.0.0.1", port: peer.socket.localPort! })
        assert.deepStrictEqual(connection.local, server.address)
        assert.deepInclude(connection.header, { destination: forwarded.destination })
        assert.deepStrictEqual((yield* connection.traffic).received, header.length + 12)
      })))

    it.effect(`version ${version}: byte by byte, and what follows is received by every form of receive`, () =>
      inMemory({ rechunk: 1, seed: version })(Effect.gen(function*() {
        const { connection, peer } = yield* pair()
        yield* peer.sendAll([header, Buffer.from("abc")])
        yield* peer.shutdownWrite
        const proxied = yield* ProxyProtocol.read({ trusted })(connection)
        assert.deepStrictEqual(proxied.remote, client)
        let got = text(yield* proxied.receive)
        yield* proxied.lendEach((chunks) => {
          got += text(chunks)
          return Effect.void
        })
        assert.strictEqual(got, "abc")
      })))
  }

  it.effect("what came in one piece with the header is received first, in pull and push, and once", () =>
    inMemory()(Effect.gen(function*() {
      const got: Array<string> = []
      for (const form of ["receive", "lendEach"]) {
        const { connection, peer } = yield* pair()
        yield* peer.send(Buffer.concat([v2, Buffer.from("first")]))
        const proxied = yield* ProxyProtocol.read({ trusted })(connection)
        const { receive } = proxied
        yield* peer.send(Buffer.from("second"))
        if (form === "receive") got.push(text(yield* receive), text(yield* receive))
        yield* peer.shutdownWrite
        yield* proxied.lendEach((chunks) => {
          got.push(text(chunks))
          return Effect.void
        })
      }
      assert.deepStrictEqual(got, ["first", "second", "first", "second"])
    })))

  const own: ReadonlyArray<readonly [string, ProxyHeader.ProxyHeader]> = [
    ["LOCAL", { version: 2, command: "local" }],
    ["UNKNOWN", { version: 1, command: "proxy", family: "unspecified" }],
    ["an unspecified family", { version: 2, command: "proxy", family: "unspecified" }],
    ["a datagram", { ...forwarded, transport: "datagram" }]
  ]
  it.effect.each(own)("%s leaves the socket's own address", ([, header]) =>
    inMemory()(Effect.gen(function*() {
      const { connection, peer } = yield* pair()
      yield* peer.send(bytesOf(header))
      const proxied = yield* ProxyProtocol.read({ trusted })(connection)
      assert.deepStrictEqual(proxied.remote, connection.remote)
      assert.deepStrictEqual(proxied.header, header)
    })))

  it.live("from elsewhere than a trusted network it is RST, and not a byte is read", () =>
    bounded(Effect.gen(function*() {
      const { handler } = yield* echo
      const errors: Array<unknown> = []
      const accept = ProxyProtocol.accept({ trusted: ["127.0.0.0/32", "10.0.0.0/8", "::1", "unix"] })(handler)
      const server = yield* Server.make(
        { ...options, linger: "1 minute" },
        (connection) =>
          accept(connection).pipe(
            Effect.tapError((error) =>
              Effect.map(connection.traffic, ({ received }) => errors.push([error.message, received]))
            )
          )
      )
      const peer = yield* RawClient.connect(server.address)
      const from = `127.0.0.1:${peer.socket.localPort}`
      peer.socket.write(v1)
      assert.strictEqual(yield* peer.closed, "ECONNRESET")
      assert.deepStrictEqual(errors, [[`no PROXY header from ${from}: it is in no trusted network`, 0]])
    })))

  it.live("over a Unix domain socket it is the socket that is trusted", () =>
    bounded(Effect.gen(function*() {
      const path = join(tmpdir(), `framewire-proxy-${process.pid}.sock`)
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(path, { force: true })))
      const { handler, seen } = yield* echo
      const server = yield* Server.make(
        { ...options, address: { path } },
        ProxyProtocol.accept({ trusted: ["unix"] })(handler)
      )
      const peer = yield* RawClient.connect(server.address)
      peer.socket.write(v1)
      assert.deepStrictEqual((yield* seen).remote, client)
    })))

  it.effect("the header has 5 s, however much of it comes", () =>
    inMemory()(Effect.gen(function*() {
      for (const bytes of [0, 1, v2.length - 1]) {
        const { connection, peer } = yield* pair()
        const reading = yield* fork(refusal(connection))
        if (bytes > 0) yield* peer.send(v2.subarray(0, bytes))
        yield* TestClock.adjust(4999)
        assert.isUndefined(reading.pollUnsafe())
        yield* TestClock.adjust(1)
        assert.strictEqual(
          (yield* Fiber.join(reading)).message,
          "timed out after 5000 ms, waiting for the PROXY header"
        )
        assert.deepStrictEqual(yield* connection.closed, { _tag: "Aborted" })
      }
    })))

  it.effect("a header that is whole one millisecond before is in time, and its connection has all the time then", () =>
    inMemory()(Effect.gen(function*() {
      const { connection, peer } = yield* pair()
      const reading = yield* fork(ProxyProtocol.read({ trusted })(connection))
      yield* peer.send(v2.subarray(0, 20))
      yield* TestClock.adjust(4999)
      yield* peer.send(v2.subarray(20))
      const proxied = yield* Fiber.join(reading)
      const receiving = yield* fork(proxied.receive)
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(receiving.pollUnsafe())
    })))

  const bad: ReadonlyArray<readonly [string, Uint8Array, string]> = [
    ["no header", Buffer.from("GET / HTTP/1.1\r\n"), "Malformed"],
    ["a line of 108 bytes", Buffer.from(`PROXY ${"x".repeat(102)}`), "FrameTooLong"],
    ["a block of 8193 bytes", Buffer.concat([v2.subarray(0, 14), Buffer.from([0x20, 0x01])]), "FrameTooLong"],
    ["a TLS handshake", Buffer.from([22, 3, 1, 2, 0]), "Malformed"]
  ]
  it.effect.each(bad)("%s is refused with RST", ([, bytes, reason]) =>
    inMemory()(Effect.gen(function*() {
      const { connection, peer } = yield* pair()
      yield* peer.send(bytes)
      const error = yield* refusal(connection)
      assert(error._tag === "FrameError")
      assert.strictEqual(error.reason._tag, reason)
      assert.deepStrictEqual(yield* connection.closed, { _tag: "Aborted" })
    })))

  it.effect("a block as long as the limit is taken", () =>
    inMemory()(Effect.gen(function*() {
      const { connection, peer } = yield* pair()
      yield* peer.send(bytesOf({ ...forwarded, tlvs: [{ type: "noop", value: new Uint8Array(100 - 12 - 3) }] }))
      assert.deepStrictEqual((yield* ProxyProtocol.read({ trusted, limit: 100 })(connection)).remote, client)
      const another = yield* pair()
      yield* another.peer.send(bytesOf({ ...forwarded, tlvs: [{ type: "noop", value: new Uint8Array(100 - 12 - 2) }] }))
      const error = yield* refusal(another.connection, { limit: 100 })
      assert.strictEqual(error._tag === "FrameError" && error.reason._tag, "FrameTooLong")
    })))

  it.effect("FIN before the first byte is a probe, FIN within the header a truncation", () =>
    inMemory()(Effect.gen(function*() {
      for (const [bytes, reason] of [[0, "NoHeader"], [1, "FrameError"], [v2.length - 1, "FrameError"]] as const) {
        const { connection, peer } = yield* pair()
        if (bytes > 0) yield* peer.send(v2.subarray(0, bytes))
        yield* peer.shutdownWrite
        const error = yield* refusal(connection)
        assert.strictEqual(error._tag, reason)
        if (error._tag === "FrameError") assert.strictEqual(error.reason._tag, "Truncated")
      }
    })))

  it("what cannot be trusted, and a limit that cannot be, are refused where they are written", () => {
    for (const wrong of ["localhost", "10.0.0.1/8", ""]) {
      assert.throws(() => ProxyProtocol.accept({ trusted: [wrong] }), FramingError.InvalidOption, "trusted is")
    }
    assert.throws(() => ProxyProtocol.read({ trusted, limit: 65_536 }), FramingError.InvalidOption, "limit is")
  })
})

describe("TLS behind the header", () => {
  const { ca, server: identity } = Certificates

  /** A client of node:tls's, over a socket that says the header first. */
  const secured = (peer: RawClient.RawClient, header: Uint8Array) =>
    Effect.acquireRelease(
      Effect.callback<NodeTls.TLSSocket, string>((resume) => {
        // One segment: the handshake begins behind the header.
        peer.socket.cork()
        peer.socket.write(header)
        const socket = NodeTls.connect({ socket: peer.socket, ca, host: "127.0.0.1" })
        peer.socket.uncork()
        socket.on("error", (error) => resume(Effect.fail(error.message)))
        socket.once("secureConnect", () => resume(Effect.succeed(socket)))
      }),
      (socket) => Effect.sync(() => socket.destroy())
    )
  const answer = (socket: NodeTls.TLSSocket, bytes: number) =>
    Effect.callback<string>((resume) => {
      let got = ""
      socket.on("data", (chunk) => {
        got += String(chunk)
        if (got.length >= bytes) resume(Effect.succeed(got))
      })
    })

  for (const [name, header, remote] of [["PROXY", v2, client], ["LOCAL", local, undefined]] as const) {
    it.live(`${name}: the handler gets the secured connection`, () =>
      bounded(Effect.gen(function*() {
        const { handler, seen } = yield* echo
        const server = yield* Server.make(options, ProxyProtocol.accept({ trusted, tls: { identity } })(handler))
        const peer = yield* RawClient.connect(server.address, { reads: false })
        const own = { host: "127.0.0.1", port: peer.socket.localPort! }
        const socket = yield* secured(peer, header)
        socket.write("hello\n")
        assert.strictEqual(yield* answer(socket, 6), "hello\n")
        const connection = yield* seen
        assert.deepStrictEqual([connection.remote, (yield* connection.tls)?.version], [remote ?? own, "TLSv1.3"])
      })))
  }

  it.live("options that are asked for each connection are those of now", () =>
    bounded(Effect.gen(function*() {
      let tls = { identity: Certificates.stranger }
      const { handler } = yield* echo
      const server = yield* Server.make(
        options,
        ProxyProtocol.accept({ trusted, tls: Effect.sync(() => tls) })(handler)
      )
      const first = yield* RawClient.connect(server.address, { reads: false })
      assert.match(yield* Effect.flip(secured(first, v1)), /self-signed/)
      tls = { identity }
      const second = yield* RawClient.connect(server.address, { reads: false })
      const socket = yield* secured(second, v1)
      socket.write("hello\n")
      assert.strictEqual(yield* answer(socket, 6), "hello\n")
    })))

  it.live("STARTTLS from the handler refuses plaintext that waits behind the header", () =>
    bounded(Effect.gen(function*() {
      const outcome = Deferred.makeUnsafe<string>()
      const server = yield* Server.make(
        options,
        ProxyProtocol.accept({ trusted })((connection) =>
          connection.upgradeTls({ server: { identity } }).pipe(
            Effect.match({ onFailure: ({ reason }) => reason._tag, onSuccess: () => "secured" }),
            Effect.flatMap((tag) => Deferred.succeed(outcome, tag))
          )
        )
      )
      const peer = yield* RawClient.connect(server.address)
      peer.socket.write(Buffer.concat([v2, Buffer.from("STARTTLS\n")]))
      assert.strictEqual(yield* Deferred.await(outcome), "PlaintextWaiting")
      assert.strictEqual(yield* peer.closed, "ECONNRESET")
    })))
})
