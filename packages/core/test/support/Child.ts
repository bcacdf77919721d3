// A process of its own, for what cannot be shown in this one: a limit of descriptors, an inherited descriptor.
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"

/** Runs a module of the packages' sources. */
export const node = ["--conditions=@framewire/source", "--no-warnings", "--input-type=module", "--eval"] as const

/** Where that finds the packages. */
export const cwd = join(import.meta.dirname, "../..")

export interface Child {
  /** The next line that it prints, which has to be JSON; "exit" when it has exited. */
  readonly next: Effect.Effect<unknown>
  readonly tell: (line: string) => Effect.Effect<void>
}

/** Runs a program until the scope closes, with every process that it started. */
export const start = (program: string, args: ReadonlyArray<string>): Effect.Effect<Child, never, Scope.Scope> =>
  Effect.gen(function*() {
    const lines = yield* Queue.unbounded<unknown>()
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(program, args, { cwd, detached: true, stdio: ["pipe", "pipe", "inherit"] })),
      (child) => Effect.sync(() => killGroup(child))
    )
    let text = ""
    child.stdout.on("data", (chunk) => {
      const parts = `${text}${chunk}`.split("\n")
      text = parts.pop() ?? ""
      for (const line of parts) Queue.offerUnsafe(lines, JSON.parse(line))
    })
    child.stdin.on("error", () => {})
    child.on("close", () => Queue.offerUnsafe(lines, "exit"))
    return { next: Queue.take(lines), tell: (line) => Effect.sync(() => void child.stdin.write(`${line}\n`)) }
  })

const killGroup = ({ exitCode, pid, signalCode }: ChildProcess): void => {
  if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, "SIGKILL")
}
