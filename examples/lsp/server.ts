import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { NodeTransport } from "@framewire/core/node"
import { Codec, type Framed, Preset } from "@framewire/framing"
import { Server } from "@framewire/server"
import { Effect, Option, Schema } from "effect"

const address = { host: "127.0.0.1", port: Number(process.env["PORT"] ?? 2087) }

// A request has an id, a notification has none; what else comes is an answer, which this server never asked for.
const Id = Schema.Union([Schema.Int, Schema.String, Schema.Null])
const Message = Schema.Struct({
  jsonrpc: Schema.Literal("2.0"),
  id: Schema.optionalKey(Id),
  method: Schema.optionalKey(Schema.String),
  params: Schema.optionalKey(Schema.Unknown),
  result: Schema.optionalKey(Schema.Unknown),
  error: Schema.optionalKey(Schema.Struct({ code: Schema.Int, message: Schema.String }))
})
type Message = typeof Message.Type
const codec = Codec.json(Message)(Preset.lsp())
type Line = Framed.Framed<Message, Message>

const Document = Schema.Struct({ textDocument: Schema.Struct({ uri: Schema.String, text: Schema.String }) })
const documentOf = Schema.decodeUnknownOption(Document)

/** Every TODO of a text, where the protocol would have it. */
const diagnose = (text: string) =>
  text.split("\n").flatMap((content, line) =>
    Array.from(content.matchAll(/TODO/g), ({ 0: { length }, index }) => ({
      range: { start: { line, character: index }, end: { line, character: index + length } },
      message: "to do"
    }))
  )

const answer = (line: Line, id: typeof Id.Type, result: Pick<Message, "result" | "error">) =>
  line.send({ jsonrpc: "2.0", id, ...result })

const handle = ({ id, method, params }: Message, line: Line) => {
  if (method === "textDocument/didOpen") {
    return Option.match(documentOf(params), {
      onNone: () => Effect.void,
      onSome: ({ textDocument: { text, uri } }) => {
        const params = { uri, diagnostics: diagnose(text) }
        return line.send({ jsonrpc: "2.0", method: "textDocument/publishDiagnostics", params })
      }
    })
  }
  if (method === "exit") return line.connection.shutdownRead
  if (method === undefined || id === undefined) return Effect.void
  if (method === "initialize") {
    const result = { capabilities: { textDocumentSync: { openClose: true, change: 0 } }, serverInfo: { name: "todo" } }
    return answer(line, id, { result })
  }
  if (method === "shutdown") return answer(line, id, { result: null })
  return answer(line, id, { error: { code: -32_601, message: `no method ${method}` } })
}

const lsp = Server.forEach(codec, handle)
Server.run({ address, deadlines: { readIdle: "unbounded" } }, lsp).pipe(
  Effect.provide(NodeTransport.layer),
  NodeRuntime.runMain
)
