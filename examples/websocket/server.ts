import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import { EffectSocket } from "@framewire/core"
import { Server } from "@framewire/server"
import * as Effect from "effect/Effect"
import { protocol } from "./protocol.ts"

const place = { host: "127.0.0.1", port: Number(process.env["PORT"] ?? 8081) }

// The handler of any server: it is given a connection, and does not ask what that stands on.
const handler = Server.respond(
  protocol,
  (numbers) => Effect.succeed({ total: numbers.reduce((sum, each) => sum + each, 0) })
)

NodeSocketServer.makeWebSocket(place).pipe(
  Effect.flatMap((server) =>
    server.run((socket) =>
      EffectSocket.fromSocket(socket, { local: place, remote: place, halfClose: "none" }).pipe(
        Effect.flatMap(handler),
        Effect.scoped,
        Effect.ignore
      )
    )
  ),
  Effect.scoped,
  NodeRuntime.runMain
)
