// From an address to a line.
import { type Address, Transport, type TransportError } from "@framewire/core"
import { Framed, Greeting, Protocol } from "@framewire/framing"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ClientOptions, Spoken } from "../Client.ts"
import * as Line from "./Line.ts"

export const dial = <Hello, Agreed, Refusal, Req, Res, Err, P>(
  spoken: Spoken<Hello, Agreed, Refusal, Req, Res, Err, P>,
  address: Address.Address,
  options: ClientOptions<Req, P>,
  owner: Line.Owner<Req, Res, Err, P>
): Effect.Effect<
  Line.Line<Req, Res, Err, P>,
  TransportError.ConnectError | TransportError.HandshakeError | Refusal | Greeting.GreetingError,
  Transport.Transport | Scope.Scope
> =>
  Effect.flatMap(Transport.connect(address, options), (connection) => {
    if ("speak" in spoken) {
      return Effect.flatMap(
        // Nobody waits for this connection any more, and the scope may be a long one.
        Effect.onError(Greeting.greet(spoken, connection, options), () => connection.close({ linger: 0 })),
        ({ exchange, framed }) => Line.open(framed, exchange, options, owner)
      )
    }
    const exchange = "answers" in spoken ? spoken : Protocol.toExchange<Req, Res, Err, P>(spoken)
    return Line.open(Framed.make(connection, exchange.client, options), exchange, options, owner)
  })
