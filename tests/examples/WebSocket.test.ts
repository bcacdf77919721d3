import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { chromium } from "playwright-core"
import { build } from "vite"
import { WebSocket } from "ws"
import * as Example from "../support/Example.ts"
import * as Peer from "../support/Peer.ts"

const serve = Example.serve("websocket/server.ts")
const root = join(import.meta.dirname, "..", "..", "examples", "websocket")
const peer = Peer.chromium()

/** The page as vite bundles it. */
const bundled = Effect.gen(function*() {
  const outDir = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "framewire-websocket-"))),
    (home) => Effect.sync(() => rmSync(home, { recursive: true }))
  )
  yield* Effect.promise(() => build({ root, logLevel: "error", build: { outDir, emptyOutDir: false } }))
  return outDir
})

/** Serves the files of a folder, and gives the URL. */
const hosted = (folder: string) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      const files = new Map(globSync("**/*.{html,js}", { cwd: folder }).map((path) => [`/${path}`, path]))
      const server = createServer((request, response) => {
        const path = files.get(new URL(request.url ?? "/", "http://localhost").pathname)
        const type = path?.endsWith(".js") === true ? "text/javascript" : "text/html"
        response.writeHead(path === undefined ? 404 : 200, { "content-type": type, connection: "close" })
        response.end(path === undefined ? "" : readFileSync(join(folder, path)))
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, close: () => server.close() }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

describe("example websocket", () => {
  it.live("the server answers frames however the messages of ws cut them", () =>
    Effect.gen(function*() {
      const { port } = yield* serve
      const stream = Buffer.from("\0\0\0\x07[1,2,3]\0\0\0\x02[]\0\0\0\x01x", "latin1")
      const received = yield* Effect.callback<string>((resume) => {
        const socket = new WebSocket(`ws://127.0.0.1:${port}`)
        const chunks: Array<string> = []
        socket.on("open", () => {
          for (const byte of stream) socket.send(Uint8Array.of(byte))
        })
        socket.on("message", (data: Buffer) => chunks.push(data.toString("latin1")))
        socket.on("close", () => resume(Effect.succeed(chunks.join(""))))
        return Effect.sync(() => socket.terminate())
      })
      assert.strictEqual(received, "\0\0\0\x0b{\"total\":6}\0\0\0\x0b{\"total\":0}")
    }))

  it.live("the bundle for browsers has nothing of Node's in it, and is not large", () =>
    Effect.gen(function*() {
      const [file = ""] = globSync(join(yield* bundled, "assets", "*.js"))
      const script = readFileSync(file, "utf8")
      // Effect asks a process for such a module, where there is one; what is imported would be here, or stand in for it.
      assert.notMatch(script, /(?:from|import|require)\s*\(?\s*["'`]|browser-external/)
      assert.isBelow(script.length, 200_000)
    }))

  describe.skipIf(peer.skipped)(`Chromium${peer.note}`, () => {
    it("is here", () => assert.isUndefined(peer.problem))

    it.live("asks, and shows the answers", () =>
      Effect.gen(function*() {
        const { port } = yield* serve
        const { url } = yield* hosted(yield* bundled)
        const browser = yield* Effect.acquireRelease(
          // Its sandbox needs rights that root in a container has not.
          Effect.promise(() => chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] })),
          (browser) => Effect.promise(() => browser.close())
        )
        const page = yield* Effect.promise(() => browser.newPage())
        yield* Effect.promise(() => page.goto(`${url}/index.html?port=${port}`))
        const output = page.locator("output", { hasText: /./ })
        assert.strictEqual(yield* Effect.promise(() => output.innerText({ timeout: 10_000 })), "totals: 6 0 42")
      }))
  })
})
