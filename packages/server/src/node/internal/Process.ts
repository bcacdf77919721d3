// One worker as its primary has it: from its start to its end, of which nothing is missed.
import type { BoundPort } from "@framewire/core/node"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type ChildProcess, fork } from "node:child_process"
import type { DrainReport } from "../../DrainReport.ts"
import { Died, NotReady, NotStarted, WorkerError } from "../WorkerError.ts"
import { FromWorker, Place, ToWorker, variable } from "./messages.ts"

export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  /** Undefined: it ended without one. */
  readonly report: DrainReport | undefined
}

export interface Process {
  readonly slot: number
  readonly pid: number
  /** Suspends until it listens, or will not. */
  readonly ready: Effect.Effect<void, WorkerError>
  /** Suspends until it is gone and its last word was read. */
  readonly ended: Effect.Effect<Ended>
  readonly died: Effect.Effect<WorkerError>
  /** Tells it to drain, and suspends until it is gone; it is killed when it takes too long. */
  readonly retire: (how: { readonly last: boolean }) => Effect.Effect<void>
  readonly kill: () => void
}

export interface Options {
  readonly entry: string | URL
  readonly args: ReadonlyArray<string>
  readonly execArgv: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly readyTimeout: Duration.Input
  readonly stopTimeout: Duration.Input
}

const decode = Schema.decodeUnknownOption(FromWorker)

/** Runs the program with the descriptor; the end of it is its own, not a scope's. `onEnded` is told first. */
export const start = (
  slot: number,
  held: Pick<BoundPort.BoundPort, "address" | "descriptors">,
  options: Options,
  onEnded: (process: Process, ended: Ended) => void
): Effect.Effect<Process, WorkerError> =>
  Effect.try({
    try: () =>
      fork(options.entry, [...options.args], {
        execArgv: [...options.execArgv],
        env: { ...options.env, [variable]: Schema.encodeSync(Place)(held.address) },
        stdio: ["ignore", "inherit", "inherit", held.descriptors[slot % held.descriptors.length], "ipc"]
      }),
    catch: (cause) => new WorkerError({ slot, pid: undefined, reason: new NotStarted({ cause }) })
  }).pipe(Effect.flatMap((child) => follow(slot, child, options, onEnded)))

const follow = (
  slot: number,
  child: ChildProcess,
  { readyTimeout, stopTimeout }: Options,
  onEnded: (process: Process, ended: Ended) => void
): Effect.Effect<Process, WorkerError> => {
  const { pid } = child
  const fail = (reason: WorkerError["reason"]) => new WorkerError({ slot, pid, reason })
  if (pid === undefined) {
    return Effect.callback((resume) => {
      child.once("error", (cause) => resume(Effect.fail(fail(new NotStarted({ cause })))))
    })
  }
  const listens = Deferred.makeUnsafe<void, WorkerError>()
  const ended = Deferred.makeUnsafe<Ended>()
  let report: DrainReport | undefined
  let exit: Pick<Ended, "code" | "signal"> | undefined
  // Its last word may come after its exit.
  const look = () => {
    if (exit === undefined || child.connected) return
    const how = { ...exit, report }
    onEnded(process, how)
    Deferred.doneUnsafe(listens, Effect.fail(fail(new Died(exit))))
    Deferred.doneUnsafe(ended, Effect.succeed(how))
  }
  child.on("message", (message) => {
    const told = Option.getOrUndefined(decode(message))
    if (told?._tag === "Ready") Deferred.doneUnsafe(listens, Effect.void)
    else if (told?._tag === "Drained") report = told.report
  })
  child.on("exit", (code, signal) => {
    exit = { code, signal }
    look()
  })
  child.on("disconnect", look)
  // It could not be killed, or not be told: how it ends says the rest.
  child.on("error", () => {})

  const kill = () => void child.kill("SIGKILL")
  const gone = Deferred.await(ended)
  const process: Process = {
    slot,
    pid,
    ready: Effect.timeoutOrElse(Deferred.await(listens), {
      duration: readyTimeout,
      orElse: () =>
        Effect.fail(fail(new NotReady({ millis: Duration.toMillis(Duration.fromInputUnsafe(readyTimeout)) })))
    }),
    ended: gone,
    died: Effect.map(gone, (how) => fail(new Died({ code: how.code, signal: how.signal }))),
    retire: (how) =>
      Effect.suspend(() => {
        if (child.connected) child.send(ToWorker.make(how), () => {})
        return Effect.timeoutOrElse(Effect.asVoid(gone), {
          duration: stopTimeout,
          orElse: () => {
            kill()
            return Effect.asVoid(gone)
          }
        })
      }),
    kill
  }
  return Effect.succeed(process)
}
