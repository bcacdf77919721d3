import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import * as Command from "../../../tests/support/Command.ts"
import * as Socket from "../../../tests/support/Socket.ts"
import * as Print from "../src/tap/Print.ts"

describe("the command", () => {
  it.live("tells its version and its help on standard output, exit code 0", () =>
    Effect.gen(function*() {
      const version = yield* Command.run(["--version"])
      assert.match(version.stdout, /^framewire v\d+\.\d+\.\d+\n$/)
      assert.deepStrictEqual([version.code, version.stderr], [0, ""])
      const help = yield* Command.run(["tap", "--help"])
      assert.match(help.stdout, /--listen HOST:PORT/)
      assert.deepStrictEqual([help.code, help.stderr], [0, ""])
      // No terminal, no colours.
      assert.notInclude(help.stdout, "\u001b")
    }))

  const wrong: ReadonlyArray<readonly [args: ReadonlyArray<string>, stderr: ReadonlyArray<string>]> = [
    [["tap"], [
      "framewire: Missing required flag: --listen",
      "usage: framewire tap [flags]",
      "       framewire tap --help tells more"
    ]],
    [["frobnicate"], [
      "framewire: Unknown subcommand \"frobnicate\" for \"framewire\"",
      "usage: framewire <subcommand> [flags]",
      "       framewire --help tells more"
    ]]
  ]
  it.live.each(wrong)(
    "says on three lines of standard error what is wrong with %j, exit code 2",
    ([args, lines]) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* Command.run(args), { code: 2, stdout: "", stderr: `${lines.join("\n")}\n` })
      })
  )

  it.live("offers what a mistyped flag may have meant", () =>
    Effect.gen(function*() {
      const { code, stderr } = yield* Command.run(["tap", "--lisen", "1"])
      assert.match(stderr, /^framewire: Unrecognized flag: --lisen .*\n\n.*Did you mean this\?\n +--listen\n/)
      assert.strictEqual(code, 2)
    }))

  it.live("prints completions that bash can read, with every command", () =>
    Effect.gen(function*() {
      const { code, stdout } = yield* Command.run(["--completions", "bash"])
      assert.strictEqual(code, 0)
      for (const name of ["tour", "serve", "connect", "inspect", "tap", "replay", "bench"]) assert.include(stdout, name)
      assert.strictEqual(spawnSync("bash", ["-n"], { input: stdout, encoding: "utf8" }).stderr, "")
    }))

  it.live("takes from the environment what is not said", () =>
    Effect.gen(function*() {
      const { code, stdout } = yield* Command.shell("echo a | FRAMEWIRE_FRAMING=lines \"$@\"", "inspect")
      assert.deepStrictEqual([code, stdout], [0, "#1  offset 0  1 bytes  61  \"a\"\n"])
      const said = yield* Command.shell("echo a | FRAMEWIRE_FRAMING=u8 \"$@\"", "inspect", "--framing", "lines")
      assert.strictEqual(said.stdout, stdout)
      const wrong = yield* Command.shell("echo a | FRAMEWIRE_FRAMING=nothing \"$@\"", "inspect")
      assert.strictEqual(wrong.code, 2)
      assert.match(wrong.stderr, /^framewire: --framing: expected one of /)
    }))

  it.live("ends as if by SIGPIPE where nobody reads a tap any more", () =>
    Effect.gen(function*() {
      const { stderr, stdout } = yield* Command.shell(
        "{ \"$@\"; echo $? >&2; } | head -1",
        "tap",
        "--json",
        "--framing",
        "lines",
        "--listen",
        "127.0.0.1:0",
        "--to",
        "127.0.0.1:1"
      )
      assert.match(stdout, /^\{"_tag":"Listening".*\}\n$/)
      assert.strictEqual(stderr, "141\n")
    }))

  it.live("logs on standard error, and only as much as --log-level says", () =>
    Effect.gen(function*() {
      const log = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
        const server = yield* Command.start("serve", "echo", "--framing", "lines:limit=1", "--port", "0", ...args)
        const [, port] = yield* server.printed(/listening 127\.0\.0\.1:(\d+)/)
        const client = yield* Socket.connect(Number(port))
        yield* client.write("too long\n")
        yield* client.ended
        yield* server.signal("SIGTERM")
        const { stdout } = yield* server.ended
        assert.strictEqual(stdout.split("\n").length, 2, stdout)
      })
      yield* log()
      yield* log("--log-level", "all")
      assert.strictEqual((yield* Command.run(["tour", "--log-level", "loud"])).code, 2)
    }))

  it("has colours for a terminal alone", () => {
    const accepted = {
      _tag: "Accepted",
      connection: 1,
      client: { host: "127.0.0.1", port: 7 },
      sequence: 1,
      time: 0
    } as const
    assert.strictEqual(Print.line(accepted, false), "00:00:00.000  #1 accepted 127.0.0.1:7")
    assert.strictEqual(Print.line(accepted, true), "00:00:00.000  \u001b[32m#1 accepted 127.0.0.1:7\u001b[0m")
  })
})
