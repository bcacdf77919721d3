// Frames in, frames out: Framed on core's Connection, a batch at a time.
import { Framed, LengthPrefixed } from "@framewire/framing"
import * as Effect from "effect/Effect"
import { serve } from "./onCore.ts"

const codec = LengthPrefixed.u32be()

serve((connection) => {
  const framed = Framed.make(connection, codec)
  return Effect.forever(Effect.flatMap(framed.receiveAll, framed.sendAll), { disableYield: true })
})
