import { Client } from "@framewire/client"
import { NodeTransport } from "@framewire/core/node"
import * as Effect from "effect/Effect"
import { protocol } from "../rpc/Sum.ts"
import { asking } from "./asking.ts"
import { port } from "./harness.ts"

const program = Effect.flatMap(
  Client.connect(protocol, { host: "127.0.0.1", port }),
  (client) => asking(client.request)
)

void Effect.runPromise(Effect.provide(Effect.scoped(program), NodeTransport.layer))
