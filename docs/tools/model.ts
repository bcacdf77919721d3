// What the packages export, as TypeDoc reads it. TypeDoc needs the compiler as a library, which TypeScript 7 is not: it has a
// TypeScript 6 beside it, in this folder alone, that reads the same sources.
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Application, type ProjectReflection, type TypeDocOptions } from "typedoc"

interface Manifest {
  readonly name: string
  readonly exports: Readonly<Record<string, { readonly "@framewire/source": string } | string | null>>
}

export const root = join(import.meta.dirname, "..", "..")

/** The source of each entry of each package, by the name that it is imported by. */
const entries: ReadonlyMap<string, string> = new Map(
  globSync("packages/*/package.json", { cwd: root }).toSorted().flatMap((path) => {
    const { exports, name } = JSON.parse(readFileSync(join(root, path), "utf8")) as Manifest
    return Object.entries(exports).flatMap(([subpath, target]): ReadonlyArray<readonly [string, string]> => {
      if (target === null || typeof target === "string" || subpath.includes("*")) return []
      return [[join(name, subpath), join(root, path, "..", target["@framewire/source"])]]
    })
  }).concat([["@framewire/server/Health", join(root, "packages/server/src/Health.ts")]])
)

/** An application with our options, and these. A warning of it is a failure. */
export const application = (options: TypeDocOptions = {}) =>
  Application.bootstrapWithPlugins({
    entryPoints: Array.from(entries.values()),
    tsconfig: join(root, "docs", "tsconfig.json"),
    readme: "none",
    excludeExternals: true,
    excludePrivate: true,
    disableSources: true,
    logLevel: "Warn",
    treatWarningsAsErrors: true,
    blockTags: ["@category", "@since", "@param", "@returns", "@example"],
    ...options
  })

/** What was read, each entry under the name that it is imported by. */
export const convert = async (app: Application): Promise<ProjectReflection> => {
  const project = await app.convert()
  if (project === undefined || app.logger.hasErrors() || app.logger.hasWarnings()) throw new Error("TypeDoc warns")
  for (const entry of project.children ?? []) entry.name = `@framewire/${entry.name.replace("/src", "")}`
  return project
}
