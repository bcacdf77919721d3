// TLS on real sockets, alone and behind a PROXY header; the server is made of core and framing alone.
import { assert, describe, it } from "@effect/vitest"
import { Client, Reconnect } from "@framewire/client"
import { type Connection, type Listener, type Tls, Transport } from "@framewire/core"
import { Framed, ProxyHeader } from "@framewire/framing"
import * as Effect from "effect/Effect"
import * as Certificates from "../../../tests/support/Certificates.ts"
import { bounded, lines } from "./support/index.ts"

const identity: Tls.ServerOptions = { identity: Certificates.server }
const tls: Tls.ClientOptions = { ca: Certificates.ca, serverName: "localhost" }

/** Serves each connection for as long as the scope is open. */
const each = <E>(
  listener: Listener.Listener,
  serve: (connection: Connection.Connection) => Effect.Effect<unknown, E>
) =>
  Effect.forkScoped(
    Effect.forever(Effect.flatMap(listener.accept, (connection) => Effect.forkScoped(Effect.ignore(serve(connection)))))
  )

const echo = (framed: Framed.Framed<string, string>) => Effect.forever(Effect.flatMap(framed.receive, framed.send))

/** Reads a header from each connection, then its handshake if it has one, and echoes lines. */
const proxied = (isSecure: boolean) =>
  Effect.gen(function*() {
    const headers: Array<ProxyHeader.ProxyHeader> = []
    const listener = yield* Transport.listen({ host: "127.0.0.1", port: 0 }, { linger: 0 })
    yield* each(listener, (connection) =>
      Effect.gen(function*() {
        const framed = Framed.make(connection, ProxyHeader.make())
        headers.push(yield* framed.receive)
        if (isSecure) yield* framed.upgradeTls({ server: identity, received: [] })
        return yield* echo(yield* framed.switchTo(lines.server))
      }))
    return { address: listener.address, headers }
  })

const header = (version: 1 | 2): ProxyHeader.ProxyHeader => ({
  version,
  command: "proxy",
  family: "ipv4",
  transport: "stream",
  source: { host: "203.0.113.7", port: 4711 },
  destination: { host: "198.51.100.1", port: 443 },
  tlvs: []
})

describe("ClientOptions.tls", () => {
  it.live("requests are inside, and a server that nobody knows gets none", () =>
    bounded(Effect.gen(function*() {
      const listener = yield* Transport.listen({ host: "127.0.0.1", port: 0 }, { linger: 0, tls: identity })
      yield* each(listener, (connection) => echo(Framed.make(connection, lines.server)))
      const client = yield* Client.connect(lines, listener.address, { tls })
      assert.strictEqual(yield* client.request("secret"), "secret")
      const kept = yield* Reconnect.make(lines, listener.address, { tls, queue: true })
      assert.strictEqual(yield* kept.request("again"), "again")
      const error = yield* Effect.flip(Client.connect(lines, listener.address, { tls: { serverName: "localhost" } }))
      assert.strictEqual(error._tag, "HandshakeError")
    })))
})

describe("ClientOptions.proxyHeader", () => {
  for (const version of [1, 2] as const) {
    for (const isSecure of [false, true]) {
      it.live(`version ${version} is before ${isSecure ? "the handshake" : "requests"}, on each line`, () =>
        bounded(Effect.gen(function*() {
          const { address, headers } = yield* proxied(isSecure)
          const options = { proxyHeader: header(version), ...isSecure ? { tls } : {} }
          const client = yield* Client.connect(lines, address, options)
          assert.strictEqual(yield* client.request("a"), "a")
          const kept = yield* Reconnect.make(lines, address, { ...options, queue: true })
          assert.strictEqual(yield* kept.request("b"), "b")
          assert.deepStrictEqual(headers, [header(version), header(version)])
        })))
    }
  }

  it.live("the name that was connected to has to be certified, as without a header", () =>
    bounded(Effect.gen(function*() {
      const { address } = yield* proxied(true)
      const port = "port" in address ? address.port : 0
      const trust = { proxyHeader: header(2), tls: { ca: Certificates.ca } }
      const client = yield* Client.connect(lines, { host: "localhost", port }, { ...trust, family: 4 })
      assert.strictEqual(yield* client.request("a"), "a")
      const error = yield* Effect.flip(
        Client.connect(lines, address, { ...trust, tls: { ...trust.tls, serverName: "other.example" } })
      )
      assert.strictEqual(error._tag, "HandshakeError")
    })))

  it.live("one that cannot be written is refused once and for all", () =>
    bounded(Effect.gen(function*() {
      const { address } = yield* proxied(false)
      const proxyHeader: ProxyHeader.ProxyHeader = {
        version: 2,
        command: "proxy",
        family: "unix",
        transport: "stream",
        source: { path: "x".repeat(200) },
        destination: { path: "/a" },
        tlvs: []
      }
      const error = yield* Effect.flip(Client.connect(lines, address, { proxyHeader }))
      assert(error._tag === "ConnectError")
      assert.strictEqual(error.retry, "never")
      const kept = yield* Reconnect.make(lines, address, { proxyHeader })
      assert.strictEqual((yield* kept.closed)._tag, "Failed")
    })))
})
