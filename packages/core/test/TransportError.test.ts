import { assert, describe, it } from "@effect/vitest"
import { Address, Transport, type TransportError, TransportReason } from "@framewire/core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import dns from "node:dns"
import { mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { anyPort, Blocked, bounded, dialled, failure, Raw, turn } from "./support/index.ts"

type Tag = TransportReason.TransportReason["_tag"]
interface Expected {
  readonly reason: Tag
  readonly code: string | undefined
  readonly retry: TransportReason.Retry
}

const told = (error: TransportError.TransportError): Expected => ({
  reason: error.reason._tag,
  code: error.code,
  retry: error.retry
})

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "framewire-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

/** A path that leads to itself: the kernel says ELOOP, which is in no table of ours. */
const loop = Effect.map(directory, (path) => {
  symlinkSync("loop", join(path, "loop"))
  return { path: join(path, "loop", "socket") }
})

/** A name with these addresses. */
const resolved = (name: string, ...hosts: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { lookup } = dns
      const fake = (asked: string, options: unknown, callback: (...result: ReadonlyArray<unknown>) => void) =>
        asked === name
          ? process.nextTick(callback, null, hosts.map((address) => ({ address, family: 4 })))
          : Reflect.apply(lookup, dns, [asked, options, callback])
      Object.assign(dns, { lookup: fake })
      return lookup
    }),
    (lookup) => Effect.sync(() => Object.assign(dns, { lookup }))
  )

const at = (path: string): Address.Address => ({ path })
const tcp = (host: string, port: number): Address.Address => ({ host, port })

describe("ListenError", () => {
  const inUse = Effect.map(Effect.orDie(Transport.listen(anyPort)), ({ address }) => address)
  const table: Record<
    string,
    readonly [
      Effect.Effect<Address.Address, never, Scope.Scope | Transport.Transport>,
      Expected
    ]
  > = {
    "a port that is taken": [inUse, { reason: "AddressInUse", code: "EADDRINUSE", retry: "never" }],
    "a path that is taken": [
      Effect.map(directory, at),
      { reason: "AddressInUse", code: "EADDRINUSE", retry: "never" }
    ],
    "an address of another host": [
      Effect.succeed(tcp("192.0.2.1", 0)),
      { reason: "AddressNotAvailable", code: "EADDRNOTAVAIL", retry: "after-backoff" }
    ],
    // libuv says EACCES for a directory that is missing; a privileged port would need another user than CI's root.
    "a path in a directory that is missing": [
      Effect.map(directory, (path) => at(join(path, "missing", "socket"))),
      { reason: "PermissionDenied", code: "EACCES", retry: "never" }
    ],
    "a path through a file": [
      Effect.succeed(at(join(import.meta.filename, "socket"))),
      { reason: "InvalidAddress", code: "ENOTDIR", retry: "never" }
    ],
    "a port that is too large": [
      Effect.succeed(tcp("127.0.0.1", 70_000)),
      { reason: "InvalidAddress", code: undefined, retry: "never" }
    ],
    "a host that is empty: node:net would listen everywhere": [
      Effect.succeed(tcp("", 0)),
      { reason: "InvalidAddress", code: undefined, retry: "never" }
    ],
    "a host with a NUL: node:net would throw": [
      Effect.succeed(tcp("127.0.0.1\0", 0)),
      { reason: "InvalidAddress", code: undefined, retry: "never" }
    ],
    "a path that is too long": [
      Effect.succeed(at(`/tmp/${"x".repeat(200)}`)),
      { reason: "InvalidAddress", code: undefined, retry: "never" }
    ],
    "a path that is empty": [
      Effect.succeed(at("")),
      { reason: "InvalidAddress", code: undefined, retry: "never" }
    ],
    "a path that leads to itself": [loop, { reason: "Unknown", code: "ELOOP", retry: "never" }]
  }
  for (const [name, [address, expected]] of Object.entries(table)) {
    it.live(`${name}: ${expected.reason}`, () =>
      bounded(Effect.gen(function*() {
        const local = yield* address
        const error = yield* failure(Transport.listen(local))
        assert.strictEqual(error._tag, "ListenError")
        assert.deepStrictEqual(told(error), expected)
        assert.deepStrictEqual(error.local, local)
        assert.include(error.message, `cannot listen on ${Address.format(local)}: `)
      })))
  }

  it.live("the refusals say what is allowed", () =>
    bounded(Effect.gen(function*() {
      const port = yield* failure(Transport.listen(tcp("127.0.0.1", 70_000)))
      assert.include(port.message, "port 70000, 0 to 65535 are allowed")
      const path = yield* failure(Transport.listen(at("é".repeat(100))))
      assert.include(path.message, "the path has 200 bytes, 1 to 107 are allowed")
    })), process.platform === "linux" ? {} : { skip: true })
})

