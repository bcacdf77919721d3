/** The client, as its users want to see it: one method a verb, and typed errors. */
import { Client, type RequestError } from "@framewire/client"
import type { Address, Transport, TransportError } from "@framewire/core"
import { Data, Effect, type Scope } from "effect"
import { type Message, protocol } from "./Protocol.ts"

/** The server refused a request. */
export class Refused extends Data.TaggedError("Refused")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
}

export interface Words {
  readonly upper: (text: string) => Effect.Effect<string, Refused | RequestError.RequestError>
  readonly length: (text: string) => Effect.Effect<number, Refused | RequestError.RequestError>
}

export const connect = (
  address: Address.Address,
  options?: Client.ClientOptions<Message>
): Effect.Effect<
  Words,
  TransportError.ConnectError | TransportError.HandshakeError,
  Transport.Transport | Scope.Scope
> =>
  Effect.map(Client.connect(protocol, address, options), (client) => {
    const ask = (verb: string, text: string) =>
      Effect.flatMap(client.request({ verb, text }), (answer) =>
        answer.verb === "ok" ? Effect.succeed(answer.text) : Effect.fail(new Refused({ reason: answer.text })))
    return {
      upper: (text) =>
        ask("upper", text),
      length: (text) => Effect.map(ask("length", text), Number)
    }
  })
