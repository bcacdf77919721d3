// effect/rpc over its own sockets, as its server; the last argument is its, too.
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import { Group } from "../rpc/Sum.ts"
import { asking } from "./asking.ts"
import { port } from "./harness.ts"

const protocol = RpcClient.layerProtocolSocket().pipe(
  Layer.provide(RpcSerialization.layerNdjson),
  Layer.provide(NodeSocket.layerNet({ host: "127.0.0.1", port, noDelay: true }))
)
const program = Effect.flatMap(
  RpcClient.make(Group, { disableTracing: process.argv.at(-1) === "untraced" }),
  (client) => asking(client.Sum)
)

void Effect.runPromise(Effect.provide(Effect.scoped(program), protocol))
