// The packages as a stranger gets them: each packed, installed alone beside its exact peer in an empty project, compiled
// by every TypeScript and module resolution, loaded on every Node; then the README's first lines, which nc talks to.
import { execFile } from "node:child_process"
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { setTimeout } from "node:timers/promises"
import { promisify } from "node:util"
import * as Peer from "../../tests/support/Peer.ts"

interface Manifest {
  readonly name: string
  readonly version: string
  readonly dependencies: Record<string, string>
  readonly peerDependencies: { readonly effect: string }
}

const read = <A>(path: string): A => JSON.parse(readFileSync(path, "utf8")) as A
const exec = promisify(execFile)
/** Runs it to its end, which has to come in time and without an error. */
const run = async (cwd: string, file: string, ...args: ReadonlyArray<string>): Promise<string> =>
  (await exec(file, args, { cwd, timeout: 120_000, killSignal: "SIGKILL" })).stdout
const check = (holds: boolean, otherwise: string): void => {
  if (!holds) throw new Error(otherwise)
}

const tools = resolve("scripts/published/node_modules")
const home = mkdtempSync(join(tmpdir(), "framewire-smoke-"))
const quietly = ["--silent", "--no-audit", "--no-fund", "--prefer-offline"]

const manifests = globSync("packages/*/package.json").map((path) => read<Manifest>(path))
const tarball = (name: string): string => {
  const version = manifests.find((it) => it.name === name)?.version
  return join(home, `${name.slice(1).replace("/", "-")}-${version}.tgz`)
}

/** Installs into an empty folder of this name, and says under which licence each package came. */
const install = async (folder: string, ...what: ReadonlyArray<string>): Promise<Record<string, string | undefined>> => {
  const project = join(home, folder)
  mkdirSync(project)
  await run(project, "npm", "install", ...quietly, "--strict-peer-deps", "--save-exact", ...what)
  const { packages } = read<{ packages: Record<string, { readonly license?: string }> }>(
    join(project, "node_modules/.package-lock.json")
  )
  return Object.fromEntries(Object.entries(packages).map(([path, { license }]) => [path.slice(13), license]))
}

/** Every name that the package answers to: `.`, `./node`, `./testing` and each module of its own. */
const entries = (folder: string, name: string): ReadonlyArray<string> => {
  const modules = globSync("**/*.js", { cwd: join(home, folder, "node_modules", name, "dist") }).toSorted()
  return modules
    .filter((path) => !/(^|\/)internal\//.test(path))
    .map((path) => `${name}/${path.slice(0, -3)}`.replace(/\/index$/, ""))
}

const compilers = [join(tools, "typescript-5.9"), resolve("node_modules/typescript")] as const

/** Compiles the folder's programs with no types but those that came along, and with the declarations they reach, or without. */
const compile = async (
  folder: string,
  types: ReadonlyArray<string>,
  skipLibCheck: (compiler: string) => boolean
): Promise<void> => {
  for (const compiler of compilers) {
    await Promise.all([["node16", "node16"], ["esnext", "bundler"]].map(async ([module, moduleResolution]) => {
      const config = join(home, folder, `tsconfig.${moduleResolution}.json`)
      const strict = { strict: true, exactOptionalPropertyTypes: true, skipLibCheck: skipLibCheck(compiler) }
      const compilerOptions = { module, moduleResolution, types, target: "es2022", noEmit: true, ...strict }
      writeFileSync(config, JSON.stringify({ include: ["*.ts"], compilerOptions }))
      await run(home, process.execPath, join(compiler, "bin/tsc"), "-p", config)
    }))
  }
}

const freePort = (): Promise<number> =>
  new Promise((answer) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      server.close(() => answer(port))
    })
  })

/** Sends the line by nc until something listens, and returns what came back. */
const talk = async (port: number, line: string, attempts = 100): Promise<string> => {
  const asked = exec("nc", ["-N", "127.0.0.1", String(port)], { timeout: 10_000 })
  // Where nothing listens nc is gone before it has read the line.
  asked.child.stdin?.on("error", () => {}).end(line)
  try {
    return (await asked).stdout
  } catch (error) {
    if (attempts === 0) throw error
    await setTimeout(100)
    return talk(port, line, attempts - 1)
  }
}

