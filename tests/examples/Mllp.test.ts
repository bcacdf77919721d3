import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Example from "../support/Example.ts"
import * as Peer from "../support/Peer.ts"
import * as Process from "../support/Process.ts"
import * as Socket from "../support/Socket.ts"

const serve = Example.serve("mllp/server.ts")
const peer = Peer.mllp()

const block = (text: string) => `\v${text}\x1c\r`
const msh = (kind: string, id: string) => `MSH|^~\\&|LAB|A|EHR|B|20260101||${kind}|${id}|P|2.5\r`

describe("example mllp", () => {
  it.live("accepts each message by its own id, and rejects what has none", () =>
    Effect.gen(function*() {
      const { port } = yield* serve
      const socket = yield* Socket.connect(port)
      yield* socket.write(block(`${msh("ORU^R01", "1")}PID|1\r`) + block("nonsense") + block(msh("ORU", "")))
      yield* socket.end
      const { by, text } = yield* socket.ended
      assert.strictEqual(by, "FIN")
      const answers = text.split("\x1c\r").map((it) => it.replace(/\|\d{14}\|/, "|time|"))
      assert.deepStrictEqual(answers, [
        "\vMSH|^~\\&|EHR|B|LAB|A|time||ACK^R01^ACK|A1|P|2.5\rMSA|AA|1\r",
        "\vMSH|^~\\&|||||time||ACK|A|P|2.5\rMSA|AR||no kind or no id in MSH\r",
        "\vMSH|^~\\&|EHR|B|LAB|A|time||ACK|A|P|2.5\rMSA|AR||no kind or no id in MSH\r",
        ""
      ])
    }))

  it.live("closes a connection that speaks something else", () =>
    Effect.gen(function*() {
      const { port } = yield* serve
      const socket = yield* Socket.connect(port)
      yield* socket.write(msh("ORU^R01", "1"))
      assert.strictEqual((yield* socket.ended).text, "")
    }))

  describe.skipIf(peer.skipped)(`mllp_send${peer.note}`, () => {
    it("is here", () => assert.isUndefined(peer.problem))

    it.live("sends two messages and gets both answers", () =>
      Effect.gen(function*() {
        const { port, ...server } = yield* serve
        const sent = `${block(`${msh("ADT^A01", "7")}PID|1||42`)}${block(msh("ADT^A08", "8"))}`
        // From its standard input it reads text where it wants bytes.
        const home = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "framewire-mllp-"))),
          (home) => Effect.sync(() => rmSync(home, { recursive: true }))
        )
        const file = join(home, "messages")
        writeFileSync(file, sent)
        const args = ["--port", String(port), "--file", file, "127.0.0.1"]
        const { code, stderr, stdout } = yield* Process.run("mllp_send", args)
        assert.deepStrictEqual([code, stderr], [0, ""])
        assert.deepStrictEqual(stdout.match(/MSA\|\w+\|\d+/g), ["MSA|AA|7", "MSA|AA|8"])
        yield* server.printed(/^MSH.*ADT\^A01\|7\|P\|2\.5\nPID\|1\|\|42\nMSH.*ADT\^A08\|8/)
      }))
  })
})
