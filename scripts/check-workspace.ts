// Checks what no single tool checks: which package may depend on which, that the TypeScript project references
// follow the package.json files, that every package ships the licence, and that the lock file is complete and clean.
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join, relative } from "node:path"

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly dependencies?: Record<string, string>
  readonly devDependencies?: Record<string, string>
  readonly peerDependencies?: Record<string, string>
}

interface TsConfig {
  readonly references?: ReadonlyArray<{ readonly path: string }>
}

interface Locked {
  readonly link?: boolean
  readonly resolved?: string
  readonly integrity?: string
  readonly license?: string
  readonly optionalDependencies?: Record<string, string>
}

// The layers: a package may depend on these packages of ours, an app on any. tests/ImportDirection.test.ts reads
// the imports themselves.
const layers: Record<string, ReadonlyArray<string>> = {
  "@framewire/core": [],
  "@framewire/framing": ["@framewire/core"],
  "@framewire/server": ["@framewire/core", "@framewire/framing"],
  "@framewire/client": ["@framewire/core", "@framewire/framing"]
}

const licences = new Set([
  "MIT",
  "MIT-0",
  "ISC",
  "Apache-2.0",
  "Apache-2.0 OR MIT",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "0BSD",
  "BlueOak-1.0.0",
  "CC0-1.0",
  "(MIT OR CC0-1.0)",
  "CC-BY-4.0",
  "Python-2.0",
  "MPL-2.0",
  "Unlicense"
])

// Packages without the field. That of Node 22.19 brings Node's LICENSE, MIT, as a file.
const unsaid = new Set(["node_modules/node-22"])

const problems: Array<string> = []
const problem = (text: string) => problems.push(text)

// tsconfig files may hold comment lines.
const read = <A>(path: string): A => JSON.parse(readFileSync(path, "utf8").replaceAll(/^\s*\/\/.*$/gm, "")) as A
const references = (dir: string, file: string) =>
  (read<TsConfig>(join(dir, file)).references ?? []).map(({ path }) => join(dir, path))

const dirs = ["packages", "apps"].flatMap((parent) => readdirSync(parent).map((name) => join(parent, name)))
  .filter((dir) => existsSync(join(dir, "package.json")))
const manifests = new Map(dirs.map((dir) => [dir, read<Manifest>(join(dir, "package.json"))]))
const dirOf = new Map(Array.from(manifests, ([dir, { name }]) => [name, dir]))

for (const [dir, manifest] of manifests) {
  const { dependencies, devDependencies, name, peerDependencies } = manifest
  const ours = Object.keys({ ...dependencies, ...devDependencies, ...peerDependencies }).filter((it) => dirOf.has(it))

  const allowed = dir.startsWith("apps") ? ours : layers[name]
  if (allowed === undefined) problem(`${name}: has no layer in scripts/check-workspace.ts`)
  for (const it of ours) {
    if (allowed?.includes(it) === false) problem(`${name}: must not depend on ${it}`)
  }

  const listed = references(dir, "tsconfig.json")
  const wanted = ours.map((it) => dirOf.get(it) ?? it)
  for (const it of wanted) {
    if (!listed.includes(it)) problem(`${dir}/tsconfig.json: add a reference to ${relative(dir, it)}`)
  }
  for (const it of listed) {
    if (!wanted.includes(it)) problem(`${dir}/tsconfig.json: ${it} is no dependency`)
  }
  for (const file of ["tsconfig.json", "tsconfig.tests.json"]) {
    if (!references(".", file).includes(dir)) problem(`${file}: add a reference to ${dir}`)
  }

  const licence = join(dir, "LICENSE")
  const shipped = existsSync(licence) ? readFileSync(licence, "utf8") : ""
  if (manifest.private !== true && shipped !== readFileSync("LICENSE", "utf8")) {
    problem(`${licence}: must be a copy of ./LICENSE, npm packs no file from outside the package`)
  }
}

// Whether `name`, asked for by the package at `from`, is found in a node_modules folder on the way up.
type Lock = Readonly<Record<string, Locked>>
const isLocked = (lock: Lock, from: string, name: string): boolean => {
  if (lock[join(from, "node_modules", name)] !== undefined) return true
  return from !== "" && isLocked(lock, from.slice(0, Math.max(0, from.lastIndexOf("node_modules/") - 1)), name)
}
let locked = 0
for (const file of ["package-lock.json", "scripts/published/package-lock.json"]) {
  const lock = read<{ packages: Lock }>(file).packages
  for (const [path, entry] of Object.entries(lock)) {
    locked++
    for (const name of Object.keys(entry.optionalDependencies ?? {})) {
      if (!isLocked(lock, path, name)) problem(`${file}: ${path} lacks optional ${name}; \`npm ci\` would refuse`)
    }
    if (!path.includes("node_modules/") || entry.link === true) continue
    if (entry.integrity === undefined) problem(`${file}: ${path} has no integrity`)
    if (entry.resolved !== undefined) problem(`${file}: ${path} is bound to ${entry.resolved}`)
    if (!licences.has(entry.license ?? "") && !unsaid.has(path)) {
      problem(`${file}: ${path} has licence ${entry.license ?? "(none)"}`)
    }
  }
}

for (const text of problems) console.error(text)
console.log(`${dirs.length} workspace packages, ${locked} locked: ${problems.length} problem(s)`)
process.exit(problems.length === 0 ? 0 : 1)
