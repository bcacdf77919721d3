// Packs every public package and uses the tarballs as a stranger would: no source condition, no workspace.
import { execFileSync } from "node:child_process"
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"

const program = `
import * as Client from "@framewire/client"
import * as Core from "@framewire/core"
import * as Framing from "@framewire/framing"
import * as Server from "@framewire/server"

for (const [name, exported] of Object.entries({ Client, Core, Framing, Server })) {
  if (Object.keys(exported).length === 0) throw new Error(name + " exports nothing")
}
`

const root = process.cwd()
const home = mkdtempSync(join(tmpdir(), "framewire-smoke-"))
const run = (cwd: string, command: string, ...args: ReadonlyArray<string>) =>
  execFileSync(command, args, { cwd, stdio: ["ignore", "inherit", "inherit"] })

try {
  const names = globSync("packages/*/package.json")
    .map((path) => JSON.parse(readFileSync(path, "utf8")) as { readonly name: string; readonly private?: boolean })
    .filter((manifest) => manifest.private !== true)
    .map(({ name }) => name)
  const forgotten = names.filter((name) => !program.includes(`"${name}"`))
  if (names.length === 0 || forgotten.length > 0) throw new Error(`the program imports not all: ${forgotten.join()}`)

  run(root, "npm", "pack", "--silent", "--pack-destination", home, ...names.flatMap((name) => ["-w", name]))
  for (const name of names) {
    const target = join(home, "node_modules", name)
    mkdirSync(target, { recursive: true })
    const [tarball = ""] = globSync(`${name.replace("@", "").replace("/", "-")}-*.tgz`, { cwd: home })
    run(home, "tar", "xzf", tarball, "-C", target, "--strip-components=1")
  }
  for (const name of ["effect", "@types/node"]) {
    mkdirSync(dirname(join(home, "node_modules", name)), { recursive: true })
    symlinkSync(resolve("node_modules", name), join(home, "node_modules", name))
  }
  writeFileSync(join(home, "package.json"), JSON.stringify({ type: "module" }))
  writeFileSync(join(home, "main.ts"), program)

  // Without skipLibCheck, so that our declarations, and not only their use, are compiled.
  const options = ["--target", "es2023", "--module", "nodenext", "--types", "node", "--strict", "--noEmit"]
  run(home, process.execPath, resolve("node_modules/typescript/bin/tsc"), ...options, "main.ts")
  run(home, process.execPath, "main.ts")
  console.log(`${names.length} packages pack, compile and run outside the workspace`)
} finally {
  rmSync(home, { recursive: true })
}
