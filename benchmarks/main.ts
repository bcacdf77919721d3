// npm run bench -- [SUITE ...] [--peers a,b] [--cases TEXT] [--targets] [--rounds N] [--seconds S] [--json FILE]
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as Argument from "effect/cli/Argument"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { execFileSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { everyCase } from "./cases.ts"
import { BenchError } from "./Child.ts"
import * as Machine from "./Machine.ts"
import * as Profile from "./Profile.ts"
import * as Report from "./Report.ts"
import * as Run from "./Run.ts"
import * as Suite from "./Suite.ts"
import * as Targets from "./targets.ts"

const suites = ["decode", "encode", "echo", "idle", "connect", "rpc", "attack", "workers", "scale", "profile"] as const

/** The cases that have one of these peers, with these and the base alone. */
const withPeers = (cases: ReadonlyArray<Suite.Case>, only: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const unknown = only.find((name) => cases.every(({ peers }) => peers[name] === undefined))
    if (unknown !== undefined) {
      const known = new Set(cases.flatMap(({ peers }) => Object.keys(peers)))
      return yield* new BenchError({ message: `no peer ${unknown} here, but ${[...known].join(", ")}` })
    }
    return cases.filter(({ peers }) => only.some((name) => peers[name] !== undefined)).map((it) => ({
      ...it,
      peers: Object.fromEntries(Object.entries(it.peers).filter(([name]) => name === it.base || only.includes(name)))
    }))
  })

/** After the first round only what the targets compare. */
const targeted = (it: Suite.Case): Suite.Case => {
  const wanted = Targets.targets.filter(({ name, suite }) => suite === it.suite && name === it.name)
  const often = new Set(wanted.flatMap(({ base, peer }) => [it.base, base, peer]))
  return { ...it, once: new Set(Object.keys(it.peers).filter((name) => !often.has(name))) }
}

/** With a "+" where the sources differ from it. */
const commit = (): string => {
  const git = (...args: ReadonlyArray<string>) => execFileSync("git", args, { encoding: "utf8", stdio: "pipe" }).trim()
  try {
    return `${git("rev-parse", "--short=12", "HEAD")}${git("status", "--porcelain", "packages", "benchmarks") && "+"}`
  } catch {
    return "unknown"
  }
}

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
  targets: Flag.Boolean("targets").pipe(
    Flag.withDescription("After the first round only what the targets compare: half of the time"),
    Flag.withDefault(false)
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
}, ({ cases, json, peers, rounds, seconds, targets, wanted }) =>
  Effect.gen(function*() {
    const named = (targets ? everyCase.map(targeted) : everyCase).filter(({ name, suite }) =>
      name.includes(cases) && (wanted.length === 0 || wanted.some((it) => it === suite))
    )
    const profiled = wanted.includes("profile") || wanted.length === 0 && cases === "" && Option.isNone(peers)
    if (named.length === 0 && !profiled) {
      return yield* new BenchError({ message: `no case with "${cases}" in its name` })
    }
    const chosen = Option.isNone(peers)
      ? named
      : yield* withPeers(named, peers.value.split(",").map((name) => name.trim()))
    const machine = Machine.describe()
    const window = { seconds, warmup: Math.min(1, seconds / 2) }
    const results: Array<Suite.Result> = []
    const run = { at: new Date().toISOString(), commit: commit(), machine, window, results }
    let profile: Run.Profile | undefined
    // From the beginning and after every case: a run that is broken off has not been for nothing.
    const save = Effect.try({
      try: () => {
        const judged = Targets.judgeAll(results)
        const all = profile === undefined ? run : { ...run, profile }
        if (Option.isSome(json)) writeFileSync(json.value, Run.format(all))
        return judged
      },
      catch: (cause) => new BenchError({ message: String(cause) })
    })
    yield* save
    yield* Console.log(Report.machine(machine))
    if (rounds < 5) yield* Console.log(`warning: of ${rounds} rounds a median says little: 5 are a measurement`)
    for (const each of chosen) {
      const result = yield* Suite.run(each, rounds, window, (text) => Console.error(text))
      results.push(result)
      yield* Console.log(`\n${Report.result(result)}`)
      yield* save
    }
    if (profiled) {
      yield* Console.error("profile")
      profile = yield* Effect.scoped(Profile.take(window))
      yield* Console.log(`\n${Report.profile(profile)}`)
    }
    const judged = yield* save
    if (judged.length > 0) yield* Console.log(`\n${Report.judged(judged)}`)
    process.exitCode = Targets.exitCode(results, judged)
  })).pipe(Command.withDescription("Measure framewire beside its peers; exits 1 if a target is missed"))

const exitCode = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return Number(process.exitCode ?? 0)
  if (Cause.hasInterruptsOnly(exit.cause)) return 130
  const error = Cause.squash(exit.cause)
  return CliError.isCliError(error) && error._tag === "ShowHelp" && error.errors.length === 0 ? 0 : 2
}

Command.run(bench, { version: "0.0.0" }).pipe(
  Effect.tapError((error) => error instanceof BenchError ? Console.error(`bench: ${error.message}`) : Effect.void),
  Effect.tapDefect((defect) => Console.error(defect)),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    // Once all that was printed has been taken: a pipe holds 64 KiB, and its reader may be slow.
    teardown: (exit, onExit) => process.stdout.write("", () => onExit(exitCode(exit)))
  })
)
