import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Example from "../support/Example.ts"
import * as Peer from "../support/Peer.ts"
import * as Process from "../support/Process.ts"

const serve = Example.serve("binary-header/server.ts")
const nc = Peer.netcat()

describe("example binary-header", () => {
  describe.skipIf(nc.skipped)(`nc${nc.note}`, () => {
    it("is here", () => assert.isUndefined(nc.problem))

    const said = (port: number, text: string) =>
      Effect.gen(function*() {
        const { code, stdout } = yield* Process.run("nc", ["-N", "127.0.0.1", String(port)], text)
        assert.strictEqual(code, 0)
        return stdout
      })

    it.live("answers each message, and ends a connection whose next header is none", () =>
      Effect.gen(function*() {
        const { port } = yield* serve
        const good = "FW\x01\x01\x02\0\0\0hiFW\x01\0\0\0\0\0FW\x01\x02\0\0\0\0"
        const answers = "FW\x01\x01\x02\0\0\0hiFW\x01\0\x04\0\0\0pongFW\x01\x02\x16\0\0\0an error is no request"
        assert.strictEqual(yield* said(port, good), answers)
        for (
          const bad of ["FX\x01\x01\0\0\0\0", "FW\x02\x01\0\0\0\0", "FW\x01\x01\0\0\x02\0", "FW\x01\x03\0\0\0\0", "FW"]
        ) {
          assert.strictEqual(yield* said(port, good + bad + good), answers, JSON.stringify(bad))
        }
      }))
  })
})
