/** What the server does, without a word about sockets. */
import { Server } from "@framewire/server"
import { Effect } from "effect"
import { type Message, protocol } from "./Protocol.ts"

const verbs = new Map<string, (text: string) => string>([
  ["upper", (text) => text.toUpperCase()],
  ["length", (text) => String(text.length)]
])

export const answer = ({ text, verb }: Message): Effect.Effect<Message> => {
  const run = verbs.get(verb)
  return Effect.succeed(
    run === undefined ? { verb: "error", text: `there is no verb ${verb}` } : { verb: "ok", text: run(text) }
  )
}

/** For `Server.make`, `Server.layer` and `Server.run`. */
export const handler = Server.respond(protocol, answer)
