// What all links of one memory network share: its clock, its conditions, and whether it is partitioned.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"

/** Clocks of milliseconds in floating point: what is due within a microsecond is due. */
export const resolution = 0.001

export interface Conditions {
  readonly seed: string | number
  readonly latency: Duration.Input | readonly [min: Duration.Input, max: Duration.Input]
  /** Bytes per second. */
  readonly bandwidth: number
  /** The largest chunk. */
  readonly rechunk: number
  /** Bytes that one direction holds: on the wire, and with the reader who has not taken them. */
  readonly buffer: number
}

export interface Medium {
  readonly conditions: Conditions
  /** Milliseconds. */
  readonly now: () => number
  /** Never at once: whoever sends must not find the receiver running inside of its own step. */
  readonly after: (millis: number, task: () => void) => void
  /** A sequence of its own for each who draws, so that one link's traffic does not change another's. */
  readonly random: (name: string) => Effect.Effect<Random.Random>
  /** Milliseconds that one segment takes. */
  readonly latency: (random: Random.Random) => number
  /** Open, unless the network is partitioned. */
  readonly healed: Latch.Latch
  /** Runs the task at the next heal. */
  readonly park: (task: () => void) => void
  readonly heal: () => void
}

const isRange = (latency: Conditions["latency"]): latency is readonly [Duration.Input, Duration.Input] =>
  // [seconds, nanos] is a Duration.Input, too: here two numbers are milliseconds, as one number is.
  Array.isArray(latency) && latency.length === 2

const millisOf = (duration: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(duration))

export const make = (conditions: Conditions): Effect.Effect<Medium> =>
  Effect.gen(function*() {
    const clock = yield* Clock.Clock
    // Of no scope: what is on its way when the layer is over still arrives, as on a real network. Whoever closes waits for it.
    const run = Effect.runForkWith(yield* Effect.context())
    const healed = Latch.makeUnsafe(true)
    const [min, max] = isRange(conditions.latency)
      ? [millisOf(conditions.latency[0]), millisOf(conditions.latency[1])]
      : [millisOf(conditions.latency), millisOf(conditions.latency)]
    let parked: Array<() => void> = []
    return {
      conditions,
      now: () => clock.currentTimeMillisUnsafe(),
      after: (millis, task) => {
        // To sleep for less than the clock can tell apart is not to sleep at all.
        run(Effect.andThen(millis > resolution ? Effect.sleep(millis) : Effect.yieldNow, Effect.sync(task)))
      },
      random: (name) => Random.withSeed(Random.Random, `${conditions.seed}/${name}`),
      latency: (random) => max > min ? min + random.nextDoubleUnsafe() * (max - min) : min,
      healed,
      park: (task) => parked.push(task),
      heal: () => {
        const tasks = parked
        parked = []
        healed.openUnsafe()
        for (const task of tasks) task()
      }
    }
  })
