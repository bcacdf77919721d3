import { assert, describe, it } from "@effect/vitest"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"

const examples = join(import.meta.dirname, "..", "..", "examples")
const folders = globSync("*/README.md", { cwd: examples }).map((path) => path.split("/")[0] ?? "").toSorted()

/** Lines of protocol: no blank line, comment or import, nor where the server listens and that it runs. */
const lines = (source: string) =>
  source.replaceAll(/^import [^"]*"[^"]*"$|^const address = .*$|^Server\.run\([\s\S]*/gm, "").split("\n")
    .filter((line) => !/^\s*(\/\/.*)?$/.test(line)).length

const sources = (folder: string) =>
  globSync(`${folder}/**/*.ts`, { cwd: examples, exclude: ["**/node_modules"] }).map((path) =>
    readFileSync(join(examples, path), "utf8")
  )

describe("an example", () => {
  it("is counted", () => {
    assert.strictEqual(
      lines("import {\n  A\n} from \"a\"\nimport \"b\"\n\n// why\nconst a = 1 // what\n  a()\nServer.run(\n)"),
      2
    )
    assert.isAtLeast(folders.length, 6)
  })

  it.each(folders.filter((folder) => folder !== "template"))("%s has at most 60 lines of protocol", (folder) => {
    const size = sources(folder).reduce((sum, source) => sum + lines(source), 0)
    assert.isAtLeast(size, 1)
    assert.isAtMost(size, 60)
  })

  it("is in the table of the README", () => {
    const table = readFileSync(join(examples, "README.md"), "utf8")
    const listed = Array.from(table.matchAll(/^\| \[([\w-]+)\]\(\1\)/gm), ([, name]) => String(name))
    assert.sameMembers(listed, folders)
  })

  it.each(folders)("%s uses public exports only, and its README says what it teaches and how to run it", (folder) => {
    for (const source of sources(folder)) assert.notMatch(source, /from "(\.\.\/\.\.|.*\/(packages|dist|internal)\/)/)
    const readme = readFileSync(join(examples, folder, "README.md"), "utf8")
    assert.match(readme, /^# .+\n\nTeaches: .+\n[\s\S]*\n```sh\n[\s\S]+\n```\n/)
  })
})
