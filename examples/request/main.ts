import { Client } from "@framewire/client"
import { NodeTransport } from "@framewire/core/node"
import { Codec, LengthPrefixed, Protocol } from "@framewire/framing"
import { Server } from "@framewire/server"
import { Console, Effect, Schema } from "effect"

const Sum = Schema.Struct({ numbers: Schema.Array(Schema.Finite) })
const Total = Schema.Struct({ total: Schema.Finite })

// One value for both ends: what a request is, what an answer is, and how they are framed.
const protocol = Protocol.make({
  request: Codec.json(Sum)(LengthPrefixed.u32be()),
  response: Codec.json(Total)(LengthPrefixed.u32be())
})

const program = Effect.gen(function*() {
  const server = yield* Server.make(
    { address: { host: "127.0.0.1", port: 0 } },
    Server.respond(protocol, ({ numbers }) => Effect.succeed({ total: numbers.reduce((sum, each) => sum + each, 0) }))
  )
  const client = yield* Client.connect(protocol, server.address)
  const answers = yield* Effect.all(
    [client.request({ numbers: [1, 2, 3] }), client.request({ numbers: [40, 2] })],
    { concurrency: "unbounded" }
  )
  yield* Console.log(answers.map(({ total }) => total).join(" "))
})

void Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(NodeTransport.layer)))
