// redis-cli speaks RESP: commands are arrays of byte strings, answers any values.
import { assert, describe, it } from "@effect/vitest"
import { NodeTransport } from "@framewire/core/node"
import { Protocol, Resp } from "@framewire/framing"
import { Server } from "@framewire/server"
import * as Effect from "effect/Effect"
import * as Peer from "../support/Peer.ts"
import * as Process from "../support/Process.ts"

const text = (value: Resp.Value | undefined) => value?.type === "bytes" ? new TextDecoder().decode(value.value) : "?"

/** Answers a command by what its name asks for. */
const answer = (command: Resp.Value): Resp.Value => {
  const words = command.type === "array" ? command.value : []
  switch (text(words[0])) {
    case "PING":
      return { type: "simple", value: "PONG" }
    case "ECHO":
      return words[1] ?? { type: "null" }
    case "STRLEN":
      return { type: "integer", value: text(words[1]).length }
    case "LRANGE":
      return { type: "array", value: [words[1] ?? { type: "nullBytes" }, { type: "array", value: [] }] }
    default:
      return { type: "error", value: "ERR unknown command" }
  }
}

const peer = Peer.redis()

describe.skipIf(peer.skipped)(`redis-cli${peer.note}`, () => {
  it("is here", () => assert.isUndefined(peer.problem))

  it.live("gets the answers of a server on Resp, to each of its commands on one connection", () =>
    Effect.gen(function*() {
      const server = yield* Server.make(
        { address: { host: "127.0.0.1", port: 0 } },
        Server.respond(Protocol.symmetric(Resp.make()), (command) => Effect.succeed(answer(command)))
      )
      const { address } = server
      const port = "port" in address ? String(address.port) : ""
      const commands = ["PING", "ECHO \"a b\\r\\n\\x00€\"", `STRLEN ${"x".repeat(70_000)}`, "LRANGE key", "NOPE"]
      const cli = yield* Process.run("redis-cli", ["-p", port, "--no-raw"], `${commands.join("\n")}\n`)
      assert.deepStrictEqual(cli, {
        code: 0,
        stdout: [
          "PONG",
          "\"a b\\r\\n\\x00\\xe2\\x82\\xac\"",
          "(integer) 70000",
          "1) \"key\"",
          "2) (empty array)",
          "(error) ERR unknown command",
          ""
        ].join("\n"),
        stderr: ""
      })
    }).pipe(Effect.provide(NodeTransport.layer), Effect.timeout("15 seconds")))
})
