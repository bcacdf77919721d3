/**
 * What became of the connections of a server of several processes.
 *
 * @since 0.1.0
 */
import type { DrainReport } from "../DrainReport.ts"

/**
 * What became of all the workers that there were, those that were replaced or died among them.
 *
 * @category models
 * @since 0.1.0
 */
export interface WorkersReport {
  /** The reports of the workers, added up; `durationMillis` is that of the slowest. */
  readonly total: DrainReport
  /** Workers that have reported. */
  readonly reported: number
  /** Workers that ended without a report: died, or killed. What became of their connections nobody knows. */
  readonly unreported: number
}
