// The reports of workers, added up one after the other.
import type { DrainReport } from "../../DrainReport.ts"
import type { WorkersReport } from "../WorkersReport.ts"

const sum = (a: DrainReport, b: DrainReport): DrainReport => ({
  accepted: a.accepted + b.accepted,
  rejected: a.rejected + b.rejected,
  open: a.open + b.open,
  finished: a.finished + b.finished,
  interrupted: a.interrupted + b.interrupted,
  reset: a.reset + b.reset,
  durationMillis: Math.max(a.durationMillis, b.durationMillis)
})

export const none: WorkersReport = {
  total: { accepted: 0, rejected: 0, open: 0, finished: 0, interrupted: 0, reset: 0, durationMillis: 0 },
  reported: 0,
  unreported: 0
}

/** One more has ended; without a report if it has left none. */
export const withEnd = (
  { reported, total, unreported }: WorkersReport,
  report: DrainReport | undefined
): WorkersReport =>
  report === undefined
    ? { total, reported, unreported: unreported + 1 }
    : { total: sum(total, report), reported: reported + 1, unreported }
