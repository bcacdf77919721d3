import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { NodeTransport } from "@framewire/core/node"
import { type Codec, Decoder, Preset } from "@framewire/framing"
import { Server } from "@framewire/server"
import { Console, Effect } from "effect"

const address = { host: "127.0.0.1", port: Number(process.env["PORT"] ?? 6514) }
const limit = 8192
const isDigit = (byte: number) => byte >= 0x30 && byte <= 0x39

// Either framing of RFC 6587, told by the first byte of a connection: a length, or the < of a message.
const counted = Preset.syslog({ limit })
const lines = Preset.syslogLines({ limit })
const decoder = Decoder.make(() => {
  let step: Decoder.Step<Uint8Array> | undefined
  return (reader) => {
    if (reader.length === 0) return reader.need(1)
    step ??= (isDigit(reader.at(0)) ? counted : lines).decoder.start()
    return step(reader)
  }
})
const messages: Codec.Codec<Uint8Array, never> = { limit, decoder, encode: (never) => never }

// <facility * 8 + severity>, and what is behind it.
const severities = ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"]
const show = (message: Uint8Array) => {
  const text = new TextDecoder().decode(message)
  const [, digits, rest = ""] = /^<(\d{1,3})>(.*)/s.exec(text) ?? []
  const priority = digits === undefined ? 192 : Number(digits)
  return priority > 191 ? `malformed ${JSON.stringify(text)}` : `${severities[priority % 8]} ${JSON.stringify(rest)}`
}

const collector = Server.forEach(messages, (message) => Console.log(show(message)))
Server.run({ address, deadlines: { readIdle: "1 hour" } }, collector).pipe(
  Effect.provide(NodeTransport.layer),
  NodeRuntime.runMain
)
