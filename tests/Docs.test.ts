// No block of a page goes without a look: each kind of block that CI would pass over is planted here, and found.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { blocksOf } from "../scripts/docs-blocks.ts"
import * as Process from "./support/Process.ts"

const block = (info: string, ...body: ReadonlyArray<string>) => ["```" + info, ...body, "```", ""].join("\n")
const problemsOf = (text: string) => blocksOf("page.md", text).problems

/** What `npm run docs` says of one page. */
const check = (text: string) =>
  Effect.scoped(Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "framewire-docs-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true }))
    )
    const page = join(folder, "page.md")
    writeFileSync(page, text)
    return yield* Process.run(process.execPath, ["scripts/check-docs.ts", page])
  }))

const good = block("ts run", "import { Codec } from \"@framewire/framing\"", "console.log(Codec.defaultLimit)") +
  block("text output", "1048576") + block("sh", "echo $((1 + 1))") + block("json", "{ \"a\": 1 }") +
  block("text", "GET")

describe("blocks of the documentation", () => {
  it.each([
    ["another language", block("js", "1 + 1")],
    ["no language", block("", "1 + 1")],
    ["another fence", "~~~ts\n1 + 1\n~~~\n"],
    ["a block that is indented", "- item\n\n  ```ts\n  1 + 1\n  ```\n"],
    ["a flag that means nothing", block("ts skip", "1 + 1")],
    ["TypeScript as text", block("text", "import { Codec } from \"@framewire/framing\"")],
    ["TypeScript outside a block", "    const codec = Codec.text(Lines.make())\n"],
    ["a block without an end", "```ts\n1 + 1\n"],
    ["what prints and is not run", block("ts", "console.log(1)") + block("text output", "1")],
    ["what prints and is compared with nothing", block("ts run", "console.log(1)")],
    ["an output of nothing", block("text output", "1")]
  ])("%s is refused", (_, text) => {
    assert.isAbove(problemsOf(text).length, 0)
  })

  it("code in prose, drawings and the kinds that are known are not", () => {
    assert.deepStrictEqual(problemsOf(good + "A codec is `Codec.text(Lines.make())`.\n"), [])
  })

  it.live("a good page passes", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* check(good)
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.match(stdout, /^1 pages: 1 blocks compiled, 1 run: 0 problem\(s\)$/m)
    }), 60_000)

  it.live(
    "what does not compile, parse or print that, differs from its file or leads nowhere, is found",
    () =>
      Effect.gen(function*() {
        const { code, stderr } = yield* check(
          block("ts", "const size: string = 1") + block("ts run", "console.log(1)") + block("text output", "2") +
            block("sh", "if true") + block("json", "{") + block("ts run", "throw new Error('boom')") +
            `<!-- embed examples/echo/server.ts -->\n\n${block("ts", "1 + 1")}\n[gone](no/such.md#part)\n`
        )
        assert.strictEqual(code, 1)
        assert.match(stderr, /page\.md\(2,7\): error TS2322/)
        assert.match(stderr, /page\.md:4: it prints\n1\n/)
        assert.match(stderr, /page\.md:10: Error: .*bash/)
        assert.match(stderr, /page\.md:13: SyntaxError/)
        assert.match(stderr, /page\.md:16: failed[\s\S]*boom/)
        assert.match(stderr, /page\.md: nothing is at no\/such\.md\n/)
        assert.match(stderr, /page\.md: differs from examples\/echo\/server\.ts/)
      }),
    60_000
  )
})

describe("LLMS.md", () => {
  const text = readFileSync("LLMS.md", "utf8")
  const table = text.slice(text.indexOf("| from "), text.indexOf("Types to know"))

  it("has every noun of every entry, each beside the entry that it is imported from, and no other", () => {
    let entry = ""
    const told = table.split("\n").slice(2).flatMap((row) => {
      const [, from = "", nouns = ""] = row.split("|")
      entry = /`(.+)`/.exec(from)?.[1] ?? entry
      return Array.from(nouns.matchAll(/`(\w+)`/g), ([, noun]) => `${entry} ${noun}`)
    })
    const exported = globSync("packages/*/src/{,*/}index.ts").flatMap((path) =>
      Array.from(
        readFileSync(path, "utf8").matchAll(/^export \* as (\w+)/gm),
        ([, noun]) => `@framewire/${path.split("/").filter((it) => !/packages|src|index/.test(it)).join("/")} ${noun}`
      )
    )
    assert.deepStrictEqual(told.toSorted(), exported.toSorted())
  })
})
