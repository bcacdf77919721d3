// The two commands that a newcomer types, and CI with them, are the same everywhere and do what they say.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Process from "./support/Process.ts"

const read = (path: string) => readFileSync(join(import.meta.dirname, "..", path), "utf8")

const manifest = JSON.parse(read("package.json")) as { readonly scripts: Readonly<Record<string, string>> }

describe("README", () => {
  it.each(["npm ci && npm run demo", "npm ci && npm test"])(
    "names `%s` on its first screen, on a line of its own",
    (command) => {
      const firstScreen = read("README.md").split("\n").slice(0, 60)
      assert.isTrue(firstScreen.some((line) => line.trim() === command || line.includes(`\`${command}\``)), command)
    }
  )

  it.each(["demo", "test", "framewire"])("has its script %s in package.json", (name) => {
    assert.property(manifest.scripts, name)
  })

  it("runs the tour, the tests and the command by them, without a build step before", () => {
    assert.strictEqual(manifest.scripts["demo"], `${manifest.scripts["framewire"]} tour`)
    assert.strictEqual(manifest.scripts["test"], "vitest run")
    for (const name of ["predemo", "pretest", "preframewire"]) assert.notProperty(manifest.scripts, name)
  })

  it("has `npm ci && npm test` run by CI as it stands there", () => {
    assert.match(read(".ci/run"), /^step test "npm ci && npm test"$/m)
  })

  it.live("runs the command by `npm run --silent framewire -- ARGS`", () =>
    Effect.gen(function*() {
      const args = ["run", "--silent", "framewire", "--", "inspect", "--framing", "lines", "--json"]
      assert.deepStrictEqual(yield* Process.run("npm", args, "a\n"), {
        code: 0,
        stdout: "{\"frame\":\"61\",\"offset\":0}\n",
        stderr: ""
      })
    }))
})
