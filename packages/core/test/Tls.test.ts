import { assert, describe, it } from "@effect/vitest"
import { type Address, type Connection, type Listener, type Tls, Transport, type TransportError } from "@framewire/core"
import { MemoryTransport } from "@framewire/core/testing"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { once } from "node:events"
import * as NodeTls from "node:tls"
import * as Certificates from "../../../tests/support/Certificates.ts"
import {
  anyPort,
  bounded,
  bytes,
  descriptors,
  eventually,
  failure,
  Raw,
  receiveAll,
  receiveBytes,
  received
} from "./support/index.ts"

const { alice, ca, expired, other, server, stranger } = Certificates

type Shed = Extract<Listener.AcceptShed, { reason: "handshake" }>

/** A TLS listener, and what it says of failed handshakes. */
const listen = (tls: Tls.ServerOptions = { identity: server }, options: Listener.ListenOptions = {}) =>
  Effect.gen(function*() {
    const failures = yield* Queue.unbounded<Shed>()
    const listener = yield* Transport.listen(anyPort, {
      linger: 0,
      ...options,
      tls,
      onShed: (event) => event.reason === "handshake" && Queue.offerUnsafe(failures, event)
    })
    return { listener, address: listener.address, shed: Queue.take(failures) }
  })

const named = (address: Address.Address): Address.Address =>
  "port" in address ? { ...address, host: "localhost" } : address

const connect = (address: Address.Address, tls: Tls.ClientOptions = {}, options: Transport.ConnectOptions = {}) =>
  Transport.connect(named(address), { family: 4, linger: 0, ...options, tls: { ca, ...tls } })

/** Both ends, secured. */
const pair = (client: Tls.ClientOptions = {}, its: Tls.ServerOptions = { identity: server }) =>
  Effect.gen(function*() {
    const { address, listener } = yield* listen(its)
    const dialled = yield* connect(address, client)
    const accepted = yield* listener.accept
    return { dialled, accepted, address, listener }
  })

const tagOf = (error: { readonly _tag: string; readonly reason: { readonly _tag: string } }) =>
  `${error._tag} ${error.reason._tag}`

/** The platform's own client, which verifies nothing. */
const bare = (address: Address.Address, options: NodeTls.ConnectionOptions = {}) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const socket = NodeTls.connect({ ...("port" in address ? address : {}), rejectUnauthorized: false, ...options })
      socket.on("error", () => {})
      return socket
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

