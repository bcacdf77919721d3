import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { NodeTransport } from "@framewire/core/node"
import { Codec, Preset, Protocol } from "@framewire/framing"
import { Server } from "@framewire/server"
import { Effect } from "effect"

const address = { host: "127.0.0.1", port: Number(process.env["PORT"] ?? 4000) }

// Of what term_to_binary makes: whole numbers, atoms, binaries, tuples and lists.
type Term = number | string | Uint8Array | ReadonlyArray<Term>

const fromBinary = (bytes: Uint8Array): Term => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 0
  const skip = (size: number) => {
    // An element takes a byte at least, so this holds for counts, too.
    if (size > bytes.length - at) throw new Error("the term is cut off")
    return at += size
  }
  const u8 = () => view.getUint8(skip(1) - 1)
  const u16 = () => view.getUint16(skip(2) - 2)
  const u32 = () => view.getUint32(skip(4) - 4)
  const raw = (size: number) => bytes.subarray(at, skip(size))
  const terms = (count: number, depth: number) => {
    if (count > bytes.length - at) throw new Error("the term is cut off")
    return Array.from({ length: count }, () => term(depth + 1))
  }
  const term = (depth: number): Term => {
    const tag = depth > 64 ? 0 : u8()
    if (tag === 97) return u8()
    if (tag === 98) return u32() | 0
    if (tag === 104) return terms(u8(), depth)
    if (tag === 106) return []
    if (tag === 107) return [...raw(u16())]
    if (tag === 108) return terms(u32() + 1, depth).slice(0, -1)
    if (tag === 109) return raw(u32())
    if (tag === 100) return Buffer.from(raw(u16())).toString("latin1")
    if (tag === 119) return Buffer.from(raw(u8())).toString()
    throw new Error("a term of another kind, or too deep")
  }
  if (u8() !== 131) throw new Error("a term begins with 131")
  return term(0)
}

const bytesOf = (term: Term): ReadonlyArray<number> => {
  if (typeof term === "number") return [98, term >> 24 & 255, term >> 16 & 255, term >> 8 & 255, term & 255]
  if (typeof term === "string") return [119, term.length, ...Buffer.from(term)]
  if (term instanceof Uint8Array) return [109, 0, 0, term.length >> 8, term.length & 255, ...term]
  return [104, term.length, ...term.flatMap(bytesOf)]
}

const answer = (request: Term): Term => {
  const [name, argument] = Array.isArray(request) ? request : []
  if (name === "sum" && Array.isArray(argument) && argument.every((it) => typeof it === "number")) {
    const sum = argument.reduce((sum, it) => sum + it, 0)
    return sum === (sum | 0) ? ["ok", sum] : ["error", "overflow"]
  }
  return ["error", "badarg"]
}

const terms = Codec.functions(fromBinary, (term: Term) => Uint8Array.from([131, ...bytesOf(term)]))
const protocol = Protocol.symmetric(terms(Preset.erlang(4, { limit: 65_536 })))
const peer = Server.respond(protocol, (request) => Effect.succeed(answer(request)))
Server.run({ address, deadlines: { readIdle: "1 hour" } }, peer).pipe(
  Effect.provide(NodeTransport.layer),
  NodeRuntime.runMain
)
