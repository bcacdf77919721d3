// Packs the command with the packages that it is made of, and runs it as `npx` would: no source condition, no workspace.
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { chmodSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"

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

const home = mkdtempSync(join(tmpdir(), "framewire-command-"))
const run = (cwd: string, command: string, ...args: ReadonlyArray<string>) =>
  execFileSync(command, args, { cwd, stdio: ["ignore", "ignore", "inherit"], timeout: 120_000 })

try {
  const packed = globSync(["packages/*/package.json", "apps/demo/package.json"])
    .map((path) => (JSON.parse(readFileSync(path, "utf8")) as { readonly name: string }).name)
  run(process.cwd(), "npm", "pack", "--silent", "--pack-destination", home, ...packed.flatMap((name) => ["-w", name]))
  for (const name of packed) {
    const target = join(home, "node_modules", name)
    mkdirSync(target, { recursive: true })
    const [tarball = ""] = globSync(`${name.replace("@", "").replace("/", "-")}-*.tgz`, { cwd: home })
    run(home, "tar", "xzf", tarball, "-C", target, "--strip-components=1")
  }
  for (const name of ["effect", "@effect/platform-node"]) {
    mkdirSync(dirname(join(home, "node_modules", name)), { recursive: true })
    symlinkSync(resolve("node_modules", name), join(home, "node_modules", name))
  }

  const free = "127.0.0.1:0"
  await runCommand(home, ["--version"], /^framewire v\d/)
  await runCommand(
    home,
    ["serve", "rooms", "--lines", free, "--typed", free, "--web", free, "--data", join(home, "rooms")],
    /^web (http:.*)\nready\n/m,
    lookAtPage
  )
  await runCommand(home, ["tap", "--listen", free, "--to", free, "--web", "0"], /the page is (http:.*)\n/, lookAtPage)
  console.log("the command runs outside the workspace, with its pages")
} finally {
  rmSync(home, { recursive: true })
}
