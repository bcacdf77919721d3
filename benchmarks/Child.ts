// A program as a child process in a scope, bound to one core: when the scope closes, it is killed by its pid.
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { spawn, spawnSync } from "node:child_process"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"

/** Something did not run as it had to: what was measured with it is worth nothing. */
export class BenchError extends Data.TaggedError("BenchError")<{ readonly message: string }> {}

export interface Child {
  readonly pid: number
  /** The first line from here on that it prints and that matches; fails with its complaint if it ends before. */
  readonly line: (pattern: RegExp) => Effect.Effect<RegExpExecArray, BenchError>
  readonly write: (text: string) => Effect.Effect<void>
  /** Ends its standard input. */
  readonly end: Effect.Effect<void>
}

/** The cores are two where there are two: what serves has the first for itself, what asks the last. */
export const cores = { server: 0, load: availableParallelism() - 1 }

/** Binding a process to a core is Linux's. */
export const canPin = spawnSync("taskset", ["-c", "0", "true"]).status === 0

/** A class of its own before all others is for root, on Linux. */
export const canPrecede = spawnSync("chrt", ["-f", "1", "true"]).status === 0

/**
 * The main thread of a process that rests most of the time runs whenever it is ready, whatever else is on its core. One that
 * does not rest the kernel would stop for 50 ms of each second.
 */
export const precede = (pid: number): Effect.Effect<void> =>
  Effect.sync(() => {
    if (canPrecede) spawnSync("chrt", ["-f", "-R", "-p", "1", String(pid)])
  })

/**
 * The main thread of a process is before the others of its core, and has it for itself: V8's helpers, which would have cores of
 * their own, are on any, and there behind all others.
 */
export const favour = (pid: number): Effect.Effect<void> =>
  Effect.sync(() => {
    if (canPrecede) {
      spawnSync("chrt", ["-a", "-i", "-p", "0", String(pid)])
      spawnSync("chrt", ["-o", "-p", "0", String(pid)])
      spawnSync("renice", ["-n", "-20", "-p", String(pid)])
    }
    if (!canPin) return
    spawnSync("taskset", ["-acp", `0-${cores.load}`, String(pid)])
    spawnSync("taskset", ["-cp", String(cores.server), String(pid)])
  })

/** The command line of a TypeScript program beside this file. */
export const node = (program: string, ...args: ReadonlyArray<string>): ReadonlyArray<string> => [
  process.execPath,
  "--conditions=@framewire/source",
  "--expose-gc",
  join(import.meta.dirname, program),
  ...args
]

/** On a core, or on several, as `taskset -c` names them. */
export const start = (
  command: ReadonlyArray<string>,
  core: number | string
): Effect.Effect<Child, BenchError, Scope.Scope> =>
  Effect.gen(function*() {
    const pinned = canPin ? ["taskset", "-c", String(core), ...command] : command
    // As many descriptors as may be; every exec keeps the pid.
    const raised = ["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$@\"", "sh", ...pinned]
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn("sh", raised, { stdio: "pipe" })),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    const lines = yield* Queue.unbounded<string, BenchError>()
    let complaint = ""
    const over = (how: string) => {
      const message = `${command.slice(-4).join(" ")} ended (${how}) ${complaint.trim().slice(0, 2000)}`
      Queue.failCauseUnsafe(lines, Cause.fail(new BenchError({ message })))
    }
    createInterface({ input: child.stdout }).on("line", (line) => Queue.offerUnsafe(lines, line))
    child.stderr.on("data", (chunk: Buffer) => {
      complaint += chunk.toString()
    })
    // It may have ended before it has read what it was given.
    child.stdin.on("error", () => {})
    child.on("error", (error) => over(error.message))
    child.on("close", (code, signal) => over(signal ?? `exit code ${code}`))
    const { pid } = child
    if (pid === undefined) return yield* new BenchError({ message: `${command.join(" ")} did not start` })
    return {
      pid,
      line: (pattern) =>
        Effect.gen(function*() {
          while (true) {
            const match = pattern.exec(yield* Queue.take(lines))
            if (match !== null) return match
          }
        }),
      write: (text) => Effect.sync(() => void child.stdin.write(text)),
      end: Effect.sync(() => void child.stdin.end())
    }
  })

export interface Server extends Child {
  readonly port: number
}

const listening = (child: Child): Effect.Effect<Server, BenchError> =>
  Effect.map(child.line(/^listening (\d+)$/), ([, port]) => ({ ...child, port: Number(port) }))

/** One of `servers/`, on its core. */
export const serve = (name: string, ...args: ReadonlyArray<string>): Effect.Effect<Server, BenchError, Scope.Scope> =>
  Effect.flatMap(start(node(`servers/${name}.ts`, ...args), cores.server), listening)

/** The same with options for Node. */
export const serveWith = (
  options: ReadonlyArray<string>,
  name: string
): Effect.Effect<Server, BenchError, Scope.Scope> => {
  const [executable = "", ...rest] = node(`servers/${name}.ts`)
  return Effect.flatMap(start([executable, ...options, ...rest], cores.server), listening)
}

/** The same on all cores, beside what asks: a server of several processes. */
export const serveWide = (
  name: string,
  ...args: ReadonlyArray<string>
): Effect.Effect<Server, BenchError, Scope.Scope> =>
  Effect.flatMap(start(node(`servers/${name}.ts`, ...args), `${cores.server}-${cores.load}`), listening)
