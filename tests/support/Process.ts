// A program as a child process in the scope of a test: when the test ends, however it ends, the child is killed by its
// pid. Waiting is bounded, and says what the program had printed until then.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { join } from "node:path"
import * as Progress from "./Progress.ts"

const root = join(import.meta.dirname, "..", "..")

// The command is started a hundred times: what Node keeps of its compilation halves the time that this takes.
const env = { ...process.env, NODE_COMPILE_CACHE: join(root, ".cache", "node") }

export interface Ended {
  /** The exit code, or the signal that ended it. */
  readonly code: number | string
  readonly stdout: string
  readonly stderr: string
}

export interface Process {
  readonly pid: number
  readonly write: (data: string | Uint8Array) => Effect.Effect<void>
  /** Ends its standard input. */
  readonly end: Effect.Effect<void>
  /** Closes our end of its standard output, as `head` does. */
  readonly closeOutput: Effect.Effect<void>
  /** The same of its standard error. */
  readonly closeErrors: Effect.Effect<void>
  /** Reads no standard output, until `resumeOutput`. */
  readonly pauseOutput: Effect.Effect<void>
  readonly resumeOutput: Effect.Effect<void>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** The first match in what it has printed or will print, on standard output or standard error. */
  readonly printed: (pattern: RegExp) => Effect.Effect<RegExpExecArray>
  /** How it ended, once it has and its output is complete. */
  readonly ended: Effect.Effect<Ended>
}

/** Starts it in the root of the repository; its standard input stays open. */
export const start = (
  file: string,
  args: ReadonlyArray<string>
): Effect.Effect<Process, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { child, stdin, stderr: errors, stdout: output } = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(file, args, { cwd: root, env })
        return { child, stdin: child.stdin, stdout: child.stdout, stderr: child.stderr }
      }),
      ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
    )
    const out: Array<Buffer> = []
    const err: Array<Buffer> = []
    const stdout = () => Buffer.concat(out).toString()
    const stderr = () => Buffer.concat(err).toString()
    let code: number | string | undefined
    const progress = Progress.make({
      over: () => code === undefined ? undefined : `ended (${code})`,
      soFar: () => `${file} ${args.join(" ")}\n--- stdout\n${stdout()}\n--- stderr\n${stderr()}`
    })

    const endedBy = (how: number | string) => {
      code ??= how
      progress.look()
    }
    output.on("data", (chunk: Buffer) => {
      out.push(chunk)
      progress.look()
    })
    errors.on("data", (chunk: Buffer) => {
      err.push(chunk)
      progress.look()
    })
    child.on("close", (exitCode, signal) => endedBy(exitCode ?? signal ?? "unknown"))
    child.on("error", (error) => endedBy(error.message))
    // A program may end before it has read what it was given.
    stdin.on("error", () => {})

    return {
      pid: child.pid ?? -1,
      write: (data) => Effect.sync(() => void stdin.write(data)),
      end: Effect.sync(() => void stdin.end()),
      closeOutput: Effect.sync(() => void output.destroy()),
      closeErrors: Effect.sync(() => void errors.destroy()),
      pauseOutput: Effect.sync(() => void output.pause()),
      resumeOutput: Effect.sync(() => void output.resume()),
      signal: (signal) => Effect.sync(() => void child.kill(signal)),
      printed: (pattern) =>
        progress.until(String(pattern), () => pattern.exec(stdout()) ?? pattern.exec(stderr()) ?? undefined),
      ended: progress.until("its end", () =>
        code === undefined ? undefined : { code, stdout: stdout(), stderr: stderr() })
    }
  })

/** Runs it to its end, with this standard input. */
export const run = (
  file: string,
  args: ReadonlyArray<string>,
  stdin: string | Uint8Array = ""
): Effect.Effect<Ended> =>
  Effect.gen(function*() {
    const child = yield* start(file, args)
    yield* child.write(stdin)
    yield* child.end
    return yield* child.ended
  }).pipe(Effect.scoped)
