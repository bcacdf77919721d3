// The life of a socket, walked through on free loopback ports. Every line is printed by what has just happened.
import { Client } from "@framewire/client"
import { Address, type Connection, type ConnectionState, Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Codec, Framed, LengthPrefixed, Lines, Protocol } from "@framewire/framing"
import { Server } from "@framewire/server"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Bytes from "./Bytes.ts"
import * as RoomsTour from "./rooms/RoomsTour.ts"

const anyPort: Address.Address = { host: "127.0.0.1", port: 0 }
const names = ["ada", "bob", "cyd"]

const step = (who: string, what: string, detail: string) =>
  Console.log(`  ${who.padEnd(7)} ${what.padEnd(12)} ${detail}`)

const line = (connection: Connection.Connection) =>
  `${Address.format(connection.local)} -> ${Address.format(connection.remote)}`

const reasonText = (reason: ConnectionState.CloseReason) =>
  reason._tag === "Graceful" ? `Graceful, first FIN by ${reason.initiator}` : reason._tag

/** The bytes on the wire of one message. */
const wire = <A>(codec: Codec.Codec<A>, message: A) => {
  const bytes = Buffer.concat(Result.getOrThrow(Codec.encodeAll(codec, [message])))
  return `${Bytes.spacedHex(bytes, 12)}  (${bytes.length} bytes)`
}

/** From listen to close over the codec, with three clients at once. */
const life = Effect.fnUntraced(function*<A>(
  codec: Codec.Codec<A>,
  message: (text: string) => A,
  show: (message: A) => string
) {
  const serve = Effect.fnUntraced(function*(connection: Connection.Connection) {
    yield* step("server", "accept", line(connection))
    const framed = Framed.make(connection, codec)
    let last = message("")
    yield* Effect.forever(Effect.gen(function*() {
      last = yield* framed.receive
      yield* step("server", "receive", show(last))
      yield* framed.send(message(`${show(last)} back`))
    })).pipe(Pull.catchDone(() => Effect.void))
    yield* step("server", "half-closed", `by the peer: ${(yield* connection.state)._tag}, and still sending`)
    yield* framed.send(message(`goodbye ${show(last)}`))
  })

  const talk = Effect.fnUntraced(function*(name: string, address: Address.Address) {
    const connection = yield* Transport.connect(address)
    yield* step(name, "connect", `${line(connection)}  ${(yield* connection.state)._tag}`)
    const framed = Framed.make(connection, codec)
    const hello = message(`hello from ${name}`)
    yield* framed.send(hello)
    yield* step(name, "send", wire(codec, hello))
    yield* step(name, "receive", show(yield* framed.receive))
    yield* connection.shutdownWrite
    yield* step(name, "half-close", `FIN sent: ${(yield* connection.state)._tag}`)
    yield* step(name, "receive", `${show(yield* framed.receive)}  (after our FIN)`)
    yield* Effect.ignore(framed.receive)
    const reason = yield* connection.close()
    yield* step(name, "close", `${(yield* connection.state)._tag}: ${reasonText(reason)}`)
  })

  const listener = yield* Transport.listen(anyPort)
  yield* step("server", "listen", `create, bind, listen: ${Address.format(listener.address)}`)
  const serving = yield* Effect.forkChild(
    Effect.forEach(names, () => Effect.scoped(Effect.flatMap(listener.accept, serve)), {
      concurrency: "unbounded",
      discard: true
    })
  )
  yield* Effect.forEach(names, (name) => Effect.scoped(talk(name, listener.address)), {
    concurrency: "unbounded",
    discard: true
  })
  yield* Fiber.join(serving)
}, Effect.scoped)

const Message = Schema.Struct({ text: Schema.String })
const messages = Codec.json(Message)(LengthPrefixed.u32be({ limit: 1024 }))
const protocol = Protocol.symmetric(messages)

/** The same by the server and client packages, with three requests on one line, and a drain. */
const service = Effect.gen(function*() {
  const server = yield* Server.make(
    { address: anyPort },
    Server.respond(protocol, ({ text }) => Effect.succeed({ text: text.toUpperCase() }))
  )
  yield* step("server", "listen", Address.format(server.address))
  const client = yield* Client.connect(protocol, server.address)
  const answers = yield* Effect.forEach(names, (text) => client.request({ text }), { concurrency: "unbounded" })
  yield* step("client", "request", `${names.join(" | ")}  ->  ${answers.map(({ text }) => text).join(" | ")}`)
  const report = yield* server.stop
  yield* step("server", "drain", `${report.open} open, ${report.finished} finished, ${report.reset} reset`)
  yield* step("client", "closed", reasonText(yield* client.closed))
}).pipe(Effect.scoped)

/** Two failures, as the typed errors that they are. */
const failures = Effect.gen(function*() {
  const refusing = yield* Effect.scoped(Effect.map(Transport.listen(anyPort), ({ address }) => address))
  yield* Transport.connect(refusing).pipe(
    Effect.andThen(Effect.die("a free port did not refuse")),
    Effect.catchReason(
      "ConnectError",
      "ConnectionRefused",
      (reason) =>
        step(
          "client",
          "connect",
          `ConnectError, ${reason._tag}, ${reason.code}, retry ${reason.retry}: ${Address.format(refusing)}`
        )
    )
  )
  const server = yield* Server.make(
    { address: anyPort },
    (connection) =>
      Framed.make(connection, messages).receive.pipe(
        Pull.catchDone(() => Effect.void),
        Effect.catchTag(
          "FrameError",
          ({ offset, reason }) =>
            step("server", "receive", `FrameError, ${reason._tag} at byte ${offset}: ${reason.message}`)
        )
      )
  )
  const connection = yield* Transport.connect(server.address)
  const tooLong = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x7b)
  yield* connection.send(tooLong)
  yield* step("client", "send", `${Bytes.spacedHex(tooLong)}  (the limit is ${messages.limit})`)
  // The server closes, so that what it found has been printed when this returns.
  yield* Effect.ignore(connection.receive)
}).pipe(Effect.scoped)

export const tour = Command.make(
  "tour",
  {},
  Effect.fnUntraced(function*() {
    yield* Console.log("1. Lines: LF or CRLF ends a frame")
    yield* life(Codec.text(Lines.make()), (text) => text, (text) => text)
    yield* Console.log("\n2. JSON with a schema, each message behind its length as u32, big-endian")
    yield* life(messages, (text) => ({ text }), ({ text }) => text)
    yield* Console.log("\n3. The same as a service: Server.respond and Client.request, pipelined")
    yield* service
    yield* Console.log("\n4. Failures are typed")
    yield* failures
    yield* Console.log("\n5. Rooms: people over lines, a program over typed messages, one bus")
    yield* RoomsTour.rooms
    yield* Console.log("\nNext: npm run --silent framewire -- serve echo --framing lines   and   nc 127.0.0.1 8888")
    yield* Console.log("      npm run --silent framewire -- serve rooms                  and   http://127.0.0.1:8880")
  }, Effect.provide(NodeTransport.layer))
).pipe(
  Command.withDescription(
    "Walk the life of a socket, over lines and over length-prefixed JSON, to rooms with two doors"
  )
)
