import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import type { Connection } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Protocol, Resp } from "@framewire/framing"
import { Server } from "@framewire/server"
import { Effect } from "effect"

const address = { host: "127.0.0.1", port: Number(process.env["PORT"] ?? 6379) }
const maxMemory = 64 * 1024 * 1024

const store = new Map<string, Uint8Array>()
let used = 0

// One character a byte, so that any bytes can be a key.
const keyOf = (word: Uint8Array) => Buffer.from(word.buffer, word.byteOffset, word.length).toString("latin1")
// With about what an entry costs besides.
const sizeOf = (key: string, value: Uint8Array | undefined) => value ? 100 + key.length + value.length : 0

const simple = (value: string): Resp.Value => ({ type: "simple", value })
const error = (value: string): Resp.Value => ({ type: "error", value })
const integer = (value: number): Resp.Value => ({ type: "integer", value })
const bytes = (value: Uint8Array): Resp.Value => ({ type: "bytes", value })

// What a client has chosen: each version of the protocol has a null of its own.
interface Session {
  nothing: Resp.Value
}

const hello = (session: Session, version: string): Resp.Value => {
  if (version !== "2" && version !== "3") return error("NOPROTO unsupported protocol version")
  session.nothing = { type: version === "2" ? "nullBytes" : "null" }
  const field = [simple("proto"), integer(Number(version))] as const
  return version === "2" ? { type: "array", value: field } : { type: "map", value: [field] }
}
const get = (session: Session, word: Uint8Array) => {
  const value = store.get(keyOf(word))
  return value === undefined ? session.nothing : bytes(value)
}
const set = (word: Uint8Array, value: Uint8Array) => {
  const key = keyOf(word)
  const more = sizeOf(key, value) - sizeOf(key, store.get(key))
  if (used + more > maxMemory) return error("OOM command not allowed when used memory > 'maxmemory'.")
  used += more
  // What arrived is a view of all that arrived with it.
  store.set(key, value.slice())
  return simple("OK")
}
const remove = (word: Uint8Array) => {
  const key = keyOf(word)
  used -= sizeOf(key, store.get(key))
  return store.delete(key)
}

// By name: how many arguments, at least and at most, and what to do with them.
type Run = (args: ReadonlyArray<Uint8Array>, session: Session) => Resp.Value
const empty = new Uint8Array()
const commands = new Map<string, readonly [least: number, most: number, run: Run]>([
  ["HELLO", [1, 1, ([version = empty], session) => hello(session, keyOf(version))]],
  ["PING", [0, 1, ([word]) => word === undefined ? simple("PONG") : bytes(word)]],
  ["GET", [1, 1, ([key = empty], session) => get(session, key)]],
  ["SET", [2, 2, ([key = empty, value = empty]) => set(key, value)]],
  ["MGET", [1, 60, (keys, session) => ({ type: "array", value: keys.map((key) => get(session, key)) })]],
  ["DEL", [1, 1024, (keys) => integer(keys.filter(remove).length)]]
])

const answer = (request: Resp.Value, session: Session): Resp.Value => {
  const words = request.type === "array" ? request.value.map((it) => it.type === "bytes" ? it.value : empty) : []
  const [name = empty, ...args] = words
  const text = keyOf(name.subarray(0, 32)).toUpperCase()
  const [least, most, run] = commands.get(text) ?? [0, 1024, () => error(`ERR unknown command ${JSON.stringify(text)}`)]
  const isRight = args.length >= least && args.length <= most
  return isRight ? run(args, session) : error(`ERR wrong number of arguments for '${text.toLowerCase()}' command`)
}

// A request has 1 MiB at most, and so has each value; an answer has 60 of them.
const protocol = Protocol.make({ request: Resp.make({ inline: true }), response: Resp.make({ limit: maxMemory }) })
const redis = (connection: Connection.Connection) => {
  const session: Session = { nothing: { type: "nullBytes" } }
  return Server.respond(protocol, (request) => Effect.succeed(answer(request, session)))(connection)
}
Server.run({ address, deadlines: { readIdle: "unbounded" } }, redis).pipe(
  Effect.provide(NodeTransport.layer),
  NodeRuntime.runMain
)
