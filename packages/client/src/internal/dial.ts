// Connects, and says what comes before requests: the PROXY header, the TLS handshake, the greeting.
import { type Address, type Connection, Transport, TransportError, TransportReason } from "@framewire/core"
import { Codec, Framed, Greeting, Protocol, ProxyHeader } from "@framewire/framing"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { ClientOptions, Spoken } from "../Client.ts"
import * as defaults from "./defaults.ts"
import * as Line from "./Line.ts"
import type { Owner } from "./Owner.ts"

/** Connects, and sends the header before all else: the handshake is the client's whose connection is forwarded. */
const forward = (
  address: Address.Address,
  header: ProxyHeader.ProxyHeader,
  { tls, ...options }: Transport.ConnectOptions
): Effect.Effect<
  Connection.Connection,
  TransportError.ConnectError | TransportError.HandshakeError,
  Transport.Transport | Scope.Scope
> =>
  Effect.gen(function*() {
    // No byte of a request has left: it is a connection that was not made.
    const failed = (reason: TransportReason.TransportReason) =>
      new TransportError.ConnectError({ reason, remote: address, attempts: [] })
    const encoded = Codec.encodeAll(ProxyHeader.make({ limit: 65_535 }), [header])
    if (Result.isFailure(encoded)) return yield* failed(new TransportReason.Unknown({ cause: encoded.failure }))
    const connection = yield* Transport.connect(address, options)
    yield* Effect.mapError(connection.sendAll(encoded.success), ({ reason }) => failed(reason))
    if (tls !== undefined) yield* connection.upgradeTls({ client: tls })
    return connection
  })

export const dial = <Hello, Agreed, Refusal, Req, Res, Err, P>(
  spoken: Spoken<Hello, Agreed, Refusal, Req, Res, Err, P>,
  address: Address.Address,
  options: ClientOptions<Req, P>,
  owner: Owner<Req, Res, Err, P>
): Effect.Effect<
  Line.Line<Req, Res, Err, P>,
  TransportError.ConnectError | TransportError.HandshakeError | Refusal | Greeting.GreetingError,
  Transport.Transport | Scope.Scope
> => {
  const { frameTimeout = defaults.frameTimeout, proxyHeader } = options
  // Said, for it is for ever where somebody hears of the progress.
  const timed = { ...options, frameTimeout }
  const connecting = proxyHeader === undefined
    ? Transport.connect(address, options)
    : forward(address, proxyHeader, options)
  return Effect.flatMap(connecting, (connection) => {
    if ("speak" in spoken) {
      return Effect.flatMap(
        // Nobody waits for this connection any more, and the scope may be a long one.
        Effect.onError(Greeting.greet(spoken, connection, timed), () => connection.close({ linger: 0 })),
        ({ exchange, framed }) => Line.open(framed, exchange, options, owner)
      )
    }
    const exchange = "answers" in spoken ? spoken : Protocol.toExchange<Req, Res, Err, P>(spoken)
    return Line.open(Framed.make(connection, exchange.client, timed), exchange, options, owner)
  })
}
