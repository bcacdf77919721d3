import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import type { Connection } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { type Codec, Decoder, Framed, FramingError } from "@framewire/framing"
import { Server } from "@framewire/server"
import { Array as Arr, Effect } from "effect"

const address = { host: "127.0.0.1", port: Number(process.env["PORT"] ?? 11_211) }
const [lineLimit, valueLimit, maxEntries] = [2048, 1_048_576, 256] as const
const stores = /^(set|add|replace|append|prepend|cas)$/

interface Request {
  readonly words: ReadonlyArray<string>
  readonly value: Uint8Array
}

// A line of words; behind one that stores follow as many bytes as its fifth word says, and CRLF.
const decoder = Decoder.make((): Decoder.Step<Request> => (reader) => {
  const refuse = (reason: FramingError.FrameError["reason"]) =>
    new FramingError.FrameError({ reason, offset: reader.offset, head: reader.peek(16) })
  const end = reader.indexOf(0x0a) + 1
  const size = end || reader.length
  if (size > lineLimit) throw refuse(new FramingError.FrameTooLong({ size, limit: lineLimit }))
  if (end === 0) return reader.need()
  const words = Buffer.from(reader.peek(end)).toString("latin1").trim().split(/ +/)
  if (!stores.test(words[0] ?? "")) return { words, value: reader.take(end) }
  const length = /^\d{1,9}$/.test(words[4] ?? "") ? Number(words[4]) : Number.NaN
  if (!(length <= valueLimit)) throw refuse(new FramingError.InvalidLength({ detail: words[4] ?? "none" }))
  const whole = end + length + 2
  if (reader.length < whole) return reader.need(whole)
  if (reader.uint(whole - 2, 2, false) !== 0x0d0a) throw refuse(new FramingError.Malformed({ detail: "no CRLF" }))
  return { words, value: reader.take(whole).slice(end, -2) }
})

type Entry = readonly [line: string, value: Uint8Array]

const codec: Codec.Codec<Request, string | Entry> = {
  limit: valueLimit,
  decoder,
  encode: (reply, writer) => {
    if (typeof reply === "string") return writer.text(`${reply}\r\n`)
    const [line, value] = reply
    writer.text(`${line}\r\n`)
    writer.bytes(value)
    writer.text("\r\n")
  }
}

const store = new Map<string, Entry>()
const set = (key: string, flags: string, expiry: string, value: Uint8Array) => {
  if (!/^\d{1,10}$/.test(flags) || expiry !== "0") return "CLIENT_ERROR nothing expires here"
  if (store.size === maxEntries && !store.has(key)) return "SERVER_ERROR out of memory storing object"
  store.set(key, [`VALUE ${key} ${flags} ${value.length}`, value])
  return "STORED"
}
const answer = ({ value, words }: Request): ReadonlyArray<string | Entry> => {
  const [verb = "", key = "", flags = "", expiry = ""] = words
  const isQuiet = words.at(-1) === "noreply"
  if (words.length > 64) return ["CLIENT_ERROR too many words"]
  if (verb === "get") return [...words.slice(1).map((key) => store.get(key)).filter((it) => it !== undefined), "END"]
  if (verb === "set" && key.length <= 250) return [set(key, flags, expiry, value)].slice(isQuiet ? 1 : 0)
  if (verb === "delete") return [store.delete(key) ? "DELETED" : "NOT_FOUND"].slice(isQuiet ? 1 : 0)
  if (verb === "stats") return [`STAT curr_items ${store.size}`, "END"]
  return verb === "version" ? ["VERSION 1.0.0"] : verb === "quit" ? [] : ["ERROR"]
}

const memcached = (connection: Connection.Connection) => {
  const framed = Framed.make(connection, codec)
  return framed.receiveEach((requests) =>
    // One write for some of them: what is asked for in few bytes may be much.
    Effect.forEach(Arr.chunksOf(requests, 16), (some) => {
      const sent = framed.sendAllUnsafe(some.flatMap(answer))
      return some.some(({ words }) => words[0] === "quit") ? Effect.andThen(sent, connection.shutdownRead) : sent
    }, { discard: true })
  ).pipe(Effect.tapErrorTag("FrameError", ({ reason }) => framed.send(`CLIENT_ERROR ${reason.message}`)))
}
Server.run({ address, deadlines: { readIdle: "1 hour" } }, memcached).pipe(
  Effect.provide(NodeTransport.layer),
  NodeRuntime.runMain
)