/** Runs `main.ts` as the server that it is, on a port of ours; it answers a line by itself and ends on SIGTERM. */
const serve = async (node: string, folder: string): Promise<void> => {
  const port = await freePort()
  const env = { ...process.env, PORT: String(port) }
  const child = execFile(node, ["main.ts"], { cwd: join(home, folder), env, timeout: 60_000, killSignal: "SIGKILL" })
  const ended = new Promise((answer) => child.once("exit", (code, signal) => answer(code ?? signal)))
  try {
    const answer = await talk(port, "hello\n")
    check(answer === "hello\n", `nc was answered ${JSON.stringify(answer)} by ${node}`)
    child.kill("SIGTERM")
    const how = await ended
    check(how === 130, `the server ended by ${String(how)} on ${node}`)
  } finally {
    child.kill("SIGKILL")
  }
}

const began = Date.now()
const report = (text: string) => console.log(`${((Date.now() - began) / 1000).toFixed(1).padStart(5)} s  ${text}`)

try {
  await run("scripts/published", "npm", "install", ...quietly, "--no-save")
  // Elsewhere the older ones are left out: they are binaries for Linux.
  const older = ["node-22", "node-24"].map((name) => join(tools, name, "bin/node"))
  const here = older.filter((path) => existsSync(path))
  check(here.length === older.length || process.platform !== "linux" || process.arch !== "x64", "a Node is missing")
  const nodes = [...here, process.execPath]
  const versions = await Promise.all(nodes.map((node) => run(home, node, "--version")))
  report(`Node ${versions.map((version) => version.trim()).join(", ")}`)

  await run(
    ".",
    "npm",
    "pack",
    "--silent",
    "--pack-destination",
    home,
    ...manifests.flatMap(({ name }) => ["-w", name])
  )
  const programs: Array<readonly [file: string, program: string]> = []
  for (const { dependencies, name, peerDependencies } of manifests) {
    const folder = name.slice("@framewire/".length)
    const ours = [name, ...Object.keys(dependencies)]
    // The lowest that the range allows, and nothing newer.
    const effect = `effect@${peerDependencies.effect.replace("^", "")}`
    const installed = Object.keys(await install(folder, ...ours.map(tarball), effect)).toSorted().join()
    check(installed === [...ours, "effect"].toSorted().join(), `${name} brings ${installed}`)
    const names = entries(folder, name)
    const program = names.map((it, i) => `import * as M${i} from "${it}"\nexport { M${i} }\n`).join("")
    programs.push([`${folder}.ts`, program])
    writeFileSync(join(home, folder, "main.ts"), program)
    writeFileSync(join(home, folder, "package.json"), JSON.stringify({ type: "module" }))
    // The older compiler takes 6 s for the declarations of effect: it reads those of all packages once, below.
    await compile(folder, [], (compiler) => compiler === compilers[0])
    const attw = join(tools, "@arethetypeswrong/cli/dist/index.js")
    await run(home, process.execPath, attw, tarball(name), "--profile", "esm-only")
    for (const node of nodes) await run(join(home, folder), node, "main.ts")
    report(`${name} alone: ${names.length} entries compile and load`)
  }

  const [, tenLines = ""] = /^```ts\n([\s\S]*?)^```$/m.exec(readFileSync("README.md", "utf8")) ?? []
  const all = manifests.map(({ name }) => tarball(name))
  const licences = await install("all", ...all, "effect@4.1.0", "@effect/platform-node@4.1.0")
  const permissive = new Set(["MIT", "ISC", "0BSD", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0"])
  for (const [name, licence = "none"] of Object.entries(licences)) {
    check(permissive.has(licence), `${name} has the licence ${licence}`)
  }
  report(`${Object.keys(licences).length} packages with permissive licences make the README's server`)
  // As anyone would begin, without a `"type"`; TypeScript wants to be told what Node finds out.
  writeFileSync(join(home, "all/main.ts"), tenLines)
  const { problem } = Peer.netcat()
  check(problem === undefined || process.env["FRAMEWIRE_REQUIRE_PEERS"] === undefined, problem ?? "")
  if (problem === undefined) { for (const node of nodes) await serve(node, "all") }
  report(problem ?? "nc talks to it on every Node")

  for (const [file, program] of programs) writeFileSync(join(home, "all", file), program)
  writeFileSync(join(home, "all/package.json"), JSON.stringify({ type: "module" }))
  await compile("all", ["node"], () => false)
  report("it compiles, and so does every declaration, effect's too")
} catch (error) {
  const { message, stdout = "" } = error as Error & { readonly stdout?: string }
  console.error(stdout.split("\n").slice(0, 40).join("\n"))
  console.error(message)
  process.exitCode = 1
} finally {
  rmSync(home, { recursive: true })
}
