// Frames behind eight bytes of length, of any size, that come back as they come: nothing is held but what is on its way.
import { FixedLength, Framed } from "@framewire/framing"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { serve } from "./onCore.ts"

serve((connection) => {
  const framed = Framed.make(connection, FixedLength.make({ size: 8 }))
  const echo = Effect.flatMap(framed.receive, (header) => {
    const size = Number(new DataView(header.buffer, header.byteOffset).getBigUint64(0))
    return Effect.andThen(
      framed.send(header),
      Stream.runForEachArray(framed.rawStream(size), connection.sendAll)
    )
  })
  return Effect.forever(echo)
})