describe("a secured connection", () => {
  it.live("carries bytes both ways, and both ends know on what they agreed", () =>
    bounded(Effect.gen(function*() {
      const { accepted, dialled } = yield* pair({ alpn: ["b", "a"] }, { identity: server, alpn: ["a", "b"] })
      yield* dialled.send(bytes("hello"))
      assert.strictEqual(yield* received(accepted), "hello")
      yield* accepted.send(bytes("welcome"))
      assert.strictEqual(yield* received(dialled), "welcome")
      const mine = (yield* dialled.tls)!
      const theirs = (yield* accepted.tls)!
      assert.deepStrictEqual([mine.version, mine.alpn, mine.serverName], ["TLSv1.3", "a", "localhost"])
      assert.deepStrictEqual([theirs.version, theirs.alpn, theirs.serverName], ["TLSv1.3", "a", "localhost"])
      assert.match(mine.cipher, /^TLS_/)
      assert.strictEqual(mine.peer?.subject, "CN=localhost")
      assert.include(mine.peer?.altNames, "DNS:localhost")
      assert.strictEqual(mine.peer?.issuer, "CN=framewire test root")
      assert.isUndefined(theirs.peer)
      assert.deepStrictEqual(yield* dialled.traffic, { received: 7, sent: 5, waiting: 0 })
      assert.deepStrictEqual(yield* accepted.traffic, { received: 5, sent: 7, waiting: 0 })
    })))

  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    it.live(`${version}: half-close, and 1 MB each way in the meantime`, () =>
      bounded(Effect.gen(function*() {
        const { accepted, dialled } = yield* pair({ minVersion: version, maxVersion: version })
        assert.strictEqual((yield* dialled.tls)?.version, version)
        const size = 1_000_000
        const sending = yield* Effect.forkChild(
          Effect.andThen(dialled.send(new Uint8Array(size).fill(1)), dialled.shutdownWrite)
        )
        const got = yield* receiveBytes(accepted, size)
        assert.isTrue(got.every((byte) => byte === 1))
        assert.strictEqual(yield* received(accepted), "end")
        yield* Fiber.join(sending)
        assert.strictEqual((yield* dialled.state)._tag, "WriteClosed")
        yield* accepted.send(new Uint8Array(size))
        yield* receiveBytes(dialled, size)
        yield* accepted.shutdownWrite
        assert.strictEqual(yield* received(dialled), "end")
        assert.deepStrictEqual(yield* dialled.close({ linger: "2 seconds" }), { _tag: "Graceful", initiator: "self" })
        assert.deepStrictEqual(yield* accepted.close({ linger: "2 seconds" }), { _tag: "Graceful", initiator: "peer" })
      })))
  }

  it.live("abort is RST", () =>
    bounded(Effect.gen(function*() {
      const { accepted, dialled } = yield* pair()
      yield* accepted.send(bytes("last"))
      assert.strictEqual(yield* received(dialled), "last")
      yield* accepted.abort
      const error = yield* received(dialled)
      assert(typeof error !== "string")
      assert.strictEqual(tagOf(error), "ReceiveError ConnectionReset")
    })))

  it.live("an IP address needs no name, but a certificate that bears it", () =>
    bounded(Effect.gen(function*() {
      const { address, listener } = yield* listen()
      const dialled = yield* Transport.connect(address, { tls: { ca } })
      assert.isUndefined((yield* dialled.tls)?.serverName)
      yield* listener.accept
    })))

  it.live("the name chooses the certificate (SNI)", () =>
    bounded(Effect.gen(function*() {
      const { address, listener } = yield* listen({
        identity: server,
        names: { "other.example": other, "*.wild.example": other }
      })
      for (
        const [serverName, subject] of [
          ["other.example", "CN=other.example"],
          ["OTHER.example", "CN=other.example"],
          ["a.wild.example", "CN=other.example"],
          ["localhost", "CN=localhost"]
        ] as const
      ) {
        const dialled = yield* connect(address, { serverName })
        assert.strictEqual((yield* dialled.tls)?.peer?.subject, subject)
        const accepted = yield* listener.accept
        assert.strictEqual((yield* accepted.tls)?.serverName, serverName)
      }
    })))

  it.live("a dot at the end of a name says that it is whole, and is no part of it for TLS", () =>
    bounded(Effect.gen(function*() {
      const { address, listener } = yield* listen({ identity: server, names: { "*.wild.example": other } })
      const dialled = yield* connect(address, { serverName: "a.wild.example." })
      assert.strictEqual((yield* dialled.tls)?.serverName, "a.wild.example")
      assert.strictEqual((yield* (yield* listener.accept).tls)?.serverName, "a.wild.example")
      // Others send it.
      const theirs = yield* bare(address, { servername: "a.wild.example." })
      yield* Effect.promise(() => once(theirs, "secureConnect"))
      assert.strictEqual(theirs.getPeerX509Certificate()?.subject, "CN=other.example")
    })))

  it.live("a client says who it is (mTLS)", () =>
    bounded(Effect.gen(function*() {
      const key = Redacted.make(alice.key as string)
      const { accepted } = yield* pair({ identity: { ...alice, key } }, {
        identity: server,
        ca: [ca],
        clientCertificate: "require"
      })
      assert.strictEqual((yield* accepted.tls)?.peer?.subject, "CN=alice")
    })))

  it.live("a client that is asked, and not made to, may be nobody", () =>
    bounded(Effect.gen(function*() {
      const { accepted } = yield* pair({}, { identity: server, ca, clientCertificate: "request" })
      assert.isUndefined((yield* accepted.tls)?.peer)
    })))

  it.live("verify: false takes a stranger", () =>
    bounded(Effect.gen(function*() {
      const { dialled } = yield* pair({ verify: false }, { identity: stranger })
      assert.strictEqual((yield* dialled.tls)?.peer?.subject, "CN=localhost")
    })))

  it.live("a reader that does not pull stops the peer", () =>
    bounded(Effect.gen(function*() {
      const { accepted, dialled } = yield* pair()
      const sending = yield* Effect.forkChild(dialled.send(new Uint8Array(20_000_000)))
      const before = yield* Effect.map(dialled.traffic, ({ sent }) => sent)
      yield* Effect.sleep("100 millis")
      assert.isUndefined(sending.pollUnsafe())
      yield* receiveBytes(accepted, 20_000_000)
      yield* Fiber.join(sending)
      assert.isBelow(before, 20_000_000)
    })))
})

