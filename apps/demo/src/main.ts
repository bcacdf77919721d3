#!/usr/bin/env node
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import manifest from "../package.json" with { type: "json" }
import * as Bytes from "./Bytes.ts"
import * as CommandError from "./CommandError.ts"
import { framewire } from "./Framewire.ts"
import * as Usage from "./Usage.ts"

const endWithoutOutput = (error: NodeJS.ErrnoException) => {
  // Whoever read our output has gone, as `head` does: end as if by SIGPIPE, without a stack.
  if (error.code === "EPIPE") process.exit(141)
  process.stderr.write(`framewire: standard output: ${error.message}\n`, () => process.exit(1))
}
process.stdout.on("error", endWithoutOutput)
// With nobody left to tell, the work goes on: a server must not end because of what it says about a client.
process.stderr.on("error", () => {})

// The first signal interrupts the program, which may take its time to end; the second one ends it.
let signals = 0
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    signals++
    if (signals > 1) process.exit(130)
  })
}

const exitCode = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return 0
  const error = Cause.squash(exit.cause)
  if (error instanceof CommandError.CommandError) return error.exitCode
  if (CliError.isCliError(error)) return error._tag === "ShowHelp" && error.errors.length === 0 ? 0 : 2
  // A command for which a signal is the normal end has set its exit code.
  return Cause.hasInterruptsOnly(exit.cause) ? Number(process.exitCode ?? 130) : 1
}

/** What FRAMEWIRE_LOG_LEVEL says, before which is --log-level. */
const logLevel = Effect.gen(function*() {
  const text = yield* Config.String("FRAMEWIRE_LOG_LEVEL").pipe(Config.withDefault("info"))
  const level = LogLevel.values.find((level) => level.toLowerCase() === text.toLowerCase())
  if (level !== undefined) return level
  return yield* CommandError.usage(`FRAMEWIRE_LOG_LEVEL: expected one of ${LogLevel.values.join(" ").toLowerCase()}`)
})

const run = Command.run(framewire, { version: manifest.version })

logLevel.pipe(
  Effect.flatMap((level) => Effect.provideService(run, References.MinimumLogLevel, level)),
  Effect.tapError((error) =>
    error instanceof CommandError.CommandError && error.message !== ""
      ? Console.error(`framewire: ${Bytes.visibleLines(error.message)}`)
      : Effect.void
  ),
  Effect.tapDefect((defect) => Console.error(defect)),
  // What is logged must not come between the lines that are the output.
  Effect.provide([NodeServices.layer, Usage.layer, Layer.succeed(Logger.LogToStderr, true)]),
  // Standard input may still be open, and keeps Node alive; so it is we who exit, once all that was printed has been
  // taken: a pipe holds 64 KiB, and its reader may be slow.
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit) =>
      process.stdout.write("", () => {
        // What was printed last may not have been taken, and its event is still to come.
        if (process.stdout.errored) endWithoutOutput(process.stdout.errored)
        else process.stderr.write("", () => process.exit(exitCode(exit)))
      })
  })
)
