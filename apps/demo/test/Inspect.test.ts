import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Command from "../../../tests/support/Command.ts"

const inspect = (stdin: string | Uint8Array, ...args: ReadonlyArray<string>) =>
  Command.run(["inspect", "--framing", ...args], stdin)

const objects = (stdout: string): ReadonlyArray<unknown> =>
  stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as unknown)

/** A folder that goes with the test. */
const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "framewire-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

describe("inspect", () => {
  it.live("prints number, offset, length, hex and text of each frame of standard input", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* inspect("a\n\nbc\r\nlast", "lines"), {
        code: 0,
        stdout: [
          "#1  offset 0  1 bytes  61  \"a\"",
          "#2  offset 2  0 bytes    \"\"",
          "#3  offset 3  2 bytes  62 63  \"bc\"",
          "#4  offset 7  4 bytes  6c 61 73 74  \"last\"",
          ""
        ].join("\n"),
        stderr: ""
      })
    }))

  it.live("reads a file, and then leaves standard input alone", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "frames.bin")
      writeFileSync(file, Buffer.from("\0\x05hello\0\0\0\x01\xff", "latin1"))
      const child = yield* Command.start("inspect", file, "--framing", "u16be")
      assert.deepStrictEqual(yield* child.ended, {
        code: 0,
        stdout: [
          "#1  offset 0  5 bytes  68 65 6c 6c 6f  \"hello\"",
          "#2  offset 7  0 bytes    \"\"",
          "#3  offset 9  1 bytes  ff  \"\ufffd\"",
          ""
        ].join("\n"),
        stderr: ""
      })
    }))

  it.live("writes control characters out, so that bytes cannot steer the terminal", () =>
    Effect.gen(function*() {
      const { stdout } = yield* inspect("\x1b[31mred\t\0\x07\x7f\u009b2J\rx\n", "lines")
      assert.include(stdout, String.raw`"\e[31mred\t\x00\x07\x7f\x9b2J\rx"`)
      // oxlint-disable-next-line no-control-regex -- control characters are what this is about
      assert.notMatch(stdout.trimEnd(), /[\u0000-\u001f\u007f-\u009f]/)
    }))

  it.live("cuts long frames short", () =>
    Effect.gen(function*() {
      const { stdout } = yield* inspect(`${"x".repeat(65)}\n`, "lines")
      assert.strictEqual(
        stdout,
        `#1  offset 0  65 bytes  ${"78 ".repeat(16)}...  "${"x".repeat(64)}"...\n`
      )
    }))

  it.live("prints nothing for no bytes, exit code 0", () =>
    Effect.gen(function*() {
      for (const args of [["lines"], ["u32be"], ["u32be", "--json"]]) {
        assert.deepStrictEqual(yield* inspect("", ...args), { code: 0, stdout: "", stderr: "" })
      }
    }))

  it.live("prints a JSON object a frame for --json", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* inspect("a\n\n\xff\n", "lines", "--json")
      assert.strictEqual(
        stdout,
        "{\"frame\":\"61\",\"offset\":0}\n{\"frame\":\"\",\"offset\":2}\n{\"frame\":\"c3bf\",\"offset\":3}\n"
      )
      assert.deepStrictEqual([code, stderr], [0, ""])
    }))

  it.live("prints every frame, however slow its reader is", () =>
    Effect.gen(function*() {
      const child = yield* Command.start("inspect", "--framing", "lines", "--json")
      yield* child.pauseOutput
      yield* child.write("0123456789\n".repeat(100_000))
      yield* child.end
      // Long enough for a command that does not wait to be gone.
      yield* Effect.sleep("1 second")
      yield* child.resumeOutput
      const { code, stdout } = yield* child.ended
      const lines = stdout.trimEnd().split("\n")
      assert.strictEqual(lines.length, 100_000)
      assert.strictEqual(lines.at(-1), `{"frame":"30313233343536373839","offset":${99_999 * 11}}`)
      assert.strictEqual(code, 0)
    }))

  it.live("ends without a stack when nobody reads its output any more, as with head", () =>
    Effect.gen(function*() {
      const child = yield* Command.start("inspect", "--framing", "lines")
      yield* child.closeOutput
      yield* child.write("0123456789\n".repeat(100_000))
      const { code, stderr } = yield* child.ended
      assert.deepStrictEqual([code, stderr], [141, ""])
    }))
})

