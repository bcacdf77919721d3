import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { NodeTransport } from "@framewire/core/node"
import { Codec, Preset, Protocol } from "@framewire/framing"
import { Server } from "@framewire/server"
import { Console, Effect } from "effect"

const address = { host: "127.0.0.1", port: Number(process.env["PORT"] ?? 2575) }
const protocol = Protocol.symmetric(Codec.text(Preset.mllp()))

// MSH names its separators, who sends to whom, what kind it is, and the number that the answer repeats.
const header = /^MSH(.)(.{3,5}?)\1/
const answer = (message: string) => {
  const [, bar = "|", encoding = "^~\\&"] = header.exec(message) ?? []
  const fields = message.split("\r", 1)[0]?.split(bar) ?? []
  const [, , from = "", fromPlace = "", to = "", toPlace = "", , , kind = "", id = "", , version = "2.5"] = fields
  const event = kind.split(encoding[0] ?? "^")[1]
  const isGood = header.test(message) && kind !== "" && id !== ""
  const type = event === undefined ? "ACK" : ["ACK", event, "ACK"].join(encoding[0])
  const stamp = new Date().toISOString().replaceAll(/\D/g, "").slice(0, 14)
  const acknowledged = ["MSA", isGood ? "AA" : "AR", id, ...(isGood ? [] : ["no kind or no id in MSH"])]
  return [
    ["MSH", encoding, to, toPlace, from, fromPlace, stamp, "", type, `A${id}`, "P", version].join(bar),
    acknowledged.join(bar),
    ""
  ].join("\r")
}

const listener = Server.respond(
  protocol,
  (message) => Console.log(message.replaceAll("\r", "\n").trimEnd()).pipe(Effect.as(answer(message)))
)
Server.run({ address, deadlines: { readIdle: "1 hour" } }, listener).pipe(
  Effect.provide(NodeTransport.layer),
  NodeRuntime.runMain
)
