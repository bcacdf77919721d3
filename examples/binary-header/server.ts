import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { NodeTransport } from "@framewire/core/node"
import { Codec, FramingError, LengthPrefixed, Protocol } from "@framewire/framing"
import { Server } from "@framewire/server"
import { Effect } from "effect"

const address = { host: "127.0.0.1", port: Number(process.env["PORT"] ?? 7000) }

// +-------+---------+------+-----------+------------+
// | "FW"  | version | kind | size      | body       |
// | 2     | 1       | 1    | 4, little | size bytes |
// +-------+---------+------+-----------+------------+
const header = 8
const magic = 0x4657
const kinds = ["ping", "echo", "error"] as const

interface Message {
  readonly kind: (typeof kinds)[number]
  readonly body: string
}

// What is no header has no size: there is no frame after it.
const framing = LengthPrefixed.fromHeader({
  header,
  limit: 65_536,
  strip: false,
  sizeOf: (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    return view.getUint16(0) === magic && bytes[2] === 1 ? view.getUint32(4, true) : Number.NaN
  }
})

const messages = Codec.transform(
  framing,
  (frame): Message => {
    const kind = kinds[frame[3] ?? -1]
    if (kind === undefined) {
      const reason = new FramingError.Malformed({ detail: `there is no kind ${frame[3]}` })
      throw new FramingError.MessageError({ direction: "decode", reason })
    }
    return { kind, body: new TextDecoder().decode(frame.subarray(header)) }
  },
  ({ body, kind }: Message) => {
    const bytes = new TextEncoder().encode(body)
    const frame = new Uint8Array(header + bytes.length)
    const view = new DataView(frame.buffer)
    view.setUint16(0, magic)
    frame.set([1, kinds.indexOf(kind)], 2)
    view.setUint32(4, bytes.length, true)
    frame.set(bytes, header)
    return frame
  }
)

const protocol = Protocol.symmetric(messages)
const answer = ({ body, kind }: Message): Message =>
  kind === "error" ? { kind, body: "an error is no request" } : { kind, body: kind === "ping" ? "pong" : body }

const server = Server.respond(protocol, (request) => Effect.succeed(answer(request)))
Server.run({ address }, server).pipe(Effect.provide(NodeTransport.layer), NodeRuntime.runMain)
