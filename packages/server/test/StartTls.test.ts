import { assert, describe, it } from "@effect/vitest"
import type { Connection, TransportError } from "@framewire/core"
import { Framed } from "@framewire/framing"
import { type Handler, Server } from "@framewire/server"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as NodeTls from "node:tls"
import * as Certificates from "../../../tests/support/Certificates.ts"
import { bounded, connections, eventually, lines, options, RawClient } from "./support/index.ts"

const { ca, other, server: identity, stranger } = Certificates

type Failure = Handler.HandlerError | TransportError.HandshakeError

/** Plaintext until the client asks for TLS; what it says then is answered with the version that it came by. */
const handler = (connection: Connection.Connection): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    const plain = Framed.make(connection, lines.server)
    while ((yield* plain.receive) !== "STARTTLS") yield* plain.send("plaintext")
    yield* plain.send("READY")
    const { version } = yield* connection.upgradeTls({ server: { identity } })
    // Another Framed: what a client had said behind STARTTLS stays with the first, and is never taken as secured.
    return yield* Server.respond(lines, (line) => Effect.succeed(`${version} ${line}`))(connection)
  }).pipe(Pull.catchDone(() => Effect.void))

const upgrade = ({ socket }: RawClient.RawClient) =>
  Effect.callback<NodeTls.TLSSocket, string>((resume) => {
    socket.removeAllListeners("data")
    const secured = NodeTls.connect({ socket, ca, host: "127.0.0.1" })
    secured.on("error", (error) => resume(Effect.fail(error.message)))
    secured.once("secureConnect", () => resume(Effect.succeed(secured)))
  })

/** Says this, and gives so much of what comes. */
const ask = (socket: NodeTls.TLSSocket, line: string, bytes: number) =>
  Effect.callback<string>((resume) => {
    let got = ""
    socket.on("data", (chunk) => {
      got += String(chunk)
      if (got.length >= bytes) resume(Effect.succeed(got))
    })
    socket.write(line)
  })

describe("STARTTLS from a handler", () => {
  it.live("the same connection, plaintext before and TLS after", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(options, handler)
      const client = yield* RawClient.connect(server.address)
      client.write("hello\n")
      assert.strictEqual(yield* client.received(10), "plaintext\n")
      client.write("STARTTLS\n")
      assert.strictEqual(yield* client.received(16), "plaintext\nREADY\n")
      const secured = yield* upgrade(client)
      assert.strictEqual(yield* ask(secured, "hello\n", 14), "TLSv1.3 hello\n")
      assert.strictEqual(yield* server.connections, 1)
      secured.end()
      yield* eventually(() => connections(server) === 0)
    })))

  it.live("what was said in plaintext behind it is not answered inside", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(options, handler)
      const client = yield* RawClient.connect(server.address)
      client.write("STARTTLS\nforged\n")
      yield* client.received(6)
      const secured = yield* upgrade(client)
      assert.strictEqual(yield* ask(secured, "mine\n", 13), "TLSv1.3 mine\n")
    })))

  it.live("a client that speaks no TLS then costs its own connection only", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(options, handler)
      const [good, bad] = [yield* RawClient.connect(server.address), yield* RawClient.connect(server.address)]
      bad.write("STARTTLS\n")
      yield* bad.received(6)
      bad.write("no\n".repeat(10))
      yield* eventually(() => connections(server) === 1)
      good.write("hello\n")
      assert.strictEqual(yield* good.received(10), "plaintext\n")
    })))
})

describe("a server's certificates", () => {
  it.live("are renewed under load: no handshake fails, and the last one sees the last", () =>
    bounded(Effect.gen(function*() {
      let tls = { identity }
      const shed: Array<string> = []
      const server = yield* Server.make(
        { ...options, tls: Effect.sync(() => tls), onShed: ({ reason }) => shed.push(reason) },
        Server.respond(lines, Effect.succeed<string>)
      )
      const subject = Effect.callback<string, string>((resume) => {
        const socket = NodeTls.connect({ ...server.address, rejectUnauthorized: false }, () => {
          resume(Effect.succeed(socket.getPeerX509Certificate()?.subject ?? ""))
          socket.end()
        })
        socket.on("error", (error) => resume(Effect.fail(error.message)))
      })
      const seen = new Set<string>()
      yield* Effect.forEach(
        Array.from({ length: 200 }),
        (_, index) => {
          if (index === 60) tls = { identity: stranger }
          if (index === 120) tls = { identity: other }
          return Effect.map(subject, (each) => seen.add(each))
        },
        { concurrency: 8, discard: true }
      )
      assert.strictEqual(yield* subject, "CN=other.example")
      assert.deepStrictEqual([shed, [...seen].toSorted()], [[], ["CN=localhost", "CN=other.example"]])
    })))

  for (const [how, silent] of Object.entries({ "never said": Effect.never, "interrupted": Effect.interrupt })) {
    it.live(`that are ${how} cost each client its own connection, in the time of a handshake, and are counted`, () =>
      bounded(Effect.gen(function*() {
        let broken = false
        const said = { identity, handshakeTimeout: "300 millis" } as const
        const server = yield* Server.make(
          { ...options, tls: Effect.suspend(() => broken ? silent : Effect.succeed(said)) },
          Server.respond(lines, Effect.succeed<string>)
        )
        broken = true
        const client = yield* RawClient.connect(server.address)
        assert.strictEqual(yield* client.ended, "")
        yield* eventually(() => connections(server) === 0)
        broken = false
        const secured = yield* upgrade(yield* RawClient.connect(server.address))
        assert.strictEqual(yield* ask(secured, "hello\n", 6), "hello\n")
        secured.end()
        const { accepted, rejected } = yield* server.stop
        assert.deepStrictEqual([accepted, rejected], [1, 1])
      })))
  }

  it.live("that nobody can say cost each client its own connection, and are counted", () =>
    bounded(Effect.gen(function*() {
      let broken = false
      const shed: Array<string> = []
      const tls = Effect.sync(() => {
        if (broken) throw new Error("the vault is sealed")
        return { identity }
      })
      const server = yield* Server.make(
        {
          ...options,
          tls,
          onShed: (event) => shed.push(event.reason === "handshake" ? event.error.reason._tag : event.reason)
        },
        Server.respond(lines, Effect.succeed<string>)
      )
      broken = true
      const client = yield* RawClient.connect(server.address)
      yield* client.ended
      yield* eventually(() => connections(server) === 0)
      broken = false
      const secured = yield* upgrade(yield* RawClient.connect(server.address))
      assert.strictEqual(yield* ask(secured, "hello\n", 6), "hello\n")
      secured.end()
      const { accepted, rejected } = yield* server.stop
      assert.deepStrictEqual([shed, accepted, rejected], [["InvalidTls"], 1, 1])
    })))
})
