// Writes docs/reference: every metric, error and default of the packages, from what they export. With --check it writes
// nothing, and fails where a page is not what it would write.
import * as ClientMetrics from "@framewire/client/ClientMetrics"
import * as ServerMetrics from "@framewire/server/ServerMetrics"
import { spawnSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { type Comment, type DeclarationReflection, type ProjectReflection, ReflectionKind } from "typedoc"
import { isValue, literalsOf, valueOf } from "./defaults.ts"
import * as lifecycle from "./lifecycle.ts"
import { application, convert, root } from "./model.ts"

interface Noun {
  readonly entry: string
  readonly name: string
  readonly members: ReadonlyArray<DeclarationReflection>
}

const byPlace = (a: DeclarationReflection, b: DeclarationReflection) => a.id - b.id
const childrenOf = (it: { readonly children?: ReadonlyArray<DeclarationReflection> | undefined }) =>
  (it.children ?? []).toSorted(byPlace)

const nounsOf = (project: ProjectReflection): ReadonlyArray<Noun> =>
  childrenOf(project).flatMap((entry) => {
    const nouns = childrenOf(entry).filter(({ kind }) =>
      kind === ReflectionKind.Namespace || kind === ReflectionKind.Module
    )
    return nouns.length > 0
      ? nouns.map((noun) => ({ entry: entry.name, name: noun.name, members: childrenOf(noun) }))
      : [{ entry: entry.name, name: entry.name.split("/").at(-1)!, members: childrenOf(entry) }]
  })

const textOf = (comment: Comment | undefined): string =>
  (comment?.summary ?? []).map(({ text }) => text).join("").replaceAll(/\s+/g, " ").trim()
const isOf = (category: string) => ({ comment }: DeclarationReflection) =>
  comment?.blockTags.some(({ content, tag }) => tag === "@category" && content[0]?.text.trim() === category) === true

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>) =>
  [head, head.map(() => "---"), ...rows].map((row) => `| ${row.map((it) => it.replaceAll("|", "\\|")).join(" | ")} |`)
    .join("\n")
const code = (text: string) => text === "" ? "" : `\`${text.replaceAll(/\s+/g, " ")}\``

/** A table for each noun that has rows. */
const tables = (
  nouns: ReadonlyArray<Noun>,
  head: ReadonlyArray<string>,
  rowsOf: (noun: Noun) => ReadonlyArray<ReadonlyArray<string>>
) =>
  nouns.flatMap((noun) => {
    const rows = rowsOf(noun)
    return rows.length === 0 ? [] : [`## ${noun.name}`, `Of \`${noun.entry}\`.`, table(head, rows)]
  })

const page = (title: string, lead: string, ...body: ReadonlyArray<string>) =>
  [`# ${title}`, "<!-- Generated: npm run reference -->", lead, ...body].join("\n\n") + "\n"

interface Described {
  readonly id: string
  readonly type: string
  readonly description?: string | undefined
}

/** From the package's page, which the package's tests compare with what a running server or client has. */
const attributesOf = (entry: string, id: string): string => {
  const readme = readFileSync(join(root, "packages", entry.split("/")[1]!, "README.md"), "utf8")
  const row = readme.split("\n").find((line) => line.startsWith(`| \`${id}\` `))
  if (row === undefined) throw new Error(`the page of ${entry} has no ${id}`)
  return row.split("|")[3]!.trim()
}

const metricsPage = (nouns: ReadonlyArray<Noun>) => {
  const all: Readonly<Record<string, Readonly<Record<string, unknown>>>> = { ServerMetrics, ClientMetrics }
  const isDescribed = (it: unknown): it is Described =>
    typeof it === "object" && it !== null && "id" in it && "type" in it
  const rowsOf = ({ entry, members, name }: Noun) =>
    members.flatMap((member) => {
      const metric = all[name]?.[member.name]
      if (!isDescribed(metric)) return []
      return [[code(metric.id), metric.type, attributesOf(entry, metric.id), metric.description ?? ""]]
    })
  return page(
    "Metrics",
    "By the names under which Effect's exporters show them. What all of a server's, and all of a client's, have in common, and the " +
      "spans, is on the pages of the packages.",
    ...tables(nouns, ["metric", "type", "its own attributes", "meaning"], rowsOf)
  )
}

const quiet = new Set(["cause", "message", "stack", "name", "_tag", "toJSON"])

