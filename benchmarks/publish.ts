// npm run bench:report -- [FILE.json ...]: rewrites docs/performance.md, its plots and the figures kept beside them from
// what the bench has measured; of what is in several files, the last one counts. Without a file it runs the bench.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { BenchError, node } from "./Child.ts"
import * as Page from "./Page.ts"
import * as Run from "./Run.ts"

const docs = join(import.meta.dirname, "..", "docs")
const folder = join(docs, "performance")
const page = join(docs, "performance.md")

const attempt = <A>(run: () => A) =>
  Effect.try({
    try: run,
    catch: (cause) => new BenchError({ message: cause instanceof Error ? cause.message : String(cause) })
  })

const measured = attempt(() => {
  const file = join(import.meta.dirname, "..", "node_modules", ".cache", "framewire", "bench.json")
  mkdirSync(join(file, ".."), { recursive: true })
  const [command = "", ...args] = node("main.ts", "--json", file)
  const { status } = spawnSync(command, args, { stdio: "inherit" })
  // A missed target is to be reported, too.
  if (status !== 0 && status !== 1) throw new Error(`the bench ended with ${status}`)
  return [file]
})

const report = Effect.gen(function*() {
  const given = process.argv.slice(2)
  const files = given.length > 0 ? given : yield* measured
  const runs = yield* Effect.forEach(
    files,
    (file) => Effect.flatMap(attempt(() => readFileSync(file, "utf8")), (text) => Run.parse(text, file))
  )
  // From what is kept, so that the same comes of it again.
  const kept = Run.format(yield* Run.merge(runs))
  const run = yield* Run.parse(kept, "the figures")
  yield* attempt(() => {
    const written = Page.write(readFileSync(page, "utf8"), run)
    mkdirSync(folder, { recursive: true })
    for (const old of globSync(join(folder, "*.svg"))) rmSync(old)
    for (const { file, svg } of Page.pictures(run)) writeFileSync(join(folder, file), svg)
    writeFileSync(join(folder, "figures.json"), kept)
    writeFileSync(page, written)
  })
  yield* Console.log(`${page} says what is in ${files.join(", ")}`)
})

report.pipe(
  Effect.tapError((error) => Console.error(`bench:report: ${error.message}`)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
