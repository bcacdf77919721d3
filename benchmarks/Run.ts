// One run of the bench as it is kept in a file, and several of one machine as one.
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { BenchError } from "./Child.ts"
import { type Figure, kinds } from "./Figure.ts"
import type { Result } from "./Suite.ts"

const figureNames = Object.keys(kinds) as ReadonlyArray<Figure>

const Figures = Schema.Record(Schema.String, Schema.Finite)

const Share = Schema.Struct({ name: Schema.String, percent: Schema.Finite })

const ProfileSchema = Schema.Struct({
  /** What was profiled. */
  title: Schema.String,
  seconds: Schema.Finite,
  /** Of the time that it did not sleep. */
  categories: Schema.Array(Share),
  functions: Schema.Array(Schema.Struct({ ...Share.fields, category: Schema.String, where: Schema.String }))
})

/** Where the time of a hot run goes. */
export type Profile = typeof ProfileSchema.Type

const RunSchema = Schema.Struct({
  at: Schema.String,
  commit: Schema.String,
  machine: Schema.Struct({
    cpu: Schema.String,
    cores: Schema.Finite,
    memory: Schema.Finite,
    node: Schema.String,
    kernel: Schema.String,
    load: Schema.Finite,
    warnings: Schema.Array(Schema.String)
  }),
  window: Schema.Struct({ seconds: Schema.Finite, warmup: Schema.Finite }),
  results: Schema.Array(Schema.Struct({
    suite: Schema.String,
    name: Schema.String,
    base: Schema.String,
    shows: Schema.Array(Schema.Literals(figureNames)),
    asks: Schema.Literals(["closed", "open", "client"]),
    rounds: Schema.Record(Schema.String, Schema.Array(Figures)),
    failed: Schema.Record(Schema.String, Schema.String)
  })),
  profile: Schema.optionalKey(ProfileSchema)
})

export type Run = typeof RunSchema.Type

const fromJson = Schema.decodeUnknownEffect(Schema.fromJsonString(RunSchema))

export const parse = (text: string, from: string): Effect.Effect<Run, BenchError> =>
  Effect.mapError(fromJson(text), (error) => new BenchError({ message: `${from}: ${error.message}` }))

// As many digits as a measurement has.
const rounded = (_: string, value: unknown): unknown => typeof value === "number" ? Number(value.toPrecision(5)) : value

/** One measurement a line. */
export const format = (run: Run): string => {
  const lines: Array<string> = []
  const folded = (name: string, value: unknown): unknown => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return rounded(name, value)
    const isFlat = Object.keys(value).length > 0 && Object.values(value).every((it) => typeof it !== "object")
    return isFlat ? `line ${lines.push(JSON.stringify(value, rounded)) - 1}` : value
  }
  return `${JSON.stringify(run, folded, 2).replaceAll(/"line (\d+)"/g, (_, line) => lines[Number(line)]!)}\n`
}

const key = ({ name, suite }: Result): string => `${suite} ${name}`

/** What a later one has measured again stands for what an earlier one had. */
export const merge = (runs: ReadonlyArray<Run>): Effect.Effect<Run, BenchError> =>
  Effect.gen(function*() {
    const [first] = runs
    const last = runs.at(-1)
    if (first === undefined || last === undefined) return yield* new BenchError({ message: "no run to report of" })
    const stranger = runs.find(({ machine: { cores, cpu, kernel, node } }) =>
      [cores, cpu, kernel, node].join() !==
        [first.machine.cores, first.machine.cpu, first.machine.kernel, first.machine.node].join()
    )
    if (stranger !== undefined) {
      return yield* new BenchError({
        message: `figures of two machines: ${first.machine.cpu}, Node ${first.machine.node}, and ` +
          `${stranger.machine.cpu}, Node ${stranger.machine.node}`
      })
    }
    const results = new Map(runs.flatMap((run) => run.results.map((result) => [key(result), result])))
    const profile = runs.findLast((run) => run.profile !== undefined)?.profile
    const least = (by: (run: Run) => number) => runs.toSorted((a, b) => by(a) - by(b))[0] ?? first
    return {
      ...last,
      // The worst of all.
      machine: least((run) => -run.machine.load).machine,
      window: least((run) => run.window.seconds).window,
      results: [...results.values()],
      ...profile !== undefined && { profile }
    }
  })
