// Frames in, frames out: Framed on core's Connection by its fast forms, a batch at a time, nothing copied.
import { Framed, LengthPrefixed } from "@framewire/framing"
import { serve } from "./onCore.ts"

const codec = LengthPrefixed.u32be()

serve((connection) => {
  const framed = Framed.make(connection, codec)
  return framed.lendEach(framed.sendAllUnsafe)
})