const errorsPage = (nouns: ReadonlyArray<Noun>) => {
  const isError = (it: DeclarationReflection) =>
    it.kind === ReflectionKind.Class && String(it.extendedTypes?.[0]).startsWith("YieldableError")
  const rowsOf = ({ members }: Noun) =>
    members.filter(isError).map((error) => {
      const fields = childrenOf(error).filter(({ kind, name }) =>
        (kind === ReflectionKind.Property || kind === ReflectionKind.Accessor) && !quiet.has(name)
      )
      const retry = fields.find(({ name }) => name === "retry")
      const comment = retry?.comment ?? retry?.getSignature?.comment
      const said = retry?.defaultValue === undefined ? textOf(comment) : code(JSON.parse(retry.defaultValue) as string)
      const names = fields.filter((it) => it !== retry).map(({ flags, name }) =>
        code(flags.isOptional ? `${name}?` : name)
      )
      return [code(error.name), names.join(", "), said, textOf(error.comment)]
    })
  return page(
    "Errors",
    "Each is a tagged class: catch it by `Effect.catchTag`, and a reason of one by `Effect.catchReason`. All have a `message` for people. " +
      "[Errors and retry](../guide/errors.md) says what to do with them.",
    ...tables(nouns, ["tag", "fields", "try again?", "meaning"], rowsOf)
  )
}

/** The sentence that says it. */
const defaultOf = (text: string): string => /\bDefault:? (.+?)(?=\.(?:\s|$)|$)/.exec(text)?.[1] ?? ""

const problems: Array<string> = []

const defaultsPage = (nouns: ReadonlyArray<Noun>) => {
  let compared = 0
  const rowsOf = ({ entry, members, name: noun }: Noun) =>
    members.filter(isOf("options")).flatMap((options) =>
      childrenOf(options).filter(({ flags, inheritedFrom }) => flags.isOptional && inheritedFrom === undefined).map(
        ({ comment, name, type }) => {
          const own = textOf(comment ?? signatureOf(type))
          const said = defaultOf(own)
          const literals = literalsOf(entry, noun, name)
          if (isValue(said)) {
            compared++
            // What is left out is undefined, which is no.
            const isNo = literals.length === 0 && valueOf(said) === "false"
            if (!isNo && !literals.some((it) => valueOf(it) === valueOf(said))) {
              problems.push(
                `${entry}/${noun}: ${options.name}.${name} says ${said}, the code ${literals.join() || "nothing"}`
              )
            }
          }
          const [only = "", ...others] = literals
          const meaning = own.replace(/\s*\bDefault\b.*$/, "").split(/(?<=\.)\s/)[0] ?? ""
          return [code(options.name), code(name), said || (others.length === 0 ? code(only) : ""), meaning]
        }
      )
    )
  const body = tables(nouns, ["options", "option", "default", "what"], rowsOf)
  return page(
    "Defaults",
    "Every option that can be left out, and what it is then: as its documentation says where it does, else as the code has it. " +
      `${compared} of them are a number, a time, a size or yes or no, and were compared with the code when this page was written. ` +
      "An options type has those of the types that it extends as well.",
    ...body
  )
}

const signatureOf = (type: DeclarationReflection["type"]): Comment | undefined =>
  type?.visit({ reflection: ({ declaration }) => declaration.signatures?.[0]?.comment })

const formatted = (text: string): string => {
  const dprint = createRequire(import.meta.url).resolve("dprint/bin.cjs")
  const { status, stderr, stdout } = spawnSync(process.execPath, [dprint, "fmt", "--stdin", "page.md"], {
    cwd: root,
    input: text,
    encoding: "utf8"
  })
  if (status !== 0) throw new Error(stderr)
  return stdout
}

const lifecyclePage = () => {
  const { head, rows } = lifecycle.table()
  return page(
    "States of a connection",
    "What `ConnectionState.transition` does, in every state that can be reached. An empty cell leaves the state as it is: the platform " +
      "may report late. [The life of a connection](../architecture.md#the-life-of-a-connection) says what the states mean.",
    "![The states of a connection, and the events that lead from one to the next](lifecycle.svg)",
    table(head, rows)
  )
}

const nouns = nounsOf(await convert(await application()))
const files = {
  "metrics.md": formatted(metricsPage(nouns)),
  "errors.md": formatted(errorsPage(nouns)),
  "defaults.md": formatted(defaultsPage(nouns)),
  "lifecycle.md": formatted(lifecyclePage()),
  "lifecycle.svg": lifecycle.svg()
}
for (const [name, wanted] of Object.entries(files)) {
  const path = join(root, "docs", "reference", name)
  if (!process.argv.includes("--check")) writeFileSync(path, wanted)
  else if (readFileSync(path, "utf8") !== wanted) {
    problems.push(`docs/reference/${name} is not what the code says: npm run reference`)
  }
}
for (const text of problems) console.error(text)
process.exitCode = problems.length === 0 ? 0 : 1
