// The tables of the documentation are what the code says, and a default that is told is the one that is kept.
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { globSync, readFileSync } from "node:fs"
import { isValue, literalsOf, valueOf } from "../docs/tools/defaults.ts"

describe("the reference", () => {
  it("is what would be written now: metrics, errors, defaults, and the states of a connection", () => {
    const args = ["--conditions=@framewire/source", "docs/tools/reference.ts", "--check"]
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 100_000 })
    assert.deepStrictEqual([status, stderr], [0, ""])
  }, 120_000)

  it("reads a default in the code, by whatever form it has there", () => {
    assert.deepStrictEqual(literalsOf("@framewire/framing", "Lines", "ending"), ["\"lf\""])
    assert.deepStrictEqual(literalsOf("@framewire/framing", "Lines", "limit"), ["1_048_576"])
    assert.deepStrictEqual(literalsOf("@framewire/server", "Admission", "max"), ["128"])
    assert.deepStrictEqual(literalsOf("@framewire/framing", "Framed", "frameTimeout"), ["30_000"])
    assert.deepStrictEqual(literalsOf("@framewire/core", "Connection", "noSuchOption"), [])
  })

  it.each([
    ["5 s", "\"5 seconds\""],
    ["5 min, or never", "300_000"],
    ["64 KiB", "65_536"],
    ["1 MiB", "1_048_576"],
    ["10 000", "10_000"],
    ["2^31 - 1", "2_147_483_647"],
    ["false: they fail", "false"]
  ])("%s is %s", (said, code) => {
    assert.isTrue(isValue(said))
    assert.strictEqual(valueOf(said), valueOf(code))
  })

  it.each([["5 s", "\"6 seconds\""], ["1 MiB", "1_000_000"], ["true", "false"], ["5 s", "5"]])(
    "%s is not %s",
    (a, b) => {
      assert.notStrictEqual(valueOf(a), valueOf(b))
    }
  )

  it("has the defaults that the tables of other pages tell", () => {
    const cellsOf = (path: string) =>
      readFileSync(path, "utf8").split("\n").filter((line) => line.startsWith("|"))
        .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()))
    const known = new Map<string, Set<string>>()
    for (const [, option = "", said = ""] of cellsOf("docs/reference/defaults.md")) {
      known.set(option, (known.get(option) ?? new Set()).add(valueOf(said)))
    }
    let compared = 0
    for (const page of ["LLMS.md", ...globSync(["docs/guide/*.md", "packages/*/README.md"])]) {
      for (const cells of cellsOf(page)) {
        const at = cells.findIndex((cell) => /^`[\w.]+`$/.test(cell))
        const said = cells[at + 1] ?? ""
        const values = known.get(cells[at]?.replace(/^`.*\./, "`") ?? "")
        if (at < 0 || values === undefined || !isValue(said)) continue
        compared++
        assert.isTrue(values.has(valueOf(said)), `${page}: ${cells[at]} is ${said}, not one of ${[...values].join()}`)
      }
    }
    assert.isAbove(compared, 30)
  })
})
