// Does what the README of examples/template says: copies it out of the workspace, installs the packed packages there, and
// runs its own check, tests, build and server. What comes from npm is linked to what the workspace has of it.
import { execFileSync, spawn } from "node:child_process"
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import * as net from "node:net"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { setTimeout } from "node:timers/promises"

interface Manifest {
  readonly version: string
  readonly scripts: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}
const read = (path: string) => JSON.parse(readFileSync(path, "utf8")) as Manifest

const home = mkdtempSync(join(tmpdir(), "framewire-template-"))
const modules = join(home, "node_modules")
const run = (cwd: string, command: string, ...args: ReadonlyArray<string>) =>
  execFileSync(command, args, { cwd, stdio: ["ignore", "inherit", "inherit"], timeout: 120_000 })

const freePort = () =>
  new Promise<number>((done) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as net.AddressInfo
      server.close(() => done(port))
    })
  })

/** What its server answers, as soon as it listens: for 20 seconds it may not. */
const ask = async (port: number, question: string): Promise<string> => {
  for (let attempt = 0;; attempt++) {
    const answer = await new Promise<string | undefined>((done) => {
      let text = ""
      const socket = net.connect(port, "127.0.0.1", () => socket.end(question))
      socket.on("data", (chunk) => text += chunk.toString())
      socket.on("end", () => done(text))
      socket.on("error", () => done(undefined))
    })
    if (answer !== undefined) return answer
    if (attempt === 200) throw new Error(`nobody listens on ${port}`)
    await setTimeout(100)
  }
}

try {
  cpSync("examples/template", home, { recursive: true })
  const { dependencies, devDependencies, scripts } = read(join(home, "package.json"))
  for (const [name, range] of Object.entries({ ...dependencies, ...devDependencies })) {
    const workspace = name.startsWith("@framewire/") ? name.replace("@framewire", "packages") : `node_modules/${name}`
    const { version } = read(join(workspace, "package.json"))
    if (range !== `^${version}`) throw new Error(`the template asks for ${name} ${range}, the workspace has ${version}`)
    const target = join(modules, name)
    mkdirSync(dirname(target), { recursive: true })
    if (!name.startsWith("@framewire/")) {
      symlinkSync(resolve(workspace), target)
      continue
    }
    run(process.cwd(), "npm", "pack", "--silent", "--pack-destination", home, "-w", name)
    const [tarball = ""] = globSync(`${name.replace("@", "").replace("/", "-")}-*.tgz`, { cwd: home })
    mkdirSync(target)
    run(home, "tar", "xzf", tarball, "-C", target, "--strip-components=1")
  }
  // npm puts them there where it installs; so do we, so that the scripts run as they are.
  mkdirSync(join(modules, ".bin"))
  for (const [bin, file] of [["tsc", "typescript/bin/tsc"], ["vitest", "vitest/vitest.mjs"]] as const) {
    symlinkSync(join(modules, file), join(modules, ".bin", bin))
  }
  for (const script of ["check", "test", "build"]) run(home, "npm", "run", "--silent", script)
  const built = globSync("dist/**/*.{js,d.ts}", { cwd: home })
  if (!built.includes("dist/index.js") || !built.includes("dist/index.d.ts")) throw new Error(`built: ${built.join()}`)

  const port = await freePort()
  const [, ...args] = scripts["start"]?.split(" ") ?? []
  const server = spawn(process.execPath, args, {
    cwd: home,
    stdio: "inherit",
    env: { ...process.env, PORT: `${port}` }
  })
  try {
    const answer = await ask(port, "upper hello\nup hello\n")
    if (answer !== "ok HELLO\nerror there is no verb up\n") throw new Error(`it answered ${JSON.stringify(answer)}`)
  } finally {
    server.kill()
  }
  console.log("the template checks, tests, builds and serves outside the workspace")
} finally {
  rmSync(home, { recursive: true })
}
