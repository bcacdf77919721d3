// All processes that there are and were: each is counted once, and its end is told.
import type { BoundPort } from "@framewire/core/node"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import type * as Stream from "effect/Stream"
import { eventsOf } from "../../internal/eventsOf.ts"
import { Stopping, WorkerError } from "../WorkerError.ts"
import type { WorkerEvent } from "../WorkerEvent.ts"
import type { WorkersReport } from "../WorkersReport.ts"
import * as Process from "./Process.ts"
import { none, withEnd } from "./reports.ts"

// What a slow subscriber may have waiting; then it loses the oldest.
const capacity = 4096

export interface Crew {
  /** Until all have stopped. */
  readonly events: Stream.Stream<WorkerEvent>
  readonly isAlive: (worker: Process.Process) => boolean
  /** A new worker of the slot, once it serves. */
  readonly start: (slot: number) => Effect.Effect<Process.Process, WorkerError>
  /** Suspends until it is gone. Once it was begun it goes on, also where nobody waits for it any more. */
  readonly retire: (worker: Process.Process) => Effect.Effect<void>
  /** Nobody starts any more, and all retire. To be called once. */
  readonly disband: Effect.Effect<WorkersReport>
}

/** The port of the workers. */
export interface Held extends Pick<BoundPort.BoundPort, "address" | "descriptors"> {
  /** Lets it go; undefined where others have it, too. */
  readonly close: Effect.Effect<void> | undefined
}

export const make = (held: Held, options: Process.Options): Effect.Effect<Crew> =>
  Effect.map(PubSub.sliding<WorkerEvent>(capacity), (hub) => {
    const alive = new Set<Process.Process>()
    const retired = new Set<Process.Process>()
    let report = none
    let disbanding = false
    let over = false
    const publish = (event: WorkerEvent) => {
      // What is full slides by the other way alone.
      if (!PubSub.publishUnsafe(hub, event)) Effect.runSync(PubSub.publish(hub, event))
    }

    const onEnded = (worker: Process.Process, { code, report: last, signal }: Process.Ended) => {
      alive.delete(worker)
      report = withEnd(report, last)
      const { pid, slot } = worker
      publish({ _tag: "Ended", slot, pid, asked: retired.delete(worker), code, signal, report: last })
    }

    const start = (slot: number): Effect.Effect<Process.Process, WorkerError> =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function*() {
          if (disbanding) return yield* new WorkerError({ slot, pid: undefined, reason: new Stopping() })
          const worker = yield* Process.start(slot, held, options, onEnded)
          const { pid } = worker
          alive.add(worker)
          publish({ _tag: "Started", slot, pid })
          yield* Effect.onError(restore(worker.ready), () => Effect.sync(worker.kill))
          publish({ _tag: "Ready", slot, pid })
          return worker
        }).pipe(Effect.tapError((error) => Effect.sync(() => publish({ _tag: "Failed", slot, error }))))
      )

    const retire = (worker: Process.Process): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (!alive.has(worker)) return Effect.void
        const ended = Effect.asVoid(worker.ended)
        if (retired.has(worker)) return ended
        retired.add(worker)
        publish({ _tag: "Draining", slot: worker.slot, pid: worker.pid })
        return Effect.andThen(
          Effect.forkDetach(worker.retire({ last: disbanding && held.close !== undefined }), {
            startImmediately: true
          }),
          ended
        )
      })

    const disband = Effect.gen(function*() {
      disbanding = true
      // Now it is the last worker that closes the port: a port that is open while nobody accepts keeps clients waiting.
      if (held.close !== undefined) yield* held.close
      yield* Effect.forEach([...alive], retire, { concurrency: "unbounded", discard: true })
      over = true
      publish({ _tag: "Stopped", report })
      return report
    })

    const events = eventsOf(hub, { isLast: ({ _tag }) => _tag === "Stopped", isOver: () => over })
    return { events, isAlive: (worker) => alive.has(worker), start, retire, disband }
  })