describe("ConnectError", () => {
  const nobody = Effect.map(Raw.freePort, (port) => tcp("127.0.0.1", port))
  const table: Record<string, readonly [Effect.Effect<Address.Address, never, Scope.Scope>, Expected]> = {
    "a port where nobody listens": [
      nobody,
      { reason: "ConnectionRefused", code: "ECONNREFUSED", retry: "after-backoff" }
    ],
    "a path that is missing": [
      Effect.map(directory, (path) => at(join(path, "socket"))),
      { reason: "ConnectionRefused", code: "ENOENT", retry: "after-backoff" }
    ],
    "a path that is no socket": [
      Effect.succeed(at(import.meta.filename)),
      { reason: "ConnectionRefused", code: "ECONNREFUSED", retry: "after-backoff" }
    ],
    "a path through a file": [
      Effect.succeed(at(join(import.meta.filename, "socket"))),
      { reason: "InvalidAddress", code: "ENOTDIR", retry: "never" }
    ],
    "a port that is too large": [
      Effect.succeed(tcp("127.0.0.1", -1)),
      { reason: "InvalidAddress", code: undefined, retry: "never" }
    ],
    "a host that is empty: node:net would take localhost": [
      Effect.succeed(tcp("", 80)),
      { reason: "InvalidAddress", code: undefined, retry: "never" }
    ],
    "a host with a NUL: node:net would throw": [
      Effect.succeed(tcp("a\0b", 80)),
      { reason: "InvalidAddress", code: undefined, retry: "never" }
    ],
    "a path that is too long": [
      Effect.succeed(at("x".repeat(200))),
      { reason: "InvalidAddress", code: undefined, retry: "never" }
    ],
    "a path that leads to itself": [loop, { reason: "Unknown", code: "ELOOP", retry: "never" }]
  }
  for (const [name, [address, expected]] of Object.entries(table)) {
    it.live(`${name}: ${expected.reason}`, () =>
      bounded(Effect.gen(function*() {
        const remote = yield* address
        const error = yield* failure(Transport.connect(remote))
        assert.strictEqual(error._tag, "ConnectError")
        assert.deepStrictEqual(told(error), expected)
        assert.deepStrictEqual(error.remote, remote)
        assert.include(error.message, `cannot connect to ${Address.format(remote)}: `)
        const tried = expected.code === undefined ? [] : [remote]
        assert.deepStrictEqual(error.attempts.map((attempt) => attempt.remote), tried)
      })))
  }

  it.live("localhost: ConnectionRefused, with every attempt", () =>
    bounded(Effect.gen(function*() {
      const port = yield* Raw.freePort
      const error = yield* failure(Transport.connect(tcp("localhost", port)))
      assert.deepStrictEqual(told(error), { reason: "ConnectionRefused", code: "ECONNREFUSED", retry: "after-backoff" })
      const hosts = error.attempts.map(({ remote }) => Address.isUnix(remote) ? "" : remote.host)
      assert.isNotEmpty(hosts)
      for (const host of hosts) assert.include(["127.0.0.1", "::1"], host)
    })))

  it.live("a name with several addresses: each attempt, in order, and the first one's reason", () =>
    bounded(Effect.gen(function*() {
      const port = yield* Raw.freePort
      yield* resolved("two.example", "127.0.0.1", "127.0.0.2")
      const error = yield* failure(Transport.connect(tcp("two.example", port)))
      assert.deepStrictEqual(told(error), { reason: "ConnectionRefused", code: "ECONNREFUSED", retry: "after-backoff" })
      assert.deepStrictEqual(error.remote, tcp("two.example", port))
      assert.deepStrictEqual(error.attempts.map(({ reason, remote }) => [remote, reason._tag]), [
        [tcp("127.0.0.1", port), "ConnectionRefused"],
        [tcp("127.0.0.2", port), "ConnectionRefused"]
      ])
    })))

  it.live("a name that does not exist: NameNotFound, or ResolverUnavailable without a network", () =>
    bounded(Effect.gen(function*() {
      const remote = tcp("name.invalid", 80)
      const expected = yield* Effect.callback<Expected>((resume) => {
        dns.lookup("name.invalid", (error) =>
          resume(Effect.succeed(
            error?.code === "EAI_AGAIN"
              ? { reason: "ResolverUnavailable", code: "EAI_AGAIN", retry: "after-backoff" }
              : { reason: "NameNotFound", code: "ENOTFOUND", retry: "never" }
          )))
      })
      const error = yield* failure(Transport.connect(remote))
      assert.deepStrictEqual(told(error), expected)
      assert.deepStrictEqual(error.attempts.map((attempt) => attempt.remote), [remote])
      assert.deepStrictEqual(told(yield* failure(Transport.listen(remote))), expected)
    })))

  it.live("a SYN that nobody answers: TimedOut, by our deadline", () =>
    bounded(Effect.gen(function*() {
      const remote = yield* Blocked.listener
      yield* Raw.connect(remote)
      yield* Raw.connect(remote)
      const error = yield* failure(Transport.connect(remote, { timeout: "100 millis" }))
      assert.deepStrictEqual(told(error), { reason: "TimedOut", code: undefined, retry: "after-backoff" })
      assert.include(error.message, "timed out after 100 ms")
      assert.deepStrictEqual(error.attempts.map((attempt) => attempt.remote), [remote])
    })))

  it.live("of a name one address refuses and one does not answer: both attempts are kept", () =>
    bounded(Effect.gen(function*() {
      const remote = yield* Blocked.listener
      yield* Raw.connect(remote)
      yield* Raw.connect(remote)
      yield* resolved("two.example", "127.0.0.2", "127.0.0.1")
      const error = yield* failure(Transport.connect(tcp("two.example", remote.port), { timeout: "200 millis" }))
      assert.strictEqual(error.reason._tag, "TimedOut")
      assert.deepStrictEqual(error.attempts.map(({ reason, remote }) => [remote, reason._tag]), [
        [tcp("127.0.0.2", remote.port), "ConnectionRefused"],
        [remote, "TimedOut"]
      ])
    })))

  it.live("no deadline: an endless timeout is not one that is over at once", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Raw.listen()
      // The platform's timers turn what is above 2^31 - 1 ms into 1 ms: the loop has to turn after that.
      const connecting = Transport.connect(server.address, { timeout: "Infinity", linger: 0 })
      yield* connecting
      const blocked = yield* Blocked.listener
      yield* Raw.connect(blocked)
      yield* Raw.connect(blocked)
      const ended = yield* Transport.connect(blocked, { timeout: "10000 days" }).pipe(
        Effect.timeoutOption("100 millis")
      )
      assert.strictEqual(ended._tag, "None")
    })))

  it.live("a Unix listener whose queue is full: ResourceExhausted", () =>
    bounded(Effect.gen(function*() {
      const address = at(join(yield* directory, "socket"))
      yield* Raw.listen({ at: address, backlog: 1 })
      // All in one turn of the loop, in which nobody can be accepted.
      const attempts = yield* Effect.forEach(
        Array.from({ length: 5 }),
        () => Effect.result(Transport.connect(address, { linger: 0 })),
        { concurrency: "unbounded" }
      )
      const failures = attempts.flatMap((attempt) => attempt._tag === "Failure" ? [told(attempt.failure)] : [])
      assert.isNotEmpty(failures)
      for (const each of failures) {
        assert.deepStrictEqual(each, { reason: "ResourceExhausted", code: "EAGAIN", retry: "after-backoff" })
      }
    })), process.platform === "linux" ? {} : { skip: true })
})

