import { Client } from "@framewire/client"
import { NodeTransport } from "@framewire/core/node"
import { Codec, Greeting, LengthPrefixed, Lines, Protocol } from "@framewire/framing"
import { Server } from "@framewire/server"
import { Console, Effect, Result, Schema, Stream } from "effect"

class Unknown extends Schema.TaggedError<Unknown>()("Unknown", { city: Schema.String }) {}
class TooOld extends Schema.TaggedError<TooOld>()("TooOld", { oldest: Schema.Int }) {}

// Requests by id, so that a slow answer holds back no other one; errors, pushes and cancel are part of it.
const weather = (limit: number) =>
  Protocol.json({
    framing: LengthPrefixed.u32be({ limit }),
    request: Schema.Struct({ city: Schema.String }),
    response: Schema.Struct({ degrees: Schema.Finite }),
    error: Unknown,
    push: Schema.Struct({ warning: Schema.String })
  })

// First both ends agree on a version, by lines; its limit follows from that.
const protocol = (version: number) =>
  Greeting.make({
    hello: Codec.json(Schema.Struct({ version: Schema.Int }))(Lines.make({ limit: 100 })),
    welcome: Codec.json(Greeting.Welcome({ agreed: Schema.Struct({ limit: Schema.Int }), refusal: TooOld }))(
      Lines.make({ limit: 100 })
    ),
    offer: { version },
    agree: (hello) => hello.version < 2 ? Result.fail(new TooOld({ oldest: 2 })) : Result.succeed({ limit: 4096 }),
    speak: ({ limit }) => weather(limit)
  })

const program = Effect.gen(function*() {
  const server = yield* Server.make(
    { address: { host: "127.0.0.1", port: 0 } },
    Server.respond(protocol(2), ({ city }, peer) =>
      Effect.gen(function*() {
        if (city === "Atlantis") return yield* new Unknown({ city })
        if (city === "Oslo") yield* Effect.sleep("50 millis")
        yield* Effect.orDie(peer.push({ warning: `wind in ${city}` }))
        return { degrees: city.length }
      }))
  )
  const client = yield* Client.connect(protocol(2), server.address)
  yield* Effect.forEach(["Oslo", "Rome", "Atlantis"], (city) =>
    client.request({ city }).pipe(
      Effect.flatMap(({ degrees }) => Console.log(`${city}: ${degrees}`)),
      Effect.catchTag("Unknown", (error) => Console.log(`${error.city}: unknown`))
    ), { concurrency: "unbounded" })
  yield* Stream.runForEach(Stream.take(client.pushes, 2), ({ warning }) => Console.log(warning))
  const { oldest } = yield* Effect.flip(Client.connect(protocol(1), server.address)).pipe(Effect.filterOrFail(
    (error) => error._tag === "TooOld"
  ))
  yield* Console.log(`version 1 is refused, the oldest is ${oldest}`)
})

void Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(NodeTransport.layer)))
