// Frames in, frames out by Server.respond, with the bounds that it has by default; beside it, in the same process, one behind TLS
// and one behind a proxy, which nobody asks in good faith.
import { NodeTransport } from "@framewire/core/node"
import { LengthPrefixed, Protocol } from "@framewire/framing"
import { Server } from "@framewire/server"
import * as Effect from "effect/Effect"
import * as Certificates from "../../tests/support/Certificates.ts"
import { address, listening } from "./harness.ts"

const echo = Server.respond(Protocol.symmetric(LengthPrefixed.u32be()), Effect.succeed<Uint8Array>)

const program = Effect.gen(function*() {
  const server = yield* Server.make({ address }, echo)
  const secured = yield* Server.make({ address, tls: { identity: Certificates.server } }, echo)
  const proxied = yield* Server.make({ address, proxy: { trusted: ["10.0.0.0/8"] } }, echo)
  listening(server.address)
  console.log(`beside ${[secured, proxied].map((it) => "port" in it.address ? it.address.port : 0).join(" ")}`)
  yield* server.stopped
})

void Effect.runPromise(Effect.provide(Effect.scoped(program), NodeTransport.layer))
