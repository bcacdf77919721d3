// Bytes in, the same bytes out: core's Connection, a fiber woken for each batch.
import * as Effect from "effect/Effect"
import { serve } from "./onCore.ts"

serve((connection) => Effect.forever(Effect.flatMap(connection.receive, connection.sendAll), { disableYield: true }))