describe("ReceiveError", () => {
  it.live("the peer resets: ConnectionReset", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer } = yield* dialled()
      yield* Effect.forkChild(Effect.andThen(turn, peer.reset))
      const error = yield* failure(connection.receive)
      assert(error._tag === "ReceiveError")
      assert.deepStrictEqual(told(error), { reason: "ConnectionReset", code: "ECONNRESET", retry: "unsafe" })
      assert.deepStrictEqual([error.local, error.remote], [connection.local, connection.remote])
      const reason = yield* connection.closed
      assert(reason._tag === "Failed")
      assert.deepStrictEqual([reason.error._tag, told(reason.error)], ["ReceiveError", told(error)])
    })))

  it.live("our own close: ConnectionClosed, and not to be retried", () =>
    bounded(Effect.gen(function*() {
      const { connection } = yield* dialled()
      yield* connection.abort
      const error = yield* failure(connection.receive)
      assert(error._tag === "ReceiveError")
      assert.deepStrictEqual(told(error), { reason: "ConnectionClosed", code: undefined, retry: "never" })
    })))
})

describe("SendError", () => {
  it.live("the peer resets while a send waits: ConnectionReset", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer } = yield* dialled({ reads: false })
      yield* Effect.forkChild(Effect.andThen(turn, peer.reset))
      const error = yield* failure(connection.send(new Uint8Array(20_000_000)))
      assert.strictEqual(error._tag, "SendError")
      assert.deepStrictEqual(told(error), { reason: "ConnectionReset", code: "ECONNRESET", retry: "unsafe" })
      assert.deepStrictEqual([error.local, error.remote], [connection.local, connection.remote])
      const reason = yield* connection.closed
      assert(reason._tag === "Failed")
      assert.deepStrictEqual([reason.error._tag, told(reason.error)], ["SendError", told(error)])
    })))

  it.live("sending on after the peer has closed: BrokenPipe", () =>
    bounded(Effect.gen(function*() {
      const { connection, peer } = yield* dialled()
      peer.socket.destroy()
      // The first send after the FIN still succeeds, and is answered with RST.
      const error = yield* failure(Effect.forever(Effect.andThen(connection.send(new Uint8Array(1)), turn)))
      assert.deepStrictEqual(told(error), { reason: "BrokenPipe", code: "EPIPE", retry: "unsafe" })
      assert.strictEqual((yield* connection.closed)._tag, "Failed")
      assert.deepStrictEqual(told(yield* failure(connection.send(new Uint8Array(1)))), told(error))
    })))
})