describe("what can be wrong with a handshake", () => {
  interface Case {
    readonly client?: Tls.ClientOptions
    readonly server?: Tls.ServerOptions
    /** What the client hears, in `connect`. */
    readonly hears: string
    /** And the listener. */
    readonly tells: string
  }
  const cases: Record<string, Case> = {
    "trust: signed by nobody": {
      server: { identity: stranger },
      hears: "UntrustedCertificate DEPTH_ZERO_SELF_SIGNED_CERT",
      tells: "HandshakeAborted"
    },
    "trust: another root": {
      client: { ca: stranger.certificate },
      hears: "UntrustedCertificate UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      tells: "HandshakeAborted"
    },
    "trust: expired": {
      server: { identity: expired },
      hears: "UntrustedCertificate CERT_HAS_EXPIRED",
      tells: "HandshakeAborted"
    },
    "hostname": {
      server: { identity: other },
      hears: "HostnameMismatch ERR_TLS_CERT_ALTNAME_INVALID",
      tells: "HandshakeAborted"
    },
    "version": {
      client: { maxVersion: "TLSv1.2" },
      server: { identity: server, minVersion: "TLSv1.3" },
      hears: "VersionMismatch ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
      tells: "VersionMismatch ERR_SSL_UNSUPPORTED_PROTOCOL"
    },
    "cipher": {
      client: { maxVersion: "TLSv1.2", ciphers: "ECDHE-RSA-AES128-GCM-SHA256" },
      hears: "CipherMismatch ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE",
      tells: "CipherMismatch ERR_SSL_NO_SHARED_CIPHER"
    },
    "ALPN": {
      client: { alpn: ["a"] },
      server: { identity: server, alpn: ["b"] },
      hears: "AlpnMismatch ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
      tells: "AlpnMismatch ERR_SSL_NO_APPLICATION_PROTOCOL"
    },
    "client certificate, TLS 1.2: none": {
      client: { maxVersion: "TLSv1.2" },
      server: { identity: server, ca, clientCertificate: "require" },
      hears: "CipherMismatch ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE",
      tells: "CertificateMissing ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE"
    }
  }
  for (const [name, { client, hears, server: its, tells }] of Object.entries(cases)) {
    it.live(name, () =>
      bounded(Effect.gen(function*() {
        const { address, listener, shed } = yield* listen(its)
        const said = ({ code, reason }: TransportError.HandshakeError) => [reason._tag, code].filter(Boolean).join(" ")
        const error = yield* failure(connect(address, client))
        assert(error._tag === "HandshakeError")
        assert.strictEqual(said(error), hears)
        assert.deepStrictEqual(error.remote, address)
        assert.notMatch(error.message, /:error:|\n/)
        const event = yield* shed
        assert.match(said(event.error), new RegExp(`^${tells}`))
        assert.deepStrictEqual(event.remote, error.local)
        assert.deepStrictEqual(yield* listener.counters, { accepted: 0, shed: 1 })
      })))
  }

  // N16: with TLS 1.3 the client is secured first, and judged then.
  for (
    const [name, client, tells, hears] of [
      ["none", {}, "CertificateMissing", "ReceiveError CertificateRefused"],
      ["of a stranger", { identity: stranger }, "UntrustedCertificate", "end"]
    ] as const
  ) {
    it.live(`client certificate, TLS 1.3: ${name}`, () =>
      bounded(Effect.gen(function*() {
        const { address, shed } = yield* listen({ identity: server, ca, clientCertificate: "require" })
        const dialled = yield* connect(address, client)
        const end = yield* received(dialled)
        assert.strictEqual(typeof end === "string" ? end : tagOf(end), hears)
        assert.strictEqual((yield* shed).error.reason._tag, tells)
      })))
  }

  it.live("a client that is asked, and not made to, may not be a stranger", () =>
    bounded(Effect.gen(function*() {
      const { address, shed } = yield* listen({ identity: server, ca, clientCertificate: "request" })
      yield* connect(address, { identity: stranger })
      assert.strictEqual((yield* shed).error.reason._tag, "UntrustedCertificate")
    })))

  const garbage: Record<string, string | Uint8Array> = {
    "HTTP": "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "text": "EHLO localhost\r\n",
    "zeros": new Uint8Array(100),
    "a record that is too long": Uint8Array.of(0x16, 0x03, 0x01, 0xff, 0xff, ...new Uint8Array(100)),
    "a record of nonsense": Uint8Array.of(0x16, 0x03, 0x01, 0x00, 0x20, ...new Uint8Array(32).fill(0xa5))
  }
  for (const [name, sent] of Object.entries(garbage)) {
    it.live(`garbage on a TLS port: ${name}`, () =>
      bounded(Effect.gen(function*() {
        const { address, listener, shed } = yield* listen()
        const peer = yield* Raw.connect(address)
        yield* peer.write(sent)
        const { error } = yield* shed
        assert.include(["NotTls", "TlsViolation"], error.reason._tag)
        assert.isDefined(error.code)
        yield* peer.ended
        // The next one is served.
        const dialled = yield* connect(address)
        const accepted = yield* listener.accept
        yield* accepted.send(bytes("x"))
        assert.strictEqual(yield* received(dialled), "x")
      })))
  }

  it.live("a peer that does not speak TLS, asked by a client of ours", () =>
    bounded(Effect.gen(function*() {
      const peer = yield* Raw.listen()
      yield* Effect.forkChild(Effect.flatMap(peer.next, ({ write }) => write("220 localhost ESMTP\r\n")))
      const error = yield* failure(connect(peer.address))
      assert.strictEqual(tagOf(error), "HandshakeError NotTls")
    })))

  it.live("a peer that says nothing: TimedOut, and reset", () =>
    bounded(Effect.gen(function*() {
      const peer = yield* Raw.listen()
      const fiber = yield* Effect.forkChild(failure(connect(peer.address, { handshakeTimeout: "50 millis" })))
      const { ended } = yield* peer.next
      const error = yield* Fiber.join(fiber)
      assert(error.reason._tag === "TimedOut")
      assert.strictEqual(
        error.message.replace(/with \S+:/, "with it:"),
        "cannot secure the connection with it: timed out after 50 ms, waiting for the TLS handshake"
      )
      assert.strictEqual(yield* ended, "ECONNRESET")
    })))

  it.live("a client that says nothing to a TLS port keeps nobody else waiting", () =>
    bounded(Effect.gen(function*() {
      const { address, listener, shed } = yield* listen({ identity: server, handshakeTimeout: "300 millis" })
      yield* Raw.connect(address)
      yield* connect(address)
      yield* listener.accept
      assert.strictEqual((yield* shed).error.reason._tag, "TimedOut")
    })))

  for (const how of ["end", "reset"] as const) {
    it.live(`a peer that goes in the middle of it (${how})`, () =>
      bounded(Effect.gen(function*() {
        const peer = yield* Raw.listen()
        const fiber = yield* Effect.forkChild(failure(connect(peer.address)))
        const accepted = yield* peer.next
        yield* accepted.receivedBytes(10)
        yield* accepted[how]
        const error = yield* Fiber.join(fiber)
        assert.strictEqual(
          tagOf(error),
          how === "end" ? "HandshakeError HandshakeAborted" : "HandshakeError ConnectionReset"
        )
        assert.strictEqual(error.retry, "after-backoff")
      })))
  }

  it.live("options that cannot work are told when listening, and by the handshake", () =>
    bounded(Effect.gen(function*() {
      const bad: Record<string, Tls.ServerOptions> = {
        "no certificate": { identity: { certificate: "nonsense", key: server.key } },
        "another's key": { identity: { certificate: server.certificate, key: other.key } },
        "no such cipher": { identity: server, ciphers: "NONE-SUCH" },
        "a bad name's": { identity: server, names: { "a.example": { certificate: "", key: "" } } }
      }
      for (const tls of Object.values(bad)) {
        const error = yield* failure(Transport.listen(anyPort, { tls }))
        assert.strictEqual(tagOf(error), "ListenError InvalidTls")
        assert.strictEqual(error.retry, "never")
      }
      const { address } = yield* listen()
      const error = yield* failure(connect(address, { identity: { certificate: server.certificate, key: other.key } }))
      assert.strictEqual(tagOf(error), "HandshakeError InvalidTls")
    })))

  it.live("none of it leaves a descriptor", () =>
    bounded(Effect.gen(function*() {
      const before = descriptors()
      yield* Effect.scoped(Effect.gen(function*() {
        const { address, shed } = yield* listen({ identity: stranger })
        for (let i = 0; i < 20; i++) {
          yield* Effect.scoped(failure(connect(address)))
          yield* shed
          const peer = yield* Raw.connect(address)
          yield* peer.write("nonsense, and more of it\r\n")
          yield* shed
        }
      }))
      yield* eventually(() => descriptors() <= before)
    })))
})

