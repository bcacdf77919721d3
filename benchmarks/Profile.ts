// Where the time of a hot run goes: a server under full load and V8's profiler, its samples summed by function.
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import * as Child from "./Child.ts"
import * as LoadGenerator from "./LoadGenerator.ts"
import type { Profile } from "./Run.ts"

/** What V8 writes, of which this is used. Microseconds. */
export interface CpuProfile {
  readonly nodes: ReadonlyArray<{
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }>
  readonly endTime: number
  readonly startTime: number
  /** The node that was on top, and how long after the sample before. */
  readonly samples: ReadonlyArray<number>
  readonly timeDeltas: ReadonlyArray<number>
}

type Frame = CpuProfile["nodes"][number]["callFrame"]

const categoryOf = ({ functionName, url }: Frame): string => {
  if (functionName === "(garbage collector)") return "gc"
  if (url.includes("/packages/")) return "framewire"
  if (url.includes("/node_modules/effect/")) return "effect"
  if (url.includes("/benchmarks/")) return "benchmark"
  // System calls have no address; "(program)" is libuv and the kernel on its behalf.
  return url.startsWith("node:") ? "node" : "native"
}

const whereOf = ({ functionName, lineNumber, url }: Frame): string =>
  url === ""
    ? functionName.startsWith("(") ? "V8" : "C++"
    : `${url.startsWith("node:") ? url : basename(url)}:${lineNumber + 1}`

const top = 15

/** Of the last `seconds`, less what it slept. */
export const summarize = (title: string, profile: CpuProfile, seconds: number): Profile => {
  const frames = new Map(profile.nodes.map(({ callFrame, id }) => [id, callFrame]))
  const from = profile.endTime - seconds * 1e6
  const times = new Map<string, { readonly frame: Frame; micros: number }>()
  let at = profile.startTime
  let busy = 0
  for (const [i, id] of profile.samples.entries()) {
    const micros = profile.timeDeltas[i] ?? 0
    at += micros
    const frame = frames.get(id)
    if (at < from || frame === undefined || frame.functionName === "(idle)") continue
    const key = `${frame.functionName} ${frame.url}:${frame.lineNumber}`
    const entry = times.get(key) ?? { frame, micros: 0 }
    entry.micros += micros
    times.set(key, entry)
    busy += micros
  }
  const percent = (micros: number) => 100 * micros / busy
  const functions = [...times.values()].toSorted((a, b) => b.micros - a.micros)
  const categories = Arr.groupBy(functions, ({ frame }) => categoryOf(frame))
  return {
    title,
    seconds: busy / 1e6,
    categories: Object.entries(categories).map(([name, all]) => ({
      name,
      percent: percent(all.reduce((sum, { micros }) => sum + micros, 0))
    })).toSorted((a, b) => b.percent - a.percent),
    functions: functions.slice(0, top).map(({ frame, micros }) => ({
      name: frame.functionName === "" ? "(anonymous)" : frame.functionName,
      where: whereOf(frame),
      category: categoryOf(frame),
      percent: percent(micros)
    }))
  }
}

/** One server's profile, 64 connections with 128 frames of 256 bytes in flight on each. */
export const take = (
  window: LoadGenerator.Window
): Effect.Effect<Profile, Child.BenchError, Scope.Scope> =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "framewire-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
    )
    const server = yield* Child.serveWith(["--cpu-prof", `--cpu-prof-dir=${folder}`], "framed-batch")
    yield* LoadGenerator.echo(server, { connections: 64, depth: 128, size: 256 }, window)
    yield* server.end
    // It writes the profile when it ends; then there is no line any more.
    yield* Effect.ignore(server.line(/^never$/))
    const [name = ""] = readdirSync(folder)
    const profile = yield* Effect.try({
      try: () => JSON.parse(readFileSync(join(folder, name), "utf8")) as CpuProfile,
      catch: (cause) => new Child.BenchError({ message: `no profile: ${String(cause)}` })
    })
    return summarize("`batch`, framed echo 64x128 256 B", profile, window.seconds)
  })
