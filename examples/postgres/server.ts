import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { type Connection, Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Framed, Preset } from "@framewire/framing"
import { Server } from "@framewire/server"
import { Effect, Stream } from "effect"
import { readFileSync } from "node:fs"

const address = { host: "127.0.0.1", port: Number(process.env["PORT"] ?? 6432) }
const upstream = { host: "127.0.0.1", port: Number(process.env["UPSTREAM"] ?? 5432) }
const file = (name: string) => readFileSync(process.env[name] ?? `${name.toLowerCase()}.pem`)
const tls = { server: { identity: { certificate: file("CERTIFICATE"), key: file("KEY") } } }

const codes = { ssl: 80_877_103, gss: 80_877_104, cancel: 80_877_102 }
const codeOf = (frame: Uint8Array) => frame.length < 4 ? 0 : new DataView(frame.buffer, frame.byteOffset).getUint32(0)

const refusal = Buffer.from("E\0\0\0\0SFATAL\0C28000\0Mthis proxy wants TLS\0\0")
refusal.writeUInt32BE(refusal.length - 1, 1)

type Bytes = Framed.Framed<Uint8Array, Uint8Array>
const pump = (from: Bytes, to: Connection.Connection) =>
  Stream.runForEachArray(from.rest, (chunks) => to.sendAll(chunks)).pipe(Effect.andThen(to.shutdownWrite))

const proxy = (connection: Connection.Connection) =>
  Effect.gen(function*() {
    const client = Framed.make(connection, Preset.postgresStartup())
    let first = yield* client.receive
    // What a client asks for before it says who it is; one byte answers.
    if (codeOf(first) === codes.gss) {
      yield* connection.send(Buffer.from("N"))
      first = yield* client.receive
    }
    if (codeOf(first) === codes.ssl) {
      yield* connection.send(Buffer.from("S"))
      yield* client.upgradeTls(tls)
      first = yield* client.receive
    } else if (codeOf(first) !== codes.cancel) {
      return yield* connection.send(refusal)
    }
    const server = Framed.make(yield* Transport.connect(upstream), Preset.postgresStartup())
    yield* server.send(first)
    yield* Effect.all([pump(client, server.connection), pump(server, connection)], { concurrency: 2 })
  })

Server.run({ address, deadlines: { readIdle: "unbounded" } }, proxy).pipe(
  Effect.provide(NodeTransport.layer),
  NodeRuntime.runMain
)