describe("fromCause", () => {
  const error = (code: string) => Object.assign(new Error("text"), { code })
  const table: Record<Tag, ReadonlyArray<string>> = {
    AddressInUse: ["EADDRINUSE"],
    AddressNotAvailable: ["EADDRNOTAVAIL"],
    PermissionDenied: ["EACCES", "EPERM", "EROFS"],
    InvalidAddress: [
      "EINVAL",
      "EAFNOSUPPORT",
      "ENOTSUP",
      "EOPNOTSUPP",
      "ENAMETOOLONG",
      "ENOTDIR",
      "EPROTOTYPE",
      "ERR_INVALID_IP_ADDRESS",
      "EAI_FAMILY"
    ],
    NameNotFound: ["ENOTFOUND", "EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY", "EAI_FAIL"],
    ResolverUnavailable: ["EAI_AGAIN"],
    ResourceExhausted: ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EAI_MEMORY", "ENOSPC", "EAGAIN"],
    ConnectionRefused: ["ECONNREFUSED", "ENOENT"],
    Unreachable: ["ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "EHOSTDOWN", "ENONET", "ENOPROTOOPT"],
    TimedOut: ["ETIMEDOUT"],
    ConnectionReset: ["ECONNRESET", "ECONNABORTED", "ENOTCONN"],
    BrokenPipe: ["EPIPE"],
    WriteSideClosed: ["ERR_STREAM_WRITE_AFTER_END"],
    ConnectionClosed: ["ERR_STREAM_DESTROYED", "ERR_SOCKET_CLOSED"],
    WriteBufferExceeded: [],
    UntrustedCertificate: [
      "DEPTH_ZERO_SELF_SIGNED_CERT",
      "SELF_SIGNED_CERT_IN_CHAIN",
      "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
      "CERT_HAS_EXPIRED",
      "CERT_NOT_YET_VALID",
      "CERT_REVOKED",
      "CRL_HAS_EXPIRED",
      "INVALID_CA",
      "INVALID_PURPOSE",
      "PATH_LENGTH_EXCEEDED",
      "ERROR_IN_CERT_NOT_AFTER_FIELD"
    ],
    HostnameMismatch: ["ERR_TLS_CERT_ALTNAME_INVALID", "HOSTNAME_MISMATCH"],
    CertificateMissing: ["ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE"],
    CertificateRefused: [
      "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
      "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA",
      "ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE",
      "ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE",
      "ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED",
      "ERR_SSL_TLSV1_ALERT_ACCESS_DENIED"
    ],
    VersionMismatch: ["ERR_SSL_UNSUPPORTED_PROTOCOL", "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION"],
    CipherMismatch: ["ERR_SSL_NO_SHARED_CIPHER", "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE"],
    AlpnMismatch: ["ERR_SSL_NO_APPLICATION_PROTOCOL", "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL"],
    NotTls: ["ERR_SSL_WRONG_VERSION_NUMBER", "ERR_SSL_HTTP_REQUEST", "ERR_SSL_PACKET_LENGTH_TOO_LONG"],
    HandshakeAborted: ["ERR_SSL_UNEXPECTED_EOF_WHILE_READING"],
    TlsViolation: ["ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC", "ERR_TLS_RENEGOTIATION_DISABLED"],
    PlaintextWaiting: [],
    InvalidTls: [],
    Unknown: ["EWHATEVER", "toString"]
  }
  for (const [tag, codes] of Object.entries(table)) {
    for (const code of codes) {
      it(`${code}: ${tag}`, () => {
        const cause = error(code)
        const reason = TransportReason.fromCause(cause)
        assert.strictEqual(reason._tag, tag)
        assert.strictEqual(reason.code, code)
        assert.strictEqual(reason.cause, cause)
      })
    }
  }

  it("keeps what has no code", () => {
    for (const cause of ["text", undefined, new Error("text"), Object.assign(new Error("text"), { code: 7 })]) {
      const reason = TransportReason.fromCause(cause)
      assert.strictEqual(reason._tag, "Unknown")
      assert.strictEqual(reason.code, undefined)
      assert.strictEqual(reason.cause, cause)
    }
    assert.strictEqual(TransportReason.fromCause(new Error("text")).message, "text")
    assert.strictEqual(TransportReason.fromCause(error("E")).message, "text")
    assert.strictEqual(TransportReason.fromCause(Object.assign(new Error(), { code: "E" })).message, "unknown: E")
  })
})

describe("Effect takes them", () => {
  it.live("catchTag the operation, catchReason one cause of it", () =>
    bounded(Effect.gen(function*() {
      const remote = tcp("127.0.0.1", yield* Raw.freePort)
      const connect = Effect.as(Transport.connect(remote), "connected")
      const byTag: Effect.Effect<string, never, Scope.Scope | Transport.Transport> = Effect.catchTag(
        connect,
        "ConnectError",
        (error) => Effect.succeed(error.retry)
      )
      const byReason: Effect.Effect<
        string,
        TransportError.ConnectError,
        Scope.Scope | Transport.Transport
      > = Effect.catchReason(connect, "ConnectError", "ConnectionRefused", (reason) => Effect.succeed(reason._tag))
      assert.strictEqual(yield* byTag, "after-backoff")
      assert.strictEqual(yield* byReason, "ConnectionRefused")
      const other = Effect.catchReason(connect, "ConnectError", "TimedOut", () => Effect.succeed("caught"))
      assert.strictEqual((yield* failure(other)).reason._tag, "ConnectionRefused")
    })))
})
