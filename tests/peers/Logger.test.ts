// logger of util-linux sends syslog over TCP with octet counting, as RFC 6587 has it.
import { assert, describe, it } from "@effect/vitest"
import { Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Codec, Framed, Preset } from "@framewire/framing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Peer from "../support/Peer.ts"
import * as Process from "../support/Process.ts"

/** The messages that logger sends with these arguments and this input. */
const logged = (args: ReadonlyArray<string>, input = "") =>
  Effect.gen(function*() {
    const listener = yield* Transport.listen({ host: "127.0.0.1", port: 0 })
    const receiving = yield* Effect.forkChild(Effect.gen(function*() {
      const framed = Framed.make(yield* listener.accept, Codec.text(Preset.syslog()))
      return yield* Stream.runCollect(framed.messages)
    }))
    const { address } = listener
    const port = "port" in address ? address.port : 0
    const to = ["--server", "127.0.0.1", "--port", String(port), "--tcp", "--octet-count"]
    const logger = yield* Process.run(
      "logger",
      [...to, "--rfc5424=notime,nohost", "--tag", "framewire", ...args],
      input
    )
    assert.deepStrictEqual(logger, { code: 0, stdout: "", stderr: "" })
    return yield* Fiber.join(receiving)
  }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer), Effect.timeout("15 seconds"))

const header = "<13>1 - - framewire - - - "
const peer = Peer.logger()

describe.skipIf(peer.skipped)(`logger${peer.note}`, () => {
  it("is here", () => assert.isUndefined(peer.problem))

  it.live("--octet-count: the message of its arguments", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* logged(["--", "hello", "world"]), [`${header}hello world`])
    }))

  it.live("--octet-count: every line of its input is one message, whatever its bytes and its size", () =>
    Effect.gen(function*() {
      const lines = ["a", "12 digits in front", "<1>", "€ 10", "x".repeat(9000), "last"]
      const messages = yield* logged(["--size", "10000"], lines.map((line) => `${line}\n`).join(""))
      assert.deepStrictEqual(messages, lines.map((line) => header + line))
    }))
})
