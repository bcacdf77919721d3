import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import * as Command from "../../../tests/support/Command.ts"
import * as Process from "../../../tests/support/Process.ts"
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

  it.live("names the option whose address cannot be, and escapes what was said", () =>
    Effect.gen(function*() {
      const { code, stderr } = yield* Command.run(["tap", "--to", "127.0.0.1:1", "--listen", "no\u001b[31mwhere"])
      assert.match(stderr, /^framewire: --listen: "no\\e\[31mwhere" is not an address: expected HOST:PORT, .*\n$/)
      assert.strictEqual(code, 2)
    }))

  it.live("offers what a mistyped flag may have meant", () =>
    Effect.gen(function*() {
      const { code, stderr } = yield* Command.run(["tap", "--lisen", "1"])
      assert.match(stderr, /^framewire: Unrecognized flag: --lisen .*\n\n.*Did you mean this\?\n +--listen\n/)
      assert.strictEqual(code, 2)
    }))

  it.live.each(["bash", "zsh", "fish", "powershell"])(
    "prints completions for %s, with every command",
    (shell) =>
      Effect.gen(function*() {
        const { code, stdout } = yield* Command.run(["--completions", shell])
        assert.strictEqual(code, 0)
        for (const name of ["tour", "serve", "rooms", "connect", "inspect", "tap", "replay", "bench", "framing"]) {
          assert.include(stdout, name)
        }
        // The shells that are here read it.
        const read = spawnSync(shell, ["-n"], { input: stdout, encoding: "utf8" })
        if (read.error === undefined) assert.strictEqual(read.stderr, "")
      })
  )

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

  it.live.each<readonly [string, string, string]>([
    ["on a full disk", "\"$@\" > /dev/full", "framewire: standard output: ENOSPC: no space left on device, write\n"],
    ["for a reader that has gone", "{ sleep 1; \"$@\"; echo $? >&2; } | :", "141\n"]
  ])("fails where its last words are lost, %s", ([, line, said]) =>
    Effect.gen(function*() {
      const { code, stderr } = yield* Command.shell(line, "--version")
      assert.deepStrictEqual([stderr, code], [said, said.endsWith("write\n") ? 1 : 0])
    }))

  it.live("logs lives on standard error where --log-level or its variable says debug; the flag is before it", () =>
    Effect.gen(function*() {
      const log = Effect.fnUntraced(function*(variable: string, ...args: ReadonlyArray<string>) {
        const server = yield* Process.start("env", [
          variable,
          process.execPath,
          "--conditions=@framewire/source",
          "apps/demo/src/main.ts",
          "serve",
          "echo",
          "--framing",
          "lines",
          "--port",
          "0",
          ...args
        ])
        const [, port] = yield* server.printed(/listening 127\.0\.0\.1:(\d+)/)
        const client = yield* Socket.connect(Number(port))
        yield* client.write("hello\n")
        yield* client.end
        yield* client.ended
        yield* server.signal("SIGTERM")
        const { stderr, stdout } = yield* server.ended
        assert.strictEqual(stdout.split("\n").length, 2, stdout)
        return Array.from(stderr.matchAll(/DEBUG .* (\w+ -> \w+)/g), ([, step]) => step)
      })
      const [none, both, flag, variable] = yield* Effect.all(
        [
          log("A=1"),
          log("FRAMEWIRE_LOG_LEVEL=debug", "--log-level", "info"),
          log("A=1", "--log-level", "debug"),
          log("FRAMEWIRE_LOG_LEVEL=Debug")
        ],
        { concurrency: 2 }
      )
      assert.deepStrictEqual([none, both], [[], []])
      const steps = ["new -> Open", "Open -> ReadClosed", "ReadClosed -> Closing", "Closing -> Closed"]
      for (const logged of [flag, variable]) assert.includeMembers(logged, steps)
      const wrong = yield* Command.shell("FRAMEWIRE_LOG_LEVEL=loud \"$@\"", "tour")
      assert.match(wrong.stderr, /^framewire: FRAMEWIRE_LOG_LEVEL: expected one of all .* none\n$/)
      assert.deepStrictEqual([wrong.code, (yield* Command.run(["tour", "--log-level", "loud"])).code], [2, 2])
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
