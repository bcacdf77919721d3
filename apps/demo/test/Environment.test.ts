// The command line is before the environment, that is before the default.
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as CliCommand from "effect/cli/Command"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Command from "../../../tests/support/Command.ts"
import { framewire } from "../src/Framewire.ts"

const commands: ReadonlyArray<readonly [command: string, operands: ReadonlyArray<string>]> = [
  ["serve echo", []],
  ["serve rooms", []],
  ["connect", ["127.0.0.1:1"]],
  ["inspect", []],
  ["tap", []],
  ["replay", ["file"]],
  ["bench", ["127.0.0.1:1"]]
]

const required: Readonly<Record<string, string>> = {
  FRAMEWIRE_FRAMING: "lines",
  FRAMEWIRE_LISTEN: "127.0.0.1:0",
  FRAMEWIRE_TO: "127.0.0.1:1"
}

/** An environment that has what is required, and cannot be asked for this: who does ask gets no further. */
const forbidding = (variable: string) =>
  ConfigProvider.make((path) => {
    const name = path.join("_")
    if (name === variable) return Effect.fail(new ConfigProvider.SourceError({ message: `asked for ${variable}` }))
    return Effect.succeed(required[name] === undefined ? undefined : ConfigProvider.makeValue(required[name]))
  })

const quiet = CliOutput.layerPresenter({ present: () => Effect.void })

const refusal = (args: ReadonlyArray<string>, variable: string) =>
  CliCommand.runWith(framewire, { version: "0.0.0", renderErrors: false })(args).pipe(
    Effect.flip,
    Effect.map((error) =>
      CliError.isCliError(error) && error._tag === "ShowHelp"
        ? error.errors.map(({ message }) => message).join()
        : "message" in error
        ? error.message
        : ""
    ),
    Effect.provide([NodeServices.layer, quiet, ConfigProvider.layer(forbidding(variable))])
  )

describe("the environment", () => {
  it.live.each(commands)("says every option of %s that the command line does not say; the help names it", (
    [command, operands]
  ) =>
    Effect.gen(function*() {
      const words = command.split(" ")
      const { stdout } = yield* Command.run([...words, "--help"])
      const [, flags = ""] = /\nFLAGS\n([^]*?)\n\n/.exec(stdout) ?? []
      const names = Array.from(flags.matchAll(/^ {2}--([a-z]+)/gm), ([, name]) => name)
      const variables = Array.from(flags.matchAll(/[[ ](FRAMEWIRE_[A-Z_]+)\]/g), ([, name = ""]) => name)
      assert.isAtLeast(names.length, 1)
      assert.deepStrictEqual(variables.map((variable) => variable.split("_").at(-1)?.toLowerCase()), names)
      for (const variable of variables) {
        assert.include(yield* refusal([...words, ...operands], variable), `asked for ${variable}`)
      }
    }))

  it.live("is less than the command line, and more than the default", () =>
    Effect.gen(function*() {
      const lines = yield* Command.shell("echo a | FRAMEWIRE_FRAMING=lines \"$@\"", "inspect")
      assert.deepStrictEqual([lines.code, lines.stdout], [0, "#1  offset 0  1 bytes  61  \"a\"\n"])
      const json = yield* Command.shell(
        "echo a | FRAMEWIRE_INSPECT_JSON=yes FRAMEWIRE_FRAMING=u8 \"$@\"",
        "inspect",
        "--framing",
        "lines"
      )
      assert.deepStrictEqual([json.code, json.stdout], [0, "{\"frame\":\"61\",\"offset\":0}\n"])
      const said = yield* Command.shell(
        "echo a | FRAMEWIRE_INSPECT_JSON=yes \"$@\"",
        "inspect",
        "--framing",
        "lines",
        "--no-json"
      )
      assert.deepStrictEqual([said.code, said.stdout], [0, lines.stdout])
    }))

  it.live("is refused by the name that it has there, exit code 2", () =>
    Effect.gen(function*() {
      const [number, spec] = yield* Effect.all([
        Command.shell("FRAMEWIRE_ECHO_PORT=many \"$@\"", "serve", "echo", "--framing", "lines"),
        Command.shell("echo a | FRAMEWIRE_FRAMING=nothing \"$@\"", "inspect")
      ])
      assert.match(number.stderr, /^framewire: FRAMEWIRE_ECHO_PORT: expected .*number\nusage: framewire serve echo /)
      assert.match(spec.stderr, /^framewire: --framing: expected one of /)
      assert.deepStrictEqual([number.code, spec.code], [2, 2])
    }))
})
