import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { NodeTransport } from "@framewire/core/node"
import { Preset, Protocol } from "@framewire/framing"
import { Server } from "@framewire/server"
import { Effect } from "effect"

const address = { host: "127.0.0.1", port: Number(process.env["PORT"] ?? 5353) }
const zone = new Map([["framewire.test", [192, 0, 2, 1]], ["www.framewire.test", [192, 0, 2, 80]]])

// The name asked for: labels behind their lengths, up to one of none.
const nameOf = (query: Uint8Array) => {
  const labels = []
  let end = 12
  for (let size = query[end] ?? 0; size > 0; size = query[end] ?? 0) {
    labels.push(String.fromCharCode(...query.subarray(end + 1, end + 1 + size)))
    end += 1 + size
  }
  return { name: labels.join(".").toLowerCase(), end: end + 1 }
}

const answer = (query: Uint8Array): Uint8Array => {
  const [high = 0, low = 0, flags = 0] = query
  const { end, name } = nameOf(query)
  const header = (
    status: number,
    questions: number,
    answers: number
  ) => [high, low, 0x84 | flags & 1, status, 0, questions, 0, answers, 0, 0, 0, 0]
  if (query.length < end + 4) return Uint8Array.of(...header(1, 0, 0))

  const question = query.subarray(12, end + 4)
  const found = zone.get(name)
  const isAddress = query[end] === 0 && query[end + 1] === 1
  if (found === undefined || !isAddress) return Uint8Array.of(...header(found ? 0 : 3, 1, 0), ...question)
  // The name at byte 12, type A, class IN, for 60 seconds, 4 bytes.
  return Uint8Array.of(...header(0, 1, 1), ...question, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...found)
}

const dns = Server.respond(Protocol.symmetric(Preset.dns()), (query) => Effect.succeed(answer(query)))
Server.run({ address }, dns).pipe(Effect.provide(NodeTransport.layer), NodeRuntime.runMain)
