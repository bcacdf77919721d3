import { assert, describe, it } from "@effect/vitest"
import { type Connection, Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Codec, Framed, FramingError, LengthPrefixed, Lines, ProxyHeader } from "@framewire/framing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"
import * as NodeTls from "node:tls"
import * as Certificates from "../../../tests/support/Certificates.ts"
import { bytes } from "./support.ts"

const text = Codec.text(Lines.make({ limit: 100 }))
const secure = { server: { identity: Certificates.server } }
const trust = { client: { ca: Certificates.ca, serverName: "localhost" } }

/** Two ends of one TCP connection over loopback, neither of them secured. */
const bounded = <A, E>(
  body: (client: Connection.Connection, server: Connection.Connection) => Effect.Effect<A, E, Scope.Scope>
) =>
  Effect.gen(function*() {
    const listener = yield* Transport.listen({ host: "127.0.0.1", port: 0 }, { linger: 0 })
    const accepting = yield* Effect.forkChild(listener.accept)
    const client = yield* Transport.connect(listener.address, { linger: 0 })
    return yield* body(client, yield* Fiber.join(accepting))
  }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer), Effect.timeout("15 seconds"))

describe("Framed.upgradeTls", () => {
  it.live("the same codec goes on inside", () =>
    bounded((client, server) =>
      Effect.gen(function*() {
        const near = Framed.make(client, text)
        const far = Framed.make(server, text)
        yield* near.send("STARTTLS")
        assert.strictEqual(yield* far.receive, "STARTTLS")
        yield* far.send("220 go on")
        assert.strictEqual(yield* near.receive, "220 go on")
        const [session] = yield* Effect.all([near.upgradeTls(trust), far.upgradeTls(secure)], {
          concurrency: "unbounded"
        })
        assert.strictEqual(session.version, "TLSv1.3")
        yield* near.sendAll(["EHLO", "QUIT"])
        assert.strictEqual(yield* far.receive, "EHLO")
        assert.deepStrictEqual(yield* far.receiveAll, ["QUIT"])
        yield* far.send("221")
        assert.strictEqual(yield* near.receive, "221")
      })
    ))

  // CVE-2011-0411: "EHLO" comes in one segment with STARTTLS, and would be answered as if it had come secured.
  const injections: Record<string, readonly [sent: string, waiting: number]> = {
    "a message": ["STARTTLS\nRSET\n", 5],
    "half a message": ["STARTTLS\nR", 1],
    "a message that is refused": ["STARTTLS\n\xff\n", 2]
  }
  for (const [name, [sent, waiting]] of Object.entries(injections)) {
    for (const side of ["server", "client"] as const) {
      it.live(`plaintext behind STARTTLS is refused by the ${side} and the connection reset: ${name}`, () =>
        bounded((client, server) =>
          Effect.gen(function*() {
            const [from, to] = side === "server" ? [client, server] : [server, client]
            yield* from.send(bytes(sent))
            const framed = Framed.make(to, text)
            assert.strictEqual(yield* framed.receive, "STARTTLS")
            const error = yield* Effect.flip(framed.upgradeTls(side === "server" ? secure : trust))
            assert.strictEqual(error._tag, "HandshakeError")
            assert(error.reason._tag === "PlaintextWaiting")
            assert.strictEqual(error.reason.bytes, waiting)
            const end = yield* Effect.flip(from.receive)
            assert.strictEqual(end._tag === "ReceiveError" ? end.reason._tag : end._tag, "ConnectionReset")
          })
        ))
    }
  }

  it.live("a bad message that was taken with STARTTLS is plaintext, too", () =>
    bounded((client, server) =>
      Effect.gen(function*() {
        yield* client.send(bytes("STARTTLS\n\xff\n"))
        const framed = Framed.make(server, text)
        assert.deepStrictEqual(yield* framed.receiveAll, ["STARTTLS"])
        const { reason } = yield* Effect.flip(framed.upgradeTls(secure))
        assert(reason._tag === "PlaintextWaiting")
        assert.strictEqual(reason.bytes, 2)
      })
    ))

  it.live("a decoder forgets what it was in the middle of", () =>
    bounded((client, server) =>
      Effect.gen(function*() {
        // What is too long goes by, and the rest of it would be taken out of what is secured.
        const codec = Codec.text(LengthPrefixed.make({ width: 1, limit: 10, onTooLong: "skip" }))
        const far = Framed.make(server, codec)
        yield* client.send(bytes("\x08STARTTLS\x63xxxx"))
        assert.strictEqual(yield* far.receive, "STARTTLS")
        const skipping = yield* Effect.forkChild(far.receive)
        yield* Effect.sleep("20 millis")
        yield* Fiber.interrupt(skipping)
        const near = Framed.make(client, codec)
        yield* Effect.all([near.upgradeTls(trust), far.upgradeTls(secure)], { concurrency: "unbounded" })
        yield* near.sendAll(["first", "second"])
        assert.strictEqual(yield* far.receive, "first")
      })
    ))

  it.live("behind a PROXY header, what waits is the handshake's", () =>
    Effect.gen(function*() {
      const listener = yield* Transport.listen({ host: "127.0.0.1", port: 0 }, { linger: 0 })
      assert("port" in listener.address)
      const socket = Net.connect(listener.address.port, "127.0.0.1")
      socket.on("error", () => {})
      socket.write("PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\r\n")
      const client = NodeTls.connect({ socket, ca: Certificates.ca, servername: "localhost" })
      client.on("error", () => {})
      client.write("hello\n")
      yield* Effect.addFinalizer(() => Effect.sync(() => client.destroy()))
      const header = Framed.make(yield* listener.accept, ProxyHeader.make())
      yield* header.receive
      // As much of the ClientHello as has come with the header.
      yield* header.upgradeTls({ ...secure, received: [] })
      const framed = yield* header.switchTo(text)
      assert.strictEqual(yield* framed.receive, "hello")
    }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer), Effect.timeout("15 seconds")))

  it.live("a failed handshake says why", () =>
    bounded((client, server) =>
      Effect.gen(function*() {
        const [error] = yield* Effect.all([
          Effect.flip(Framed.make(client, text).upgradeTls({ client: { serverName: "localhost" } })),
          Effect.ignore(Framed.make(server, text).upgradeTls(secure))
        ], { concurrency: "unbounded" })
        assert.strictEqual(error.reason._tag, "UntrustedCertificate")
        assert.notInstanceOf(error, FramingError.FrameError)
      })
    ))
})
