// The tables of the documentation are what the code says, and a default that is told is the one that is kept.
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
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
})
