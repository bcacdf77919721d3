import { assert, describe, it } from "@effect/vitest"
import type { Vector } from "@framewire/framing/testing"
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { deviations } from "./conformance/deviations.ts"
import { type AnyVector, type Outcome, run } from "./conformance/run.ts"

const read = (file: string) => JSON.parse(readFileSync(file, "utf8")) as ReadonlyArray<AnyVector>
const readAll = (folder: string) => ["decode.json", "encode.json"].flatMap((file) => read(join(folder, file)))

const folder = join(import.meta.dirname, "vectors")
const copies = readAll(folder)
const shared = join(import.meta.dirname, "../../../../shared/vectors")
const originals = existsSync(shared) ? readAll(shared) : []
const byId = new Map([...originals, ...copies].map((vector) => [vector.id, vector]))
const vectors = [...byId.values()]

describe("conformance: what others do with the same bytes", () => {
  for (const vector of vectors) {
    const { deviation, expected, got, pass, problem } = run(vector)
    it(`${vector.id} (${vector.source})${deviation === undefined ? "" : `: ${deviation}`}`, () => {
      assert.isUndefined(problem)
      assert.isTrue(pass, `${got.join(", ")} instead of ${expected.join(", ")}`)
    })
  }

  it("every deviation of these is listed", () => {
    for (const vector of copies) {
      assert.strictEqual(run(vector).deviation !== undefined, Object.hasOwn(deviations, vector.id), vector.id)
    }
  })

  // Under a name that is in no list, as in a file of somebody else.
  const others = copies.filter(({ id }) => Object.hasOwn(deviations, id))
  it.each(others)("$id by another id deviates by a rule", (vector) => {
    const { deviation, pass } = run({ ...vector, id: "another" })
    assert.isDefined(deviation)
    assert.isTrue(pass)
  })

  it("every deviation is that of a vector, which there is once", () => {
    const ids = copies.map(({ id }) => id)
    assert.strictEqual(new Set(ids).size, ids.length)
    for (const id of Object.keys(deviations)) assert.include(ids, id)
  })

  it.skipIf(originals.length === 0)("the copies say what ../shared/vectors says", () => {
    for (const vector of originals) assert.deepStrictEqual(byId.get(vector.id), vector)
  })

  /** A vector that was read. */
  const decoded = (id: string): Vector.Vector => {
    const vector = byId.get(id)
    if (vector === undefined || !("chunks" in vector)) throw new Error(`${id} is gone`)
    return vector
  }

  it("a wrong frame, too few, too many, a broken vector and an unknown codec do not pass", () => {
    const vector = decoded("netty-lf-21")
    assert.isTrue(run(vector).pass)
    const others: ReadonlyArray<Partial<Vector.Vector>> = [
      { expect: [{ frame: "616264" }] },
      { expect: [] },
      { expect: [...vector.expect, { error: "TooLongFrame" }] },
      { expect: [{ error: "TooLongFrame" }] },
      { chunks: ["0"] },
      { codec: { kind: "netty.lengthField" } },
      { codec: { kind: "else" } }
    ]
    for (const other of others) assert.isFalse(run({ ...vector, ...other }).pass, JSON.stringify(other))
    assert.strictEqual(run({ ...vector, codec: { kind: "else" } }).problem, "not mapped: nothing is known of else")
  })

  it("a deviation that is none, or gives something else than is listed, does not pass", () => {
    const vector = decoded("tokio-lines-01")
    assert.isTrue(run(vector).pass)
    const needless = run({ ...vector, expect: run(vector).got.map((frame) => ({ frame })) })
    assert.isFalse(needless.pass)
    assert.strictEqual(needless.problem, "a deviation is listed, and there is none")
    assert.isFalse(run({ ...vector, chunks: ["61"] }).pass)
  })

  it("the command prints a JSON line a vector and the sum, and fails where one fails", () => {
    const command = (...files: ReadonlyArray<string>) =>
      spawnSync(process.execPath, ["--conditions=@framewire/source", "scripts/conformance.ts", ...files], {
        cwd: join(import.meta.dirname, "../../.."),
        encoding: "utf8"
      })
    const { status, stdout } = command("packages/framing/test/vectors/encode.json")
    const lines = stdout.trim().split("\n")
    assert.strictEqual(lines.pop(), "19 passed, 0 failed")
    const outcomes = lines.map((line) => JSON.parse(line) as Outcome)
    assert.deepStrictEqual(outcomes.map(({ id }) => id), read(join(folder, "encode.json")).map(({ id }) => id))
    assert.strictEqual(status, 0)
    assert.strictEqual(command().status, 2)
  })
})
