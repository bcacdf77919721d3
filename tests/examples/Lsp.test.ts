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

  it.live("says of each message that is none what is wrong, and goes on; what has no length ends it", () =>
    Effect.gen(function*() {
      const { port } = yield* serve
      const say = (text: string) => `Content-Length: ${text.length}\r\n\r\n${text}`
      const socket = yield* Socket.connect(port)
      yield* socket.write(say(`{"jsonrpc":"2.0","method":"textDocument/didOpen","params":7}`) + say("{") + say("{}"))
      yield* socket.write(say(`{"jsonrpc":"2.0","method":"shutdown","id":null}`) + "{}\r\n\r\n")
      const answers = (yield* socket.ended).text.split(/Content-Length: \d+\r\n\r\n/).slice(1)
      assert.deepStrictEqual(
        answers.map((it) => {
          const { error, id, result } = JSON.parse(it)
          return [id, error?.code ?? result]
        }),
        [[null, -32_700], [null, -32_600], [null, null]]
      )
    }))
})
