import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { NodeTransport } from "@framewire/core/node"
import { Codec, Lines, Protocol } from "@framewire/framing"
import { Server } from "@framewire/server"
import { Effect } from "effect"

const address = { host: "127.0.0.1", port: Number(process.env["PORT"] ?? 8888) }
const echo = Server.respond(Protocol.symmetric(Codec.text(Lines.make())), (line) => Effect.succeed(line))

Server.run({ address }, echo).pipe(Effect.provide(NodeTransport.layer), NodeRuntime.runMain)
