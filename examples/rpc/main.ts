import { EffectSocket, Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Console, Effect, Layer, Schema, Stream } from "effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Socket from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"

class Negative extends Schema.TaggedError<Negative>()("Negative", { value: Schema.Finite }) {}

const Numbers = RpcGroup.make(
  Rpc.make("Root", { payload: { of: Schema.Finite }, success: Schema.Finite, error: Negative }),
  Rpc.make("Count", { payload: { to: Schema.Int }, success: Schema.Int, stream: true })
)

const handlers = Numbers.toLayer({
  Root: ({ of }) => of < 0 ? Effect.fail(new Negative({ value: of })) : Effect.succeed(Math.sqrt(of)),
  Count: ({ to }) => Stream.range(1, to)
})

// Each end of effect/rpc wants a socket: a listener and a dialled connection are ones, with all that a connection promises.
const program = Effect.gen(function*() {
  const listener = yield* Transport.listen({ host: "127.0.0.1", port: Number(process.env["PORT"] ?? 0) })
  const sockets = Layer.effect(SocketServer.SocketServer, EffectSocket.toSocketServer(listener))
  yield* Layer.build(
    RpcServer.layer(Numbers).pipe(
      Layer.provide([handlers, RpcServer.layerProtocolSocketServer]),
      Layer.provide([RpcSerialization.layerNdjson, sockets])
    )
  )
  const transport = yield* Transport.Transport
  const dialled = Layer.succeed(Socket.Socket, EffectSocket.toSocket(transport.connect(listener.address)))
  const protocol = yield* Layer.build(
    RpcClient.layerProtocolSocket().pipe(Layer.provide([RpcSerialization.layerNdjson, dialled]))
  )
  const client = yield* Effect.provide(RpcClient.make(Numbers), protocol)
  yield* Console.log(yield* client.Root({ of: 1764 }))
  yield* Console.log((yield* Stream.runCollect(client.Count({ to: 5 }))).join(" "))
  yield* client.Root({ of: -1 }).pipe(Effect.catchTag("Negative", ({ value }) => Console.log(`${value} has none`)))
})

void Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(NodeTransport.layer)))
