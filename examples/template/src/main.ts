import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { NodeTransport } from "@framewire/core/node"
import { Server } from "@framewire/server"
import { Effect } from "effect"
import { handler } from "./Service.ts"

const address = { host: "127.0.0.1", port: Number(process.env["PORT"] ?? 8888) }

Server.run({ address }, handler).pipe(Effect.provide(NodeTransport.layer), NodeRuntime.runMain)
