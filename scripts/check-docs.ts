// Compiles every ```ts block of the Markdown files and of the packages' JSDoc, runs those marked `ts run`, and
// holds the block under an `<!-- embed PATH -->` line equal to that file (PATH from the root; --write rewrites it).
import { spawnSync } from "node:child_process"
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const pages = globSync(["README.md", "CONTRIBUTING.md", "packages/*/README.md", "docs/**/*.md"]).toSorted()
const sources = globSync("packages/*/src/**/*.ts").toSorted()
const write = process.argv.includes("--write")
const problems: Array<string> = []

const embedded = (page: string, text: string): string =>
  text.replaceAll(/^<!-- embed (.+) -->\n+(```ts[^\n]*\n)?([\s\S]*?^```$)?/gm, (all, path: string, fence, body) => {
    if (!existsSync(path)) problems.push(`${page}: embeds ${path}, which does not exist`)
    else if (fence === undefined || body === undefined) problems.push(`${page}: no \`\`\`ts block embeds ${path}`)
    else {
      const wanted = `${readFileSync(path, "utf8").trimEnd()}\n\`\`\``
      if (body !== wanted && !write) problems.push(`${page}: differs from ${path}: npm run docs -- --write`)
      return `<!-- embed ${path} -->\n\n${fence}${wanted}`
    }
    return all
  })

// The text of the comments, each on its own line number, everything else blank.
const commentsOf = (text: string): string =>
  text.split("\n").map((line) => /^\s*\* ?(.*)$/.exec(line)?.[1] ?? "").join("\n")

interface Block {
  readonly from: string
  readonly file: string
  readonly runs: boolean
}

// Blocks lie in .examples, not under node_modules, where Node would strip no types. The lines above a block are
// empty, so that an error's line number is that of the page.
const folder = ".examples"
const blocksOf = (path: string, text: string): ReadonlyArray<Block> =>
  Array.from(text.matchAll(/^([ \t]*)```(?:ts|typescript)\b([^\n]*)\n([\s\S]*?)^[ \t]*```[ \t]*$/gm), (match) => {
    const [, indent = "", flags = "", body = ""] = match
    const line = text.slice(0, match.index).split("\n").length
    const from = `${path}:${line}`
    if (indent !== "" || !/^```ts( run)?\n/.test(match[0])) {
      problems.push(`${from}: a block starts its line and is \`\`\`ts or \`\`\`ts run`)
    }
    const file = join(folder, `${path.replaceAll(/[^\w.-]+/g, "_")}_${line}.ts`)
    writeFileSync(file, `${"\n".repeat(line)}${body}export {}\n`)
    return { from, file, runs: flags.trim() === "run" }
  })

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder)
const blocks = pages.flatMap((page) => {
  const text = readFileSync(page, "utf8")
  const fresh = embedded(page, text)
  if (write && fresh !== text) writeFileSync(page, fresh)
  return blocksOf(page, fresh)
}).concat(sources.flatMap((path) => blocksOf(path, commentsOf(readFileSync(path, "utf8")))))
writeFileSync(
  join(folder, "tsconfig.json"),
  JSON.stringify({
    extends: "../tsconfig.base.json",
    include: ["*.ts"],
    compilerOptions: {
      composite: false,
      incremental: false,
      noEmit: true,
      rootDir: "..",
      lib: ["ES2023"],
      types: ["node"],
      noUnusedLocals: false
    }
  })
)

const node = (...args: ReadonlyArray<string>) => {
  const { error, status, stderr, stdout } = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 60_000 })
  return { ok: status === 0, text: `${stdout}${stderr}${error?.message ?? ""}` }
}
if (blocks.length === 0) problems.push("no ```ts block found anywhere")
else {
  const compiled = node("scripts/tsc.ts", "-p", folder)
  if (!compiled.ok) {
    problems.push(
      blocks.reduce((text, { file, from }) => text.replaceAll(file, from.replace(/:\d+$/, "")), compiled.text)
    )
  }
}
const runs = blocks.filter((block) => block.runs)
for (const { file, from } of runs) {
  const ran = node("--conditions=@framewire/source", file)
  if (!ran.ok) problems.push(`${from}: failed\n${ran.text}`)
}

for (const text of problems) console.error(text)
console.log(`${blocks.length} blocks compiled, ${runs.length} run: ${problems.length} problem(s)`)
process.exit(problems.length === 0 ? 0 : 1)
