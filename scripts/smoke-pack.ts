// Packs every public package and the command, and uses the tarballs as a stranger would: no source condition, no workspace.
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { chmodSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
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

/** The command, as `npx` would run it: what it prints, until it prints this; then what `look` finds wrong. */
const runCommand = async (
  cwd: string,
  args: ReadonlyArray<string>,
  until: RegExp,
  look: (found: RegExpExecArray) => Promise<void> = async () => {}
) => {
  const command = join(cwd, "node_modules", "@framewire", "demo")
  const { bin } = JSON.parse(readFileSync(join(command, "package.json"), "utf8")) as { bin: Record<string, string> }
  const file = join(command, bin["framewire"] ?? "")
  // As npm does when it installs it.
  chmodSync(file, 0o755)
  const child = spawn(file, args, { cwd, stdio: ["ignore", "pipe", "pipe"] })
  const ended = once(child, "close")
  const late = setTimeout(() => child.kill("SIGKILL"), 20_000)
  let printed = ""
  try {
    await new Promise<void>((resolve, reject) => {
      const add = (chunk: Buffer) => {
        printed += chunk.toString()
        const found = until.exec(printed)
        if (found !== null) look(found).then(resolve, reject)
      }
      child.stdout.on("data", add)
      child.stderr.on("data", add)
      child.on("error", reject)
      child.on("close", () => reject(new Error(`framewire ${args.join(" ")} ended: ${printed}`)))
    })
  } finally {
    child.kill("SIGTERM")
    await ended
    clearTimeout(late)
  }
}

/** The page is there, with all that it names. */
const lookAtPage = async ([, url = ""]: RegExpExecArray) => {
  const paths = new Set(["/"])
  for (const path of paths) {
    const answer = await fetch(url + path)
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`)
    for (const [, name = ""] of text.matchAll(/(?:(?:src|href)=| from )"\.?(\/[\w.]+)"/g)) paths.add(name)
  }
  if (paths.size !== 9) throw new Error(`the page is ${Array.from(paths).join(" ")}`)
}

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

  const packed = [...names, "@framewire/demo"]
  run(root, "npm", "pack", "--silent", "--pack-destination", home, ...packed.flatMap((name) => ["-w", name]))
  for (const name of packed) {
    const target = join(home, "node_modules", name)
    mkdirSync(target, { recursive: true })
    const [tarball = ""] = globSync(`${name.replace("@", "").replace("/", "-")}-*.tgz`, { cwd: home })
    run(home, "tar", "xzf", tarball, "-C", target, "--strip-components=1")
  }
  for (const name of ["effect", "@effect/platform-node", "@types/node"]) {
    mkdirSync(dirname(join(home, "node_modules", name)), { recursive: true })
    symlinkSync(resolve("node_modules", name), join(home, "node_modules", name))
  }
  writeFileSync(join(home, "package.json"), JSON.stringify({ type: "module" }))
  writeFileSync(join(home, "main.ts"), program)

  // Without skipLibCheck, so that our declarations, and not only their use, are compiled.
  const options = ["--target", "es2023", "--module", "nodenext", "--types", "node", "--strict", "--noEmit"]
  run(home, process.execPath, resolve("node_modules/typescript/bin/tsc"), ...options, "main.ts")
  run(home, process.execPath, "main.ts")

  const free = "127.0.0.1:0"
  await runCommand(home, ["--version"], /^framewire v\d/)
  await runCommand(
    home,
    ["serve", "rooms", "--lines", free, "--typed", free, "--web", free, "--data", join(home, "rooms")],
    /^web (http:.*)\nready\n/m,
    lookAtPage
  )
  await runCommand(home, ["tap", "--listen", free, "--to", free, "--web", "0"], /the page is (http:.*)\n/, lookAtPage)
  console.log(`${names.length} packages and the command pack, compile and run outside the workspace`)
} finally {
  rmSync(home, { recursive: true })
}
