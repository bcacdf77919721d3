// Typed JSON: effect/rpc over its own sockets, in lines of JSON, as it comes; `untraced` as fast as it goes.
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as SocketServer from "effect/socket/SocketServer"
import { Group, sum } from "../rpc/Sum.ts"
import { address, listening } from "./harness.ts"

const says = Layer.effectDiscard(Effect.map(SocketServer.SocketServer, (server) => listening(server.address)))

const server = RpcServer.layer(Group, { disableTracing: process.argv[2] === "untraced" }).pipe(
  Layer.provide(Group.toLayer({ Sum: (numbers) => Effect.succeed(sum(numbers)) })),
  Layer.provide(RpcServer.layerProtocolSocketServer),
  Layer.merge(says),
  Layer.provide(RpcSerialization.layerNdjson),
  Layer.provide(NodeSocketServer.layer({ ...address, noDelay: true }))
)

void Effect.runPromise(Layer.launch(server))