describe("upgradeTls", () => {
  const plain = Effect.gen(function*() {
    const listener = yield* Transport.listen(anyPort, { linger: 0 })
    const client = yield* Transport.connect(named(listener.address), { family: 4, linger: 0 })
    const its = yield* listener.accept
    return { client, its }
  })

  it.live("in place, both sides, after some plaintext", () =>
    bounded(Effect.gen(function*() {
      const { client, its } = yield* plain
      yield* client.send(bytes("STARTTLS\r\n"))
      assert.strictEqual(yield* received(its), "STARTTLS\r\n")
      // Not awaited: it is plaintext, and goes out first all the same.
      yield* Effect.forkChild(its.send(bytes("220 go on\r\n")), { startImmediately: true })
      const [session] = yield* Effect.all([
        its.upgradeTls({ server: { identity: server } }),
        Effect.andThen(received(client), client.upgradeTls({ client: { ca } }))
      ], { concurrency: "unbounded" })
      assert.strictEqual(session.version, "TLSv1.3")
      assert.strictEqual(session.serverName, "localhost")
      yield* client.send(bytes("secret"))
      assert.strictEqual(yield* received(its), "secret")
      assert.deepStrictEqual(yield* client.traffic, { received: 11, sent: 16, waiting: 0 })
      assert.deepStrictEqual(yield* its.traffic, { received: 16, sent: 11, waiting: 0 })
      yield* Effect.forkChild(its.close({ linger: "2 seconds" }))
      assert.strictEqual(yield* received(client), "end")
    })))

  it.live("plaintext that waits is refused, on either side: STARTTLS injection", () =>
    bounded(Effect.gen(function*() {
      for (const side of ["client", "its"] as const) {
        const both = yield* plain
        const [to, from] = side === "client" ? [both.client, both.its] : [both.its, both.client]
        yield* from.send(bytes("line"))
        yield* received(to)
        yield* from.send(bytes("injected"))
        // It has come, and nobody has received it.
        yield* eventually(() => Effect.runSync(to.traffic).received === 12)
        const error = yield* failure(
          to.upgradeTls(side === "client" ? { client: { ca } } : { server: { identity: server } })
        )
        assert(error.reason._tag === "PlaintextWaiting")
        assert.strictEqual(error.reason.bytes, 8)
        const end = yield* received(from)
        assert(typeof end !== "string")
        assert.strictEqual(end.reason._tag, "ConnectionReset")
        const reason = yield* to.closed
        assert(reason._tag === "Failed")
        assert.strictEqual(reason.error, error)
      }
    })))

  it.live("what was received before can belong to the handshake: a PROXY header before TLS", () =>
    bounded(Effect.gen(function*() {
      const header = "PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\r\n"
      const listener = yield* Transport.listen(anyPort, { linger: 0 })
      const peer = yield* Raw.connect(listener.address, { reads: false })
      const its = yield* listener.accept
      peer.socket.write(header)
      const client = NodeTls.connect({ socket: peer.socket, ca, servername: "localhost" })
      client.write("hello")
      client.on("error", () => {})
      // The header and the ClientHello, whole or in part.
      const early = yield* receiveBytes(its, header.length + 1)
      assert.strictEqual(early.subarray(0, header.length).toString(), header)
      yield* its.upgradeTls({ server: { identity: server }, received: [early.subarray(header.length)] })
      assert.strictEqual(yield* received(its), "hello")
    })))

  it.live("bytes of a handshake that fails are nothing to receive", () =>
    bounded(Effect.gen(function*() {
      for (const how of ["fails", "is aborted"]) {
        const { client, its } = yield* plain
        yield* client.send(bytes("header"))
        yield* received(its)
        const identity = how === "fails" ? { certificate: server.certificate, key: other.key } : server
        const upgrade = its.upgradeTls({ server: { identity }, received: [bytes("of the handshake")] })
        const fiber = yield* Effect.forkChild(failure(upgrade), { startImmediately: true })
        yield* its.abort
        const { text } = yield* receiveAll(its)
        assert.strictEqual(text, "", how)
        yield* Fiber.join(fiber)
      }
    })))

  it.live("a send, a shutdown and a receive in the meantime wait for the end of the handshake", () =>
    bounded(Effect.gen(function*() {
      const { client, its } = yield* plain
      const secured = yield* Effect.forkChild(client.upgradeTls({ client: { ca } }))
      const receiving = yield* Effect.forkChild(receiveAll(client))
      const sending = yield* Effect.forkChild(Effect.andThen(client.send(bytes("secret")), client.shutdownWrite))
      yield* Effect.yieldNow
      assert.strictEqual((yield* client.state)._tag, "Handshaking")
      assert.isUndefined(sending.pollUnsafe())
      yield* its.upgradeTls({ server: { identity: server } })
      assert.deepStrictEqual(yield* receiveAll(its), { text: "secret", end: "end" })
      yield* its.send(bytes("answer"))
      yield* its.shutdownWrite
      assert.deepStrictEqual(yield* Fiber.join(receiving), { text: "answer", end: "end" })
      yield* Fiber.join(secured)
      yield* Fiber.join(sending)
    })))

  it.live("interrupted: the connection is over at once", () =>
    bounded(Effect.gen(function*() {
      const { client, its } = yield* plain
      const fiber = yield* Effect.forkChild(client.upgradeTls({ client: { ca } }))
      const sending = yield* Effect.forkChild(failure(client.send(bytes("x"))))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* client.closed, { _tag: "Aborted" })
      assert.strictEqual(tagOf(yield* Fiber.join(sending)), "SendError ConnectionClosed")
      const end = yield* receiveAll(its)
      assert.strictEqual(end.end, "ConnectionReset")
    })))

  for (const how of ["close", "abort"] as const) {
    it.live(`${how} in the middle of it ends it`, () =>
      bounded(Effect.gen(function*() {
        const { client } = yield* plain
        const fiber = yield* Effect.forkChild(failure(client.upgradeTls({ client: { ca } })))
        yield* Effect.yieldNow
        assert.deepStrictEqual(yield* how === "close" ? client.close() : client.abort, { _tag: "Aborted" })
        assert.strictEqual(tagOf(yield* Fiber.join(fiber)), "HandshakeError ConnectionClosed")
      })))
  }

  it.live("the scope closes in the middle of it", () =>
    bounded(Effect.gen(function*() {
      const listener = yield* Transport.listen(anyPort, { linger: 0 })
      const scope = Scope.makeUnsafe()
      const client = yield* Scope.provide(Transport.connect(listener.address), scope)
      yield* listener.accept
      const fiber = yield* Effect.forkChild(failure(client.upgradeTls({ client: { ca } })))
      yield* Effect.yieldNow
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(tagOf(yield* Fiber.join(fiber)), "HandshakeError ConnectionClosed")
    })))

  it.live("twice, half-closed or closed: refused", () =>
    bounded(Effect.gen(function*() {
      const { dialled } = yield* pair()
      const upgrade = (it: Connection.Connection) => Effect.map(failure(it.upgradeTls({ client: { ca } })), tagOf)
      assert.strictEqual(yield* upgrade(dialled), "HandshakeError InvalidTls")
      // It is as it was.
      assert.strictEqual((yield* dialled.state)._tag, "Open")
      const { client } = yield* plain
      yield* client.shutdownWrite
      assert.strictEqual(yield* upgrade(client), "HandshakeError InvalidTls")
      yield* client.abort
      assert.strictEqual(yield* upgrade(client), "HandshakeError ConnectionClosed")
    })))

  it.live("a transport without TLS says so", () =>
    Effect.gen(function*() {
      const address = { host: "a.example", port: 1 }
      const refused = yield* failure(Transport.listen(address, { tls: { identity: server } }))
      assert.strictEqual(tagOf(refused), "ListenError InvalidTls")
      yield* Transport.listen(address)
      const error = yield* failure(Transport.connect(address, { tls: {} }))
      assert.strictEqual(tagOf(error), "ConnectError InvalidTls")
      const plain = yield* Transport.connect(address, { linger: 0 })
      assert.strictEqual(tagOf(yield* failure(plain.upgradeTls({ client: {} }))), "HandshakeError InvalidTls")
    }).pipe(Effect.scoped, Effect.provide(MemoryTransport.layer())))
})