describe("inspect, where the input is bad", () => {
  const frames = Buffer.from("\0\0\0\x02ok\0\0\0\x05fiv", "latin1")
  const truncated = "the stream ended after 7 bytes of a frame of 9, at byte 6 of the stream: " +
    "00 00 00 05 66 69 76 \"....fiv\""

  it.live("truncated: prints the frames before, then one line, exit code 1", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* inspect(frames, "u32be"), {
        code: 1,
        stdout: "#1  offset 0  2 bytes  6f 6b  \"ok\"\n",
        stderr: `framewire: Truncated: ${truncated}\n`
      })
    }))

  it.live("truncated, as JSON", () =>
    Effect.gen(function*() {
      const { code, stdout } = yield* inspect(frames, "u32be", "--json")
      assert.deepStrictEqual(objects(stdout), [
        { frame: "6f6b", offset: 0 },
        {
          error: "Truncated",
          offset: 6,
          have: 7,
          need: 9,
          message: truncated
        }
      ])
      assert.strictEqual(code, 1)
    }))

  it.live("too long: prints the frames before, then one line, and nothing after", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* inspect("ok\ntoo long\nok\n", "lines:limit=3"), {
        code: 1,
        stdout: "#1  offset 0  2 bytes  6f 6b  \"ok\"\n",
        stderr:
          "framewire: FrameTooLong: a frame of 4 bytes, 3 are allowed, at byte 3 of the stream: 74 6f 6f 20 \"too \"\n"
      })
    }))

  it.live("too long, where the framing says to skip it: one line, and the frames after it, exit code 1", () =>
    Effect.gen(function*() {
      const input = "one\nfar too long\ntwo\nand another\nthree\n"
      const args = ["inspect", "--framing", "lines:limit=5,onTooLong=skip"]
      const text = yield* Command.run(args, input)
      assert.deepStrictEqual(Array.from(text.stdout.matchAll(/^#\d .*"(\w+)"$/gm), ([, it]) => it), [
        "one",
        "two",
        "three"
      ])
      assert.strictEqual(
        text.stderr,
        "framewire: FrameTooLong: a frame of 12 bytes, 5 are allowed, in frame 1, at byte 4 of the stream\n" +
          "framewire: FrameTooLong: a frame of 11 bytes, 5 are allowed, in frame 3, at byte 21 of the stream\n"
      )
      const json = yield* Command.run([...args, "--json"], input)
      const keys = json.stdout.trimEnd().split("\n").map((line) => line.slice(2, 7))
      assert.deepStrictEqual(keys, ["frame", "error", "frame", "error", "frame"])
      assert.deepStrictEqual([text.code, json.code, json.stderr], [1, 1, ""])
    }))

  it.live("too long, as JSON, though only the length has come", () =>
    Effect.gen(function*() {
      const { code, stdout } = yield* inspect(Uint8Array.of(0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff), "u32be", "--json")
      assert.deepStrictEqual(objects(stdout), [
        { frame: "", offset: 0 },
        {
          error: "FrameTooLong",
          offset: 4,
          size: 4294967295,
          limit: 1048576,
          message: "a frame of 4294967295 bytes, 1048576 are allowed, at byte 4 of the stream: ff ff ff ff \"....\""
        }
      ])
      assert.strictEqual(code, 1)
    }))

  it.live("a file that is missing: one line, exit code 1", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "missing.bin")
      const { code, stderr, stdout } = yield* inspect("", "lines", file)
      assert.match(stderr, /^framewire: .*ENOENT.*missing\.bin'?\n$/)
      assert.deepStrictEqual([code, stdout], [1, ""])
    }))

  it.live("a file that is a folder: one line, exit code 1", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* inspect("", "lines", yield* folder)
      assert.match(stderr, /^framewire: .*EISDIR.*\n$/)
      assert.deepStrictEqual([code, stdout], [1, ""])
    }))

  it.live("a spec that is wrong: shows where, exit code 2", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* inspect("a\n", "lines:limit=1,cr"), {
        code: 2,
        stdout: "",
        stderr: [
          "framewire: --framing: expected one of crlf, strict, onTooLong=fail|skip|truncate, limit=BYTES",
          "  lines:limit=1,cr",
          "                ^",
          ""
        ].join("\n")
      })
    }))

  it.live("chunks of no bytes: one line, exit code 2", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* inspect("a\n", "lines", "--chunks", "0"), {
        code: 2,
        stdout: "",
        stderr: "framewire: --chunks: at least 1 byte\n"
      })
    }))
})

describe("inspect --chunks", () => {
  const inputs: ReadonlyArray<readonly [name: string, framing: string, bytes: Buffer, code: number]> = [
    ["lines", "lines", Buffer.from("a\r\n\n\rb\r\r\nlonger than seven\nlast\r"), 0],
    ["a line over the limit", "lines:limit=4", Buffer.from("ok\nfour\r\nfives\r\nok\n"), 1],
    ["lengths, the last one truncated", "u16le", Buffer.from("\x05\0hello\0\0\x0a\0ten bytes.\x05\0fiv", "latin1"), 1]
  ]
  it.live.each(inputs)(
    "%s: the same output whatever the size of the chunks",
    ([, framing, bytes, code]) =>
      Effect.gen(function*() {
        const whole = yield* inspect(bytes, framing, "--json")
        assert.strictEqual(whole.code, code)
        for (const size of [1, 2, 3, 7, 1000]) {
          assert.deepStrictEqual(yield* inspect(bytes, framing, "--json", "--chunks", String(size)), whole, `${size}`)
        }
      })
  )
})
