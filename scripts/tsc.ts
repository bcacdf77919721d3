// Runs the TypeScript compiler; where the Effect build of it is installed, that one,
// because it also reports floating effects, missing `yield*` and the like.
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

const require = createRequire(import.meta.url)
const typescript = require.resolve("typescript/package.json")
const { version } = JSON.parse(readFileSync(typescript, "utf8")) as { version: string }

const effectTsc = (): string | undefined => {
  try {
    const pkg = require.resolve(`@effect/tsgo-${process.platform}-${process.arch}/package.json`)
    const exe = join(dirname(pkg), "artifacts", "typescript", version, "tsc")
    return existsSync(exe) ? exe : undefined
  } catch {
    return undefined
  }
}

const exe = effectTsc()
const args = process.argv.slice(2)
const run = exe === undefined
  ? spawnSync(process.execPath, [join(dirname(typescript), "bin", "tsc"), ...args], { stdio: "inherit" })
  : spawnSync(exe, args, { stdio: "inherit" })
process.exit(run.status ?? 1)
