// The proxy that invented the PROXY protocol, in front of our servers: it says whose connections it forwards, checks their
// health, and takes the next one where one stops.
import { assert, describe, it } from "@effect/vitest"
import type { Connection } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Codec, Lines, Protocol, type ProxyHeader } from "@framewire/framing"
import { ProxyProtocol, Server } from "@framewire/server"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeTls from "node:tls"
import * as Certificates from "../support/Certificates.ts"
import * as Peer from "../support/Peer.ts"
import * as Process from "../support/Process.ts"
import * as Socket from "../support/Socket.ts"

const lines = Protocol.symmetric(Codec.text(Lines.make()))

/** HAProxy on a port of 127.0.0.1, in front of these servers. */
const proxy = (servers: ReadonlyArray<string>, backend = "") =>
  Effect.gen(function*() {
    const port = yield* Effect.scoped(Socket.listen(() => {}))
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "framewire-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true }))
    )
    const configuration = join(folder, "haproxy.cfg")
    const text = `
      global
        log stdout format raw local0 info
      defaults
        mode tcp
        log global
        option redispatch 1
        retries 3
        timeout connect 2s
        timeout client 10s
        timeout server 10s
      frontend front
        bind 127.0.0.1:${port}
        default_backend back
      backend back
        ${backend}
        ${servers.map((server, index) => `server s${index} ${server}`).join("\n        ")}
    `
    // HAProxy takes no last line without its end.
    yield* Effect.sync(() => writeFileSync(configuration, `${text}\n`))
    const child = yield* Process.start("haproxy", ["-db", "-f", configuration])
    // It does not say when it listens.
    const connect = Effect.retry(Socket.connect(port), { schedule: Schedule.spaced("20 millis"), times: 500 })
    return { ...child, port, connect }
  })

const ways = ["ServerOptions.proxy", "ProxyProtocol.accept"] as const

/** Echoes lines behind a header, and tells of each connection whose it is. */
const serve = (way: typeof ways[number], options: Partial<ProxyProtocol.AcceptOptions> = {}) =>
  Effect.gen(function*() {
    const seen = yield* Queue.unbounded<Pick<ProxyProtocol.Proxied, "remote" | "tls" | "proxy" | "header">>()
    const where = { address: { host: "127.0.0.1", port: 0 }, drainDeadline: "2 seconds" } as const
    const { tls, ...proxy } = { trusted: ["127.0.0.0/8"], tls: undefined, ...options }
    const echo = (connection: Connection.Connection, { header, proxy }: ProxyProtocol.Forwarding) => {
      Queue.offerUnsafe(seen, { remote: connection.remote, tls: connection.tls, header, proxy })
      return Server.respond(lines, Effect.succeed<string>)(connection)
    }
    const server = yield* way === "ProxyProtocol.accept"
      ? Server.make(
        where,
        ProxyProtocol.accept({ ...proxy, tls })((connection) => echo(connection, connection))
      )
      : Server.make({ ...where, proxy, tls }, (connection) =>
        Effect.flatMap(ProxyProtocol.Current, (forwarding) =>
          forwarding === undefined ? Effect.die("no header was read") : echo(connection, forwarding)))
    const address = "port" in server.address ? `127.0.0.1:${server.address.port}` : ""
    return { server, address, next: Queue.take(seen) }
  })

const onSockets = Effect.provide(NodeTransport.layer)

const haproxy = Peer.haproxy()

it.skipIf(haproxy.skipped)("HAProxy is here", () => assert.isUndefined(haproxy.problem))

