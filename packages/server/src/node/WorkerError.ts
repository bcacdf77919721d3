/**
 * What can go wrong with the processes of a server.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * The program cannot be started: no such file to run Node by, no process or descriptor left.
 *
 * @category reasons
 * @since 0.1.0
 */
export class NotStarted extends Data.TaggedError("NotStarted")<{ readonly cause: unknown }> {
  override get message(): string {
    return `it did not start: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}

/**
 * It has not said that it listens within `readyTimeout`, and was killed.
 *
 * @category reasons
 * @since 0.1.0
 */
export class NotReady extends Data.TaggedError("NotReady")<{ readonly millis: number }> {
  override get message(): string {
    return `it was not ready in ${this.millis} ms`
  }
}

/**
 * The process has ended, by this exit code or signal, and nobody had asked for it.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Died extends Data.TaggedError("Died")<{
  readonly code: number | null
  readonly signal: string | null
}> {
  override get message(): string {
    return `it died: ${this.signal ?? `exit code ${this.code}`}`
  }
}

/**
 * No worker is started any more: the workers stop.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Stopping extends Data.TaggedError("Stopping") {
  override readonly message = "the workers stop"
}

/**
 * A worker does not serve. `pid` is undefined where there never was a process.
 *
 * @category errors
 * @since 0.1.0
 */
export class WorkerError extends Data.TaggedError("WorkerError")<{
  readonly slot: number
  readonly pid: number | undefined
  readonly reason: NotStarted | NotReady | Died | Stopping
}> {
  override get message(): string {
    return `worker ${this.slot}${this.pid === undefined ? "" : ` (process ${this.pid})`}: ${this.reason.message}`
  }
}

/**
 * This process was not started by `Workers`, or that one has gone.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotAWorker extends Data.TaggedError("NotAWorker") {
  override readonly message = "this process was not started as a worker"
}
