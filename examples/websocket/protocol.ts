import { Codec, LengthPrefixed, Protocol } from "@framewire/framing"
import * as Schema from "effect/Schema"

/** Both ends: the page, and the server. A message of a WebSocket is a piece of the stream, not a frame. */
export const protocol = Protocol.make({
  request: Codec.json(Schema.Array(Schema.Finite))(LengthPrefixed.u32be({ limit: 65_536 })),
  response: Codec.json(Schema.Struct({ total: Schema.Finite }))(LengthPrefixed.u32be({ limit: 65_536 }))
})
