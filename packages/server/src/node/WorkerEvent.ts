/**
 * What happens to the processes of a server, as one stream.
 *
 * @since 0.1.0
 */
import type { DrainReport } from "../DrainReport.ts"
import type { WorkerError } from "./WorkerError.ts"
import type { WorkersReport } from "./WorkersReport.ts"

/**
 * What happened, to the worker of a slot or to all.
 *
 * - `Started`: the process runs; it does not serve yet.
 * - `Ready`: it serves.
 * - `Failed`: it does not become ready, and is no more. If there was one before in this slot, that one goes on.
 * - `Draining`: it was told to.
 * - `Ended`: the process is gone. `asked` says whether it was told to; `report` is undefined if it ended without one.
 * - `Stopped`: all are gone, and there will be no more.
 *
 * @category models
 * @since 0.1.0
 */
export type WorkerEvent =
  | { readonly _tag: "Started" | "Ready" | "Draining"; readonly slot: number; readonly pid: number }
  | { readonly _tag: "Failed"; readonly slot: number; readonly error: WorkerError }
  | {
    readonly _tag: "Ended"
    readonly slot: number
    readonly pid: number
    readonly asked: boolean
    readonly code: number | null
    readonly signal: string | null
    readonly report: DrainReport | undefined
  }
  | { readonly _tag: "Stopped"; readonly report: WorkersReport }