describe("a TLS listener", () => {
  it.live("deferTls gives connections as they come, for a handshake after what stands before it", () =>
    bounded(Effect.gen(function*() {
      const tls: Tls.ServerOptions = { identity: server }
      const { listener } = yield* listen(tls, { deferTls: true })
      const dialled = yield* Transport.connect(listener.address, { linger: 0 })
      const accepted = yield* listener.accept
      yield* dialled.send(bytes("first"))
      assert.strictEqual(yield* received(accepted), "first")
      yield* Effect.all([
        accepted.upgradeTls({ server: tls }),
        dialled.upgradeTls({ client: { ca, serverName: "localhost" } })
      ], { concurrency: 2 })
      yield* accepted.send(bytes("secured"))
      assert.strictEqual(yield* received(dialled), "secured")
    })))

  it.live("deferTls refuses at once what no handshake can work with", () =>
    bounded(Effect.gen(function*() {
      const bad = { identity: { certificate: "no certificate", key: "no key" } }
      const error = yield* Effect.flip(Transport.listen(anyPort, { tls: bad, deferTls: true }))
      assert.strictEqual(error.reason._tag, "InvalidTls")
    })))

  it.live("drain waits for the handshakes that have begun, and hands out who was secured", () =>
    bounded(Effect.gen(function*() {
      const { address, listener } = yield* listen()
      // In the middle of its handshake when the drain begins.
      const client = yield* bare(address)
      yield* eventually(() => Effect.runSync(listener.counters).accepted === 1)
      yield* listener.drain
      const accepted = yield* listener.accept
      client.write("hello")
      assert.strictEqual(yield* received(accepted), "hello")
      assert.strictEqual((yield* Effect.exit(listener.accept))._tag, "Failure")
    })))

  it.live("more handshakes than the backlog are reset, told of and counted", () =>
    bounded(Effect.gen(function*() {
      const seen: Array<string> = []
      const listener = yield* Transport.listen(anyPort, {
        linger: 0,
        backlog: 1,
        tls: { identity: server },
        onShed: ({ reason }) => seen.push(reason)
      })
      // It says nothing.
      const slow = yield* Raw.connect(listener.address)
      yield* eventually(() => Effect.runSync(listener.counters).accepted === 1)
      const second = yield* Raw.connect(listener.address)
      assert.strictEqual(yield* second.ended, "ECONNRESET")
      assert.deepStrictEqual(seen, ["backlog"])
      slow.socket.destroy()
      yield* eventually(() => seen.length === 2)
      assert.deepStrictEqual(seen, ["backlog", "handshake"])
      assert.deepStrictEqual(yield* listener.counters, { accepted: 0, shed: 2 })
      // There is room again.
      yield* connect(listener.address)
      yield* listener.accept
    })))

  it.live("its scope ends: whoever was secured and not accepted is reset, and nothing is left", () =>
    bounded(Effect.gen(function*() {
      const before = descriptors()
      const scope = Scope.makeUnsafe()
      const { address } = yield* Scope.provide(listen(), scope)
      const dialled = yield* connect(address)
      const half = yield* Raw.connect(address)
      yield* dialled.send(bytes("x"))
      yield* Scope.close(scope, Exit.void)
      const { end } = yield* receiveAll(dialled)
      assert.strictEqual(end, "ConnectionReset")
      assert.strictEqual(yield* half.ended, "ECONNRESET")
      yield* dialled.close()
      half.socket.destroy()
      yield* eventually(() => descriptors() <= before)
    })))
})

