// Effect's own count of fibers.
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

export interface Fibers {
  readonly running: () => number
  /** Counts those whose context comes from this effect's: not those that the platform's callbacks start. */
  readonly count: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export const make = (): Fibers => {
  let running = 0
  const service: Metric.FiberRuntimeMetricsService = {
    recordFiberStart: () => void running++,
    recordFiberEnd: () => void running--
  }
  return { running: () => running, count: Effect.provideService(Metric.FiberRuntimeMetrics, service) }
}
