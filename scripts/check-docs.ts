// Compiles every ```ts block of the repository's Markdown files and of the packages' JSDoc, runs those marked `ts run`
// and compares what they print with the `text output` below, parses ```sh and ```json, holds the block under an
// `<!-- embed PATH -->` line equal to that file (PATH from the root; --write rewrites both), and follows every link to a file.
import { execFileSync, spawnSync } from "node:child_process"
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { type Block, blocksOf } from "./docs-blocks.ts"

const write = process.argv.includes("--write")
const named = process.argv.slice(2).filter((it) => !it.startsWith("--"))
const tracked = () =>
  execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"], { encoding: "utf8" })
    .trim().split("\n").filter(existsSync)
const pages = named.length > 0 ? named : tracked()
const sources = named.length > 0 ? [] : globSync("packages/*/src/**/*.ts").toSorted()
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

// What Node keeps of its compilation halves the time that the examples take.
const env = { ...process.env, NODE_COMPILE_CACHE: join(".cache", "node") }
const node = (...args: ReadonlyArray<string>) => {
  const { error, status, stderr, stdout } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    env,
    timeout: 60_000
  })
  return { ok: status === 0, stdout, text: `${stdout}${stderr}${error?.message ?? ""}` }
}

const parses: Record<Block["language"], (body: string) => void> = {
  ts: () => {},
  text: () => {},
  json: (body) => void JSON.parse(body),
  sh: (body) => void execFileSync("bash", ["-n"], { input: body, stdio: ["pipe", "pipe", "pipe"] })
}

interface Example extends Block {
  readonly path: string
  readonly file: string
  /** What it has to print, where that is said. */
  readonly output: Block | undefined
}

// Blocks lie here, not under node_modules, where Node would strip no types. The lines above a block are empty, so that an
// error's line number is that of the page.
const folder = join(".examples", String(process.pid))
const examplesOf = (path: string, text: string): ReadonlyArray<Example> => {
  const page = blocksOf(path, text)
  problems.push(...page.problems)
  return page.blocks.flatMap((block, index) => {
    try {
      parses[block.language](block.body)
    } catch (error) {
      problems.push(`${path}:${block.line}: ${String(error)}`)
    }
    if (block.language !== "ts") return []
    const file = join(folder, `${path.replaceAll(/[^\w.-]+/g, "_")}_${block.line}.ts`)
    writeFileSync(file, `${"\n".repeat(block.line)}${block.body}\nexport {}\n`)
    const next = page.blocks[index + 1]
    return [{ ...block, path, file, output: next?.flag === "output" ? next : undefined }]
  })
}

mkdirSync(folder, { recursive: true })
try {
  const examples = pages.flatMap((page) => {
    const text = readFileSync(page, "utf8")
    const fresh = embedded(page, text)
    if (write && fresh !== text) writeFileSync(page, fresh)
    for (const [, to = ""] of fresh.replaceAll(/`[^`]*`/g, "").matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g)) {
      if (!existsSync(join(dirname(page), to))) problems.push(`${page}: nothing is at ${to}`)
    }
    return examplesOf(page, fresh)
  }).concat(sources.flatMap((path) => examplesOf(path, commentsOf(readFileSync(path, "utf8")))))
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      extends: "../../tsconfig.base.json",
      include: ["*.ts"],
      compilerOptions: {
        composite: false,
        incremental: false,
        noEmit: true,
        rootDir: "../..",
        lib: ["ES2023"],
        types: ["node"],
        noUnusedLocals: false
      }
    })
  )

  if (examples.length === 0) problems.push("no ```ts block found anywhere")
  else {
    const compiled = node("scripts/tsc.ts", "-p", folder, "--pretty", "false")
    if (!compiled.ok) {
      problems.push(examples.reduce((text, { file, path }) => text.replaceAll(file, path), compiled.text))
    }
  }
  const runs = examples.filter(({ flag }) => flag === "run")
  // From the last on, so that a rewritten output moves no line that is still to come.
  for (const { file, line, output, path } of runs.toReversed()) {
    const ran = node("--conditions=@framewire/source", file)
    if (!ran.ok) problems.push(`${path}:${line}: failed\n${ran.text}`)
    else if (ran.stdout.trimEnd() !== (output?.body.trimEnd() ?? "")) {
      if (write && output !== undefined) {
        const lines = readFileSync(path, "utf8").split("\n")
        lines.splice(output.line, output.body.split("\n").length, ran.stdout.trimEnd())
        writeFileSync(path, lines.join("\n"))
      }
      problems.push(`${path}:${line}: it prints\n${ran.stdout}`)
    }
  }

  for (const text of problems) console.error(text)
  console.log(
    `${pages.length} pages: ${examples.length} blocks compiled, ${runs.length} run: ${problems.length} problem(s)`
  )
  process.exitCode = problems.length === 0 ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
