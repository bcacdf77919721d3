// The stop of a server, step by step.
import type { Listener } from "@framewire/core"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { DrainReport } from "../DrainReport.ts"
import type { DrainStep } from "../ServerEvent.ts"
import type { ServerOptions } from "../ServerOptions.ts"
import type { Entry, Serving } from "./Serving.ts"
import type { Watch } from "./Watch.ts"

const all = { discard: true, concurrency: "unbounded" } as const

// A RST waits for nobody; a transport that lets it wait does not hold the stop.
const resetPatience = "1 second"

export const drain = <R>({ clock, handedOut, listener, options, serving, watch }: {
  readonly listener: Listener.Listener
  /** Suspends until the last connection of the listener was taken. */
  readonly handedOut: Effect.Effect<void>
  readonly serving: Serving<R>
  readonly watch: Watch
  readonly clock: Clock.Clock
  readonly options: ServerOptions
}): Effect.Effect<DrainReport> =>
  Effect.gen(function*() {
    const { closeSpread = 0, drainDeadline = "15 seconds", drainLinger = 0, goodbye = 0, preStopDelay = 0 } = options
    const millis = (input: Duration.Input) => Duration.toMillis(Duration.fromInputUnsafe(input))
    const now = () => clock.currentTimeMillisUnsafe()
    const began = now()
    const deadline = began + millis(preStopDelay) + millis(drainDeadline)
    const move = (step: DrainStep) => watch.moved({ _tag: "Draining", step, deadline })
    const inTime = (effect: Effect.Effect<void>) => Effect.timeoutOption(effect, Math.max(0, deadline - now()))
    const closedBefore = watch.counts.closed

    move("announced")
    if (millis(preStopDelay) > 0) yield* Effect.sleep(preStopDelay)
    move("emptying")
    yield* listener.drain
    yield* inTime(handedOut)
    if (millis(goodbye) > 0) {
      move("leaving")
      yield* inTime(Effect.asVoid(Effect.timeoutOption(serving.empty, goodbye)))
    }
    move("closing")
    serving.close()
    const served = [...serving.entries].filter(({ phase }) => phase === "served")
    const spread = Math.min(millis(closeSpread), Math.max(0, deadline - now()))
    yield* inTime(Effect.raceFirst(serving.empty, Effect.andThen(stopReading(served, spread, clock), Effect.never)))

    serving.end()
    const late = [...serving.entries]
    const isServed = ({ phase }: Entry) => phase === "served"
    const wereServed = late.filter(isServed).length
    const { accepted } = watch.counts
    // Interruption is asked for and not awaited: a handler may be uninterruptible.
    const interrupt = Effect.sync(() => {
      for (const { fiber } of late) fiber?.interruptUnsafe()
    })
    if (late.length > 0) move("resetting")
    if (late.length > 0 && millis(drainLinger) > 0) {
      yield* Effect.andThen(interrupt, Effect.timeoutOption(serving.empty, drainLinger))
    }
    const left = late.filter((entry) => serving.entries.has(entry))
    yield* Effect.timeoutOption(
      // RST first: a handler that ends would send FIN, as if there were nothing more to answer.
      Effect.all([Effect.forEach(left, ({ connection }) => connection.abort, all), interrupt], all),
      resetPatience
    )
    const open = accepted - closedBefore
    const reset = left.filter(isServed).length
    return {
      accepted,
      rejected: watch.counts.rejected,
      open,
      finished: open - wereServed,
      interrupted: wereServed - reset,
      reset,
      durationMillis: now() - began
    }
  })

/** One after the other, each at a random moment of its own share of the time. */
const stopReading = (served: ReadonlyArray<Entry>, spread: number, clock: Clock.Clock) =>
  Effect.gen(function*() {
    const began = clock.currentTimeMillisUnsafe()
    const share = spread / served.length
    for (const [index, { connection }] of (yield* Random.shuffle(served)).entries()) {
      const moment = began + Math.floor(share * (index + (yield* Random.next)))
      const wait = moment - clock.currentTimeMillisUnsafe()
      if (wait > 0) yield* Effect.sleep(wait)
      yield* Effect.forkDetach(connection.shutdownRead, { startImmediately: true })
    }
  })