describe("certificates that are renewed", () => {
  const subjectOf = (address: Address.Address, tls: Tls.ClientOptions = {}) =>
    Effect.scoped(Effect.flatMap(
      connect(address, { verify: false, ...tls }),
      (dialled) => Effect.map(dialled.tls, (session) => session?.peer?.subject)
    ))

  /** A listener that takes its options from a box, and what it says of those it refuses. */
  const renewing = (first: Tls.ServerOptions) =>
    Effect.gen(function*() {
      const box = { tls: first }
      const refused: Array<string> = []
      const failures: Array<string> = []
      const listener = yield* Transport.listen(anyPort, {
        linger: 0,
        tls: Effect.sync(() => box.tls),
        onTlsRefused: (reason) => refused.push(reason._tag),
        onShed: (event) => failures.push(event.reason === "handshake" ? tagOf(event.error) : event.reason)
      })
      yield* Effect.forkScoped(Effect.forever(Effect.scoped(listener.accept)))
      return { address: listener.address, box, refused, failures }
    })

  it.live("hold from the next connection on; who is there stays, the port is never closed", () =>
    bounded(Effect.gen(function*() {
      const box = { tls: { identity: server } }
      const listener = yield* Transport.listen(anyPort, { linger: 0, tls: Effect.sync(() => box.tls) })
      const before = yield* connect(listener.address)
      const accepted = yield* listener.accept
      box.tls = { identity: other }
      const after = yield* connect(listener.address, { serverName: "other.example" })
      assert.strictEqual((yield* after.tls)?.peer?.subject, "CN=other.example")
      yield* before.send(bytes("still here"))
      assert.strictEqual(yield* received(accepted), "still here")
    })))

  it.live("with their names (SNI)", () =>
    bounded(Effect.gen(function*() {
      const { address, box } = yield* renewing({ identity: server })
      assert.strictEqual(yield* subjectOf(address, { serverName: "other.example" }), "CN=localhost")
      box.tls = { identity: server, names: { "other.example": other } }
      assert.strictEqual(yield* subjectOf(address, { serverName: "other.example" }), "CN=other.example")
      assert.strictEqual(yield* subjectOf(address), "CN=localhost")
    })))

  it.live("those that cannot work are told of once, and replace none that can", () =>
    bounded(Effect.gen(function*() {
      const { address, box, failures, refused } = yield* renewing({ identity: server })
      box.tls = { identity: { certificate: other.certificate, key: server.key } }
      for (let i = 0; i < 3; i++) assert.strictEqual(yield* subjectOf(address), "CN=localhost")
      assert.deepStrictEqual(refused, ["InvalidTls"])
      box.tls = { identity: server, names: { "other.example": { certificate: "", key: "" } } }
      assert.strictEqual(yield* subjectOf(address), "CN=localhost")
      assert.deepStrictEqual(refused, ["InvalidTls", "InvalidTls"])
      box.tls = { identity: other }
      assert.strictEqual(yield* subjectOf(address), "CN=other.example")
      assert.deepStrictEqual(failures, [])
    })))

  it.live("are asked for when it listens: those that cannot work then are refused", () =>
    bounded(Effect.gen(function*() {
      const tls = Effect.succeed({ identity: { certificate: other.certificate, key: server.key } })
      const error = yield* failure(Transport.listen(anyPort, { tls }))
      assert.strictEqual(tagOf(error), "ListenError InvalidTls")
    })))

  it.live("an effect that dies costs that connection, is told of, and leaves no descriptor", () =>
    bounded(Effect.gen(function*() {
      let dies = false
      const failures: Array<string> = []
      const listener = yield* Transport.listen(anyPort, {
        linger: 0,
        tls: Effect.sync(() => {
          if (dies) throw new Error("no file")
          return { identity: server }
        }),
        onShed: (event) => event.reason === "handshake" && failures.push(event.error.reason.message)
      })
      yield* Effect.scoped(connect(listener.address))
      dies = true
      const before = descriptors()
      for (let i = 0; i < 3; i++) yield* failure(Effect.scoped(connect(listener.address)))
      yield* eventually(() => failures.length === 3 && descriptors() <= before)
      assert.include(failures[0], "no file")
      dies = false
      assert.strictEqual(yield* subjectOf(listener.address), "CN=localhost")
    })))
})
