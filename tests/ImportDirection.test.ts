// The one-way rule of the packages, read from the imports themselves: types, re-exports and import() included.
import { assert, describe, it } from "@effect/vitest"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { parseSync } from "vite"

const root = join(import.meta.dirname, "..")

interface Import {
  readonly file: string
  readonly to: string
}

// What a package's sources may import by name; an app may import anything.
const allowed: Record<string, ReadonlyArray<string>> = {
  core: ["effect"],
  framing: ["effect", "@framewire/core"],
  server: ["effect", "@framewire/core", "@framewire/framing"],
  client: ["effect", "@framewire/core", "@framewire/framing"]
}

// What of Node a package's src/node may import. core alone makes sockets; server starts processes, and passes them a port.
const platform: Record<string, ReadonlyArray<string>> = {
  core: ["node:"],
  server: ["node:child_process", "node:os"]
}

// Unstable upstream: each is touched in one file a pattern, so that a change of theirs is a change of one file of ours.
const unstable: Record<string, ReadonlyArray<RegExp>> = {
  "effect/net": [/^packages\/core\/src\/Address\.ts$/, /^packages\/core\/src\/node\/internal\/resolve\.ts$/],
  "effect/socket": [/^packages\//],
  "effect/cluster": [/^apps\/demo\//],
  "effect/rpc": [/^(packages|apps)\//]
}

const isUnder = (to: string, name: string) => to === name || to.startsWith(`${name}/`)

/** Every module that a source text names: import, export from, import(), import type, import("x").Y, import x = require(). */
const importsOf = (file: string, text: string): ReadonlyArray<Import> => {
  const { errors, program } = parseSync(file, text)
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message}`)
  const found: Array<Import> = []
  const visit = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return
    const { expression, source, type } = node as { type?: string; source?: unknown; expression?: unknown }
    if (
      /^(Import(Declaration|Expression)|Export(Named|All)Declaration|TSImportType|TSExternalModuleReference)$/.test(
        type ?? ""
      )
    ) {
      const named = (source ?? expression) as { readonly value?: unknown } | null
      if (named != null) found.push({ file, to: typeof named.value === "string" ? named.value : "(computed)" })
    }
    Object.values(node).forEach(visit)
  }
  visit(program)
  return found
}

const problemOf = ({ file, to }: Import): string | undefined => {
  const [, kind, name = "", path = ""] = /^(packages|apps)\/([^/]+)\/src\/(.+)$/.exec(file) ?? []
  const local = to.startsWith(".")
  const target = local ? join(file, "..", to) : to
  for (const [unstableName, places] of Object.entries(unstable)) {
    if (isUnder(to, unstableName) && !places.some((place) => place.test(file))) {
      return `${unstableName} has its own file`
    }
  }
  if (/^@framewire\/.*\binternal\b/.test(to)) return "internal/ belongs to its package"
  if (kind === "apps") {
    return local && !target.startsWith(`apps/${name}/`) ? "another package is imported by its name" : undefined
  }

  const home = `packages/${name}/src/`
  const inNode = name in platform && path.startsWith("node/")
  if (to === "(computed)") return "a package imports nothing that cannot be read here"
  if (local) {
    if (!target.startsWith(home)) return "another package is imported by its name"
    return !inNode && target.startsWith(`${home}node/`) ? "a package stands without its src/node" : undefined
  }
  if (to.startsWith("node:")) {
    if (!inNode) return "only src/node of core and server touches Node"
    return platform[name]?.some((it) => to.startsWith(it)) === true ? undefined : `${name} may not touch it`
  }
  if (!inNode && isUnder(to, "@framewire/core/node")) return "the program chooses the platform, not a package"
  return allowed[name]?.some((it) => isUnder(to, it)) === true ? undefined : `${name} may not import it`
}

/** The forbidden arrows among these imports, and unstable modules that more files touch than may. */
const problemsOf = (imports: ReadonlyArray<Import>): ReadonlyArray<string> => [
  ...imports.flatMap((it) => {
    const problem = problemOf(it)
    return problem === undefined ? [] : [`${it.file} imports ${it.to}: ${problem}`]
  }),
  ...Object.entries(unstable).flatMap(([name, places]) => {
    const files = new Set(imports.filter(({ to }) => isUnder(to, name)).map(({ file }) => file))
    return files.size > places.length ? [`${name} is touched by ${[...files].join(" and ")}`] : []
  })
]

describe("ImportDirection", () => {
  it("holds in every source file", () => {
    const files = globSync(["packages/*/src/**/*.ts", "apps/*/src/**/*.ts"], { cwd: root })
    const imports = files.flatMap((file) => importsOf(file, readFileSync(join(root, file), "utf8")))
    assert.deepStrictEqual(problemsOf(imports), [])
    // A glob or a parser that finds nothing must not look like obedience.
    for (const name of Object.keys(allowed)) {
      assert.isTrue(imports.some(({ file }) => file.startsWith(`packages/${name}/src/`)), `no import found in ${name}`)
    }
  })

  it("reads every form of import, and no text that only looks like one", () => {
    const text = `
      import "a"
      import * as b from "b"
      import type { C } from "c"
      export * from "d"
      export type { E } from "e"
      const f: import("f").F = await import("g")
      import h = require("h")
      /** import "comment" */
      const s = 'import "string"' + (await import(variable))
    `
    assert.deepStrictEqual(
      importsOf("x.ts", text).map(({ to }) => to).toSorted(),
      ["(computed)", "a", "b", "c", "d", "e", "f", "g", "h"]
    )
  })

  const forbidden: ReadonlyArray<readonly [file: string, to: string]> = [
    ["packages/core/src/Connection.ts", "@framewire/framing"],
    ["packages/core/src/Connection.ts", "node:net"],
    ["packages/core/src/index.ts", "./node/NodeTransport.ts"],
    ["packages/core/src/Connection.ts", "../../framing/src/Codec.ts"],
    ["packages/core/src/Connection.ts", "@effect/platform-node"],
    ["packages/core/src/Connection.ts", "effect/net/NetAddress"],
    ["packages/core/src/Connection.ts", "(computed)"],
    ["packages/server/src/node/Workers.ts", "node:net"],
    ["packages/framing/src/Framed.ts", "node:buffer"],
    ["packages/framing/src/Framed.ts", "@framewire/core/node/NodeTransport"],
    ["packages/framing/src/Framed.ts", "@framewire/core/internal/state"],
    ["packages/framing/src/Framed.ts", "@framewire/server"],
    ["packages/server/src/Server.ts", "@framewire/client"],
    ["packages/server/src/Server.ts", "node:child_process"],
    ["packages/server/src/index.ts", "./node/Workers.ts"],
    ["packages/server/src/node/Workers.ts", "node:tls"],
    ["packages/client/src/node/Client.ts", "node:net"],
    ["packages/client/src/Client.ts", "@framewire/server/Server"],
    ["apps/demo/src/main.ts", "../../../packages/core/src/Address.ts"]
  ]
  it.each(forbidden)("refuses that %s imports %s", (file, to) => {
    assert.lengthOf(problemsOf([{ file, to }]), 1)
  })

  const permitted: ReadonlyArray<readonly [file: string, to: string]> = [
    ["packages/core/src/node/NodeTransport.ts", "node:tls"],
    ["packages/core/src/node/NodeTransport.ts", "../Connection.ts"],
    ["packages/core/src/Address.ts", "effect/net/NetAddress"],
    ["packages/framing/src/Framed.ts", "@framewire/core"],
    ["packages/server/src/Server.ts", "./internal/accept.ts"],
    ["packages/server/src/node/Workers.ts", "node:os"],
    ["packages/server/src/node/Workers.ts", "../DrainReport.ts"],
    ["apps/demo/src/main.ts", "@framewire/core/node/NodeTransport"]
  ]
  it.each(permitted)("accepts that %s imports %s", (file, to) => {
    assert.deepStrictEqual(problemsOf([{ file, to }]), [])
  })

  it("refuses a second file at an unstable module", () => {
    const imports = ["A", "B"].map((name) => ({ file: `packages/core/src/${name}.ts`, to: "effect/socket/Socket" }))
    assert.lengthOf(problemsOf(imports), 1)
  })
})
