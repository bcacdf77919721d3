// Releases a clone of what is committed, without publishing: every package gets the next version and asks for that of the
// others, the lock file and the changelog follow, and the commit is tagged. Needs no network, and leaves nothing.
import { execFileSync } from "node:child_process"
import { globSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

interface Manifest {
  readonly name: string
  readonly version: string
  readonly dependencies: Record<string, string>
}

const home = mkdtempSync(join(tmpdir(), "framewire-release-"))
const run = (cwd: string, file: string, ...args: ReadonlyArray<string>) =>
  execFileSync(file, args, { cwd, encoding: "utf8", timeout: 120_000, killSignal: "SIGKILL", stdio: "pipe" })
const check = (holds: boolean, otherwise: string): void => {
  if (!holds) throw new Error(otherwise)
}

try {
  run(".", "git", "clone", "--quiet", "--no-tags", ".", home)
  symlinkSync(resolve("node_modules"), join(home, "node_modules"))
  run(home, "git", "config", "user.name", "rehearsal")
  run(home, "git", "config", "user.email", "rehearsal@localhost")
  // Something to tell, whatever the last release had already.
  run(home, "git", "commit", "--quiet", "--allow-empty", "-m", "core: a rehearsal")
  const text = (path: string) => readFileSync(join(home, path), "utf8")
  const manifests = () =>
    globSync("packages/*/package.json", { cwd: home }).map((path): Manifest => JSON.parse(text(path)))
  const [before = ""] = new Set(manifests().map(({ version }) => version))
  const next = before.replace(/\d+\.\d+$/, (minor) => `${Number(minor.split(".")[0]) + 1}.0`)

  run(home, process.execPath, resolve("node_modules/nx/dist/bin/nx.js"), "release", "minor", "--skip-publish")
  for (const { dependencies, name, version } of manifests()) {
    const versions = [version, ...Object.values(dependencies)]
    check(versions.every((it) => it === next), `${name} has the versions ${versions.join()}, not ${next}`)
  }
  const { packages } = JSON.parse(text("package-lock.json")) as { packages: Record<string, Partial<Manifest>> }
  check(packages["packages/core"]?.version === next, "the lock file was left behind")
  const [, entry = ""] =
    new RegExp(`^## ${next.replaceAll(".", "\\.")} \\(.*\\)\n([\\s\\S]*?)(?=^## |$(?![\\s\\S]))`, "m")
      .exec(text("CHANGELOG.md")) ?? []
  check(/^### core\n\n(- .*\n)*- a rehearsal$/m.test(entry), `CHANGELOG.md does not tell of core under ${next}`)
  check(run(home, "git", "describe", "--exact-match", "--tags").trim() === `v${next}`, "the release has no tag")
  check(run(home, "git", "status", "--porcelain", "--untracked-files=no") === "", "the release is not all committed")
  console.log(`${before} would become ${next}, with ${entry.match(/^- /gm)?.length ?? 0} changes`)
} catch (error) {
  const { message, stdout = "" } = error as Error & { readonly stdout?: string }
  console.error(stdout.split("\n").slice(-40).join("\n"))
  console.error(message)
  process.exitCode = 1
} finally {
  rmSync(home, { recursive: true })
}
