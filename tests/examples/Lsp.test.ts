import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as net from "node:net"
import { createMessageConnection, ResponseError, SocketMessageReader, SocketMessageWriter } from "vscode-jsonrpc/node"
import * as Example from "../support/Example.ts"
import * as Socket from "../support/Socket.ts"

const serve = Example.serve("lsp/server.ts")

describe("example lsp", () => {
  it.live("serves vscode-jsonrpc: requests, notifications both ways, and errors", () =>
    Effect.gen(function*() {
      const { port } = yield* serve
      const socket = yield* Effect.acquireRelease(
        Effect.sync(() => net.connect(port, "127.0.0.1")),
        (socket) => Effect.sync(() => socket.destroy())
      )
      yield* Effect.promise(async () => {
        const line = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket))
        const published = new Promise((resolve) =>
          line.onNotification("textDocument/publishDiagnostics", (params) => resolve(params))
        )
        line.listen()
        const { capabilities } = await line.sendRequest<{ capabilities: unknown }>("initialize", { processId: null })
        assert.deepStrictEqual(capabilities, { textDocumentSync: { openClose: true, change: 0 } })
        await line.sendNotification("initialized", {})
        await line.sendNotification("textDocument/didOpen", {
          textDocument: { uri: "file:///a", text: "\u20ac\n  TODO x" }
        })
        assert.deepStrictEqual(await published, {
          uri: "file:///a",
          diagnostics: [
            { range: { start: { line: 1, character: 2 }, end: { line: 1, character: 6 } }, message: "to do" }
          ]
        })
        const error = await line.sendRequest("textDocument/hover", {}).catch((error: unknown) => error)
        assert.instanceOf(error, ResponseError)
        assert.strictEqual(error.code, -32_601)
        assert.isNull(await line.sendRequest("shutdown"))
        const closed = new Promise<void>((resolve) => line.onClose(() => resolve()))
        await line.sendNotification("exit")
        await closed
        line.dispose()
      })
    }))

  it.live("closes a connection whose message is none of JSON-RPC, and passes over notifications that it cannot use", () =>
    Effect.gen(function*() {
      const { port } = yield* serve
      const say = (text: string) => `Content-Length: ${text.length}\r\n\r\n${text}`
      const socket = yield* Socket.connect(port)
      yield* socket.write(say(`{"jsonrpc":"2.0","method":"textDocument/didOpen","params":7}`))
      yield* socket.write(say(`{"jsonrpc":"2.0","method":"shutdown","id":null}`) + say(`{"jsonrpc":"1.0"}`))
      assert.strictEqual((yield* socket.ended).text, say(`{"jsonrpc":"2.0","id":null,"result":null}`))
    }))
})
