// npm run bench -- [SUITE ...] [--peers a,b] [--cases TEXT] [--rounds N] [--seconds S] [--json FILE]
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { writeFileSync } from "node:fs"
import { everyCase } from "./cases.ts"
import * as Machine from "./Machine.ts"
import * as Report from "./Report.ts"
import * as Suite from "./Suite.ts"
import * as Targets from "./targets.ts"

const suites = ["decode", "encode", "echo", "idle", "connect", "rpc"] as const

const bench = Command.make("bench", {
  wanted: Argument.Literals("suite", suites).pipe(
    Argument.withDescription("What to measure; without one, all"),
    Argument.variadic()
  ),
  peers: Flag.String("peers").pipe(
    Flag.withMetavar("A,B"),
    Flag.withDescription("Only these; the base of a case always runs"),
    Flag.optional
  ),
  cases: Flag.String("cases").pipe(
    Flag.withMetavar("TEXT"),
    Flag.withDescription("Only cases whose name has this in it"),
    Flag.withDefault("")
  ),
  rounds: Flag.Int("rounds").pipe(
    Flag.withDescription("How often each peer runs"),
    Flag.filter((rounds) => rounds > 0, () => "at least 1"),
    Flag.withDefault(5)
  ),
  seconds: Flag.Finite("seconds").pipe(
    Flag.withDescription("How long each is measured, after half as long, 1 s at most, to warm up"),
    Flag.filter((seconds) => seconds > 0, () => "more than 0"),
    Flag.withDefault(2)
  ),
  json: Flag.String("json").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription("Write all that was measured to a file"),
    Flag.optional
  )
}, ({ cases, json, peers, rounds, seconds, wanted }) =>
  Effect.gen(function*() {
    const only = Option.getOrUndefined(Option.map(peers, (text) => text.split(",").map((name) => name.trim())))
    const chosen = everyCase
      .filter(({ name, suite }) => name.includes(cases) && (wanted.length === 0 || wanted.some((it) => it === suite)))
      .map((it) => ({
        ...it,
        peers: Object.fromEntries(
          Object.entries(it.peers).filter(([name]) => name === it.base || only?.includes(name) !== false)
        )
      }))
    const machine = Machine.describe()
    yield* Console.log(Report.machine(machine))
    if (rounds < 5) yield* Console.log(`warning: ${rounds} rounds are a look, not a measurement`)
    const window = { seconds, warmup: Math.min(1, seconds / 2) }
    const results: Array<Suite.Result> = []
    for (const each of chosen) {
      const result = yield* Suite.run(each, rounds, window, (text) => Console.error(text))
      results.push(result)
      yield* Console.log(`\n${Report.result(result)}`)
    }
    const judged = Targets.judgeAll(results)
    if (judged.length > 0) yield* Console.log(`\n${Report.judged(judged)}`)
    if (Option.isSome(json)) {
      writeFileSync(json.value, `${JSON.stringify({ machine, rounds, window, results, judged }, null, 2)}\n`)
    }
    process.exitCode = Targets.exitCode(results, judged)
  })).pipe(Command.withDescription("Measure framewire beside its peers"))

Command.run(bench, { version: "0.0.0" }).pipe(
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({
    // The default would make it 0.
    teardown: (exit, onExit) => exit._tag === "Success" ? onExit(Number(process.exitCode ?? 0)) : onExit(2)
  })
)
