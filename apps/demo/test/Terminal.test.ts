// The command on a terminal, which `script` makes, and without one.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Socket as NodeSocket } from "node:net"
import * as Command from "../../../tests/support/Command.ts"
import * as Peer from "../../../tests/support/Peer.ts"
import * as Process from "../../../tests/support/Process.ts"
import * as Socket from "../../../tests/support/Socket.ts"

const script = Peer.script()
const escape = "\u001b["

const lineOf = (args: ReadonlyArray<string>) =>
  [process.execPath, "--conditions=@framewire/source", "apps/demo/src/main.ts", ...args]
    .map((word) => `'${word}'`).join(" ")

/** On a terminal of its own, with this in its environment, in place of the shell: one that stays ends by our Ctrl-C, too. */
const onTerminal = (args: ReadonlyArray<string>, variable = "") =>
  Process.start("script", [
    "-qefc",
    `exec env -u NO_COLOR -u FORCE_COLOR TERM=xterm ${variable} ${lineOf(args)}`,
    "/dev/null"
  ])

const echo = (socket: NodeSocket) => void socket.pipe(socket)

describe.skipIf(script.skipped)(`the command on a terminal${script.note}`, () => {
  const tapped = Effect.fnUntraced(function*(variable: string) {
    const port = yield* Socket.listen(echo)
    const tap = yield* onTerminal(
      ["tap", "--listen", "127.0.0.1:0", "--to", `127.0.0.1:${port}`, "--framing", "lines"],
      variable
    )
    const [, at] = yield* tap.printed(/listening 127\.0\.0\.1:(\d+)/)
    const client = yield* Socket.connect(Number(at))
    yield* client.write("\u001b[31mred\n")
    yield* client.received(9)
    const [shown] = yield* tap.printed(/accepted[^]*<- 1 [^]*\n/)
    // Below what is printed, and drawn again.
    yield* tap.printed(/\r\n {3}1 127\.0\.0\.1:\d+ +open +1 +9 B +1 +9 B\r\n/)
    // Ctrl-C, as the terminal gives it.
    yield* tap.write("\u0003")
    const { code } = yield* tap.ended
    return { code, shown }
  })

  it.live("tap has colours of its own, shows those of a peer as text, and ends by Ctrl-C, exit code 0", () =>
    Effect.gen(function*() {
      const { code, shown } = yield* tapped("")
      assert.include(shown, `${escape}34m#1 -> 1`)
      assert.include(shown, "\"\\e[31mred\"")
      assert.notInclude(shown, `${escape}31m`)
      assert.include(shown, `${escape}7m   # client`)
      assert.strictEqual(code, 0)
    }))

  it.live("tap has none with NO_COLOR=1", () =>
    Effect.gen(function*() {
      const { shown } = yield* tapped("NO_COLOR=1")
      assert.include(shown, "#1 -> 1")
      for (const colour of [7, 32, 34, 35]) assert.notInclude(shown, `${escape}${colour}m`)
    }))

  it.live("help has colours, and none with NO_COLOR", () =>
    Effect.gen(function*() {
      const coloured = yield* Effect.flatMap(onTerminal(["--help"]), ({ ended }) => ended)
      assert.include(coloured.stdout, escape)
      const plain = yield* Effect.flatMap(onTerminal(["--help"], "NO_COLOR=1"), ({ ended }) => ended)
      assert.include(plain.stdout, "SUBCOMMANDS")
      assert.notInclude(plain.stdout, escape)
    }))

  it.live("bench has a progress bar, which is gone when the report comes; a pipe gets none", () =>
    Effect.gen(function*() {
      const { port } = yield* Command.serve("lines")
      const args = ["bench", `127.0.0.1:${port}`, "--framing", "lines", "--duration", "1", "--connections", "1"]
      const { code, stdout } = yield* Effect.flatMap(onTerminal(args), ({ ended }) => ended)
      assert.match(stdout, /\r\[#* *\] [\d.]+ of 1 s, \d+ frames /)
      const [, report] = stdout.split(`\r${escape}K`)
      assert.match(report ?? "", /^\d+ frames in 1 s/)
      assert.strictEqual(code, 0)
      const piped = yield* Command.run(args)
      assert.deepStrictEqual([piped.code, piped.stderr], [0, ""])
      assert.match(piped.stdout, /^\d+ frames in 1 s/)
    }))
})