describe.skipIf(haproxy.skipped).each(ways)(`HAProxy, %s${haproxy.note}`, (way) => {
  const headers: ReadonlyArray<readonly [options: string, header: Partial<ProxyHeader.Inet>]> = [
    ["send-proxy", { version: 1, command: "proxy", family: "ipv4" }],
    ["send-proxy-v2", { version: 2, command: "proxy", family: "ipv4", transport: "stream" }],
    ["send-proxy-v2 proxy-v2-options crc32c,unique-id", { version: 2, command: "proxy", family: "ipv4" }]
  ]
  it.live.each(headers)("%s: the handler sees the client, not the proxy", ([how, header]) =>
    Effect.gen(function*() {
      const { address, next } = yield* serve(way)
      const { connect, port } = yield* proxy([`${address} ${how}`])
      const client = yield* connect
      yield* client.write("hello\n")
      assert.strictEqual(yield* client.received(6), "hello\n")
      const connection = yield* next
      assert.deepStrictEqual(connection.remote, { host: "127.0.0.1", port: client.localPort })
      assert.notDeepEqual(connection.proxy, connection.remote)
      assert.deepInclude(connection.header, { ...header, destination: { host: "127.0.0.1", port } })
      const types = "tlvs" in connection.header ? connection.header.tlvs.map(({ type }) => type) : []
      if (how.includes("crc32c")) assert.include(types, "crc32c")
      yield* client.end
      assert.deepStrictEqual(yield* client.ended, { text: "hello\n", by: "FIN" })
    }).pipe(onSockets))

  it.live("a server that trusts nobody here resets, and HAProxy ends the client", () =>
    Effect.gen(function*() {
      const { address } = yield* serve(way, { trusted: ["10.0.0.0/8"] })
      const { connect } = yield* proxy([`${address} send-proxy-v2`])
      const client = yield* connect
      yield* client.write("hello\n")
      assert.strictEqual((yield* client.ended).text, "")
    }).pipe(onSockets))

  it.live("its health check is LOCAL, and is answered like a client", () =>
    Effect.gen(function*() {
      const { address, next } = yield* serve(way)
      const check = `
        option tcp-check
        tcp-check connect send-proxy
        tcp-check send "PING\\n"
        tcp-check expect string PING`
      const { printed } = yield* proxy([`${address} send-proxy-v2 check inter 100ms rise 1 fall 1`], check)
      for (let i = 0; i < 3; i++) {
        const connection = yield* next
        assert.deepStrictEqual(connection.header, { version: 2, command: "local" })
        assert.deepStrictEqual(connection.remote, connection.proxy)
      }
      assert.strictEqual(yield* Effect.raceFirst(Effect.as(printed(/is DOWN/), "down"), Effect.as(next, "up")), "up")
    }).pipe(onSockets))

  it.live("TLS goes through it, behind the header, to the server", () =>
    Effect.gen(function*() {
      const { address, next } = yield* serve(way, { tls: { identity: Certificates.server } })
      const { connect, port } = yield* proxy([`${address} send-proxy-v2`])
      // Plaintext: the handshake fails, and HAProxy is there.
      const probe = yield* connect
      yield* probe.write("hello\n")
      yield* probe.ended
      const client = yield* Effect.acquireRelease(
        Effect.callback<NodeTls.TLSSocket, string>((resume) => {
          const socket = NodeTls.connect({ host: "127.0.0.1", port, ca: Certificates.ca })
          socket.on("error", (error) => resume(Effect.fail(error.message)))
          socket.once("secureConnect", () => resume(Effect.succeed(socket)))
        }),
        (socket) => Effect.sync(() => socket.destroy())
      )
      client.write("hello\n")
      const answer = yield* Effect.callback<string>((resume) => {
        client.once("data", (chunk) => resume(Effect.succeed(String(chunk))))
      })
      assert.strictEqual(answer, "hello\n")
      const connection = yield* next
      assert.deepStrictEqual(connection.remote, { host: "127.0.0.1", port: client.localPort! })
      assert.strictEqual((yield* connection.tls)?.version, "TLSv1.3")
    }).pipe(onSockets))

  it.live("a server that stops hands over to the next: who is there is answered, who comes is not refused", () =>
    Effect.gen(function*() {
      const first = yield* serve(way)
      const second = yield* serve(way)
      const { connect, printed } = yield* proxy([
        `${first.address} send-proxy-v2 check inter 100ms fall 1`,
        `${second.address} send-proxy-v2 backup`
      ])
      const before = yield* connect
      yield* before.write("before\n")
      assert.strictEqual(yield* before.received(7), "before\n")
      const stopping = yield* Effect.forkChild(first.server.stop)
      assert.deepStrictEqual(yield* before.ended, { text: "before\n", by: "FIN" })
      yield* before.end
      const report = yield* Fiber.join(stopping)
      assert.deepStrictEqual([report.reset, report.finished >= 1], [0, true])
      // Also before its next check HAProxy tries another one.
      for (let i = 0; i < 20; i++) {
        const client = yield* connect
        yield* client.write("after\n")
        assert.strictEqual(yield* client.received(6), "after\n")
        yield* second.next
      }
      yield* printed(/Server back\/s0 is DOWN/)
    }).pipe(onSockets))
})
