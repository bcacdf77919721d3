// A server whose clients lose no answer when it drains: it says goodbye, and reads on until they have read that and left.
import { Server } from "@framewire/server"
import * as Effect from "effect/Effect"
import { lines } from "./index.ts"

export const options = { goodbye: "2 seconds", drainDeadline: "5 seconds" } as const

/** What comes on a line goes back on one. */
export const handler = Server.respond(lines, Effect.succeed<string>, { goodbye: () => "bye" })
