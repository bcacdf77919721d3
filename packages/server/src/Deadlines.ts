/**
 * How long a peer may take. One fiber a server looks at all connections, four times a second.
 *
 * ```text
 * accepted        first frame whole                     frame begins     frame whole
 * |---- firstFrame ----|------------ readIdle -----------|----- frame -----|------ readIdle ...
 *                                                        '-- minRate from 10 s on
 * |--------------------------------- age: draining, no more is read ------------------------|- grace -|
 * ```
 *
 * Only the time in which the handler wants to receive is counted: a peer is not to blame for a handler that is busy, nor
 * for one that waits for a slow send. The PROXY header, the handshake and a send without progress have deadlines of their
 * own (`ProxyOptions.timeout`, `TlsOptions.handshakeTimeout`, `ConnectionOptions.writeTimeout`).
 *
 * @since 0.1.0
 */
import { type Connection, InvalidOption } from "@framewire/core"
import { Progress as Heard } from "@framewire/framing"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type { Handler } from "./Handler.ts"
import { type Limits, type Verdict, Watched } from "./internal/Watched.ts"

/**
 * How many frames a connection has brought: told by `Framed`, heard by the deadlines. A handler that decodes by itself and
 * never tells has frames that nobody knows: its first byte counts as its first frame, and `frame` and `minRate` do not hold.
 *
 * @category models
 * @since 0.1.0
 */
export type Progress = Heard.Progress

/**
 * The progress of the connection whose handler runs. Where no deadlines are kept it is for nobody.
 *
 * @category references
 * @since 0.1.0
 */
export const Progress: Context.Reference<Progress> = Heard.Progress

/**
 * When a connection has to give way to a new one, so that load spreads over new servers.
 *
 * @category options
 * @since 0.1.0
 */
export interface AgeOptions {
  /** Then `draining` says so, and `receive` ends as if the peer had sent FIN. */
  readonly after: Duration.Input
  /** By how much of `after`, either way, each connection differs, so that not all end at once. Default 0.1. */
  readonly jitter?: number
  /** How long the handler may take from then on. Default 15 s. */
  readonly grace?: Duration.Input
}

/**
 * Each deadline is found up to 500 ms late, and never early; of thousands that pass together the last ones later, because 8 are
 * enforced in a turn of the loop. `"unbounded"` turns it off.
 *
 * @category options
 * @since 0.1.0
 */
export interface DeadlineOptions {
  /** Until the first frame is whole. Default 10 s. */
  readonly firstFrame?: Duration.Input | "unbounded"
  /** From the first byte of a frame to its last. Default 30 s. */
  readonly frame?: Duration.Input | "unbounded"
  /** Bytes per second of a frame on average, from its tenth second on. Default 64. */
  readonly minRate?: number | "unbounded"
  /** Without a byte. Default 60 s; subscribers that only listen want it off, or a heartbeat. */
  readonly readIdle?: Duration.Input | "unbounded"
  /** How old a connection becomes. Default `"unbounded"`. */
  readonly age?: AgeOptions | "unbounded"
  /** Told of each deadline that passes, before the connection is reset. It must return soon, and not throw. */
  readonly onExceeded?: (error: DeadlineExceeded, connection: Connection.Connection) => void
  /**
   * Told how many frames a batch of any connection has brought (`receive`), which may be none, and how many were handed to one
   * together (`transmit`). It must return at once, and not throw.
   */
  readonly onFrames?: (frames: number, direction: "receive" | "transmit") => void
}

/**
 * A deadline has passed, and the connection was reset.
 *
 * @category errors
 * @since 0.1.0
 */
export class DeadlineExceeded extends Data.TaggedError("DeadlineExceeded")<{
  readonly which: "firstFrame" | "frame" | "minRate" | "readIdle" | "age"
  /** What was allowed; of `minRate`, how long the frame had taken. */
  readonly afterMillis: number
}> {
  override get message(): string {
    return `the deadline ${this.which} has passed, after ${this.afterMillis} ms`
  }
}

/**
 * The deadlines of one server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Deadlines {
  /**
   * The handler under these deadlines. Where one passes the connection is reset (`Aborted`), which ends a handler that
   * receives or sends, and the failure of the whole is `DeadlineExceeded`. A handler that has not ended 250 ms later is
   * interrupted.
   */
  readonly guard: <E, R>(handler: Handler<E, R>) => Handler<E | DeadlineExceeded, R>
}

const sweepMillis = 250

// Who came together, as a crowd that attacks, is late together. To end 1,000 connections takes 60 ms, which nobody else is to
// wait for.
const enforcedAtOnce = 8

const { duration, number, orUnbounded } = InvalidOption
const rules: InvalidOption.Rules<DeadlineOptions> = {
  firstFrame: orUnbounded(duration),
  frame: orUnbounded(duration),
  minRate: orUnbounded(number(0)),
  readIdle: orUnbounded(duration)
}
const ageRules: InvalidOption.Rules<AgeOptions> = { after: duration, jitter: number(0, 1), grace: duration }

const millis = (limit: Duration.Input | "unbounded"): number =>
  limit === "unbounded" ? Infinity : Duration.toMillis(Duration.fromInputUnsafe(limit))

const limitsOf = (options: DeadlineOptions): Limits => {
  const { firstFrame = "10 seconds", frame = "30 seconds", minRate = 64, readIdle = "60 seconds" } = options
  return {
    firstFrame: millis(firstFrame),
    frame: millis(frame),
    minRate: minRate === "unbounded" ? 0 : minRate,
    readIdle: millis(readIdle)
  }
}

/**
 * Keeps deadlines for as long as the scope lives, on the clock of the one who makes them.
 *
 * **Limits**: a batch costs an addition, and with `Connection.receive` two steps of the fiber. A connection costs 1.7 to 2 KB, and
 * no timer or fiber of its own; all sweeps together take 1 % of a core for 20,000 connections.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: DeadlineOptions = {}): Effect.Effect<Deadlines, never, Scope.Scope> =>
  Effect.gen(function*() {
    InvalidOption.check(options, rules)
    InvalidOption.check(options.age === "unbounded" ? undefined : options.age, ageRules, "age.")
    const limits = limitsOf(options)
    const age = options.age === "unbounded" ? undefined : options.age
    const [ageMillis, jitter, graceMillis] = age === undefined
      ? [Infinity, 0, Infinity]
      : [millis(age.after), age.jitter ?? 0.1, millis(age.grace ?? "15 seconds")]
    const { onFrames = () => undefined } = options
    const watches = new Set<Watched>()
    const anybody = Latch.makeUnsafe()
    const random = yield* Random.Random
    const clock = yield* Clock.Clock
    const run = Effect.runForkWith(yield* Effect.context())

    const enforce = (watch: Watched, verdict: Verdict) => {
      if (verdict === "aged") run(watch.retire)
      else if (verdict === "stuck") watch.interrupt()
      else {
        const error = new DeadlineExceeded(verdict)
        options.onExceeded?.(error, watch)
        run(watch.end(error))
      }
    }
    const sweep = Effect.gen(function*() {
      let now = clock.currentTimeMillisUnsafe()
      let enforced = 0
      for (const watch of watches) {
        const verdict = watch.look(now)
        if (verdict === undefined) continue
        enforce(watch, verdict)
        if (++enforced % enforcedAtOnce > 0) continue
        yield* Effect.yieldNow
        now = clock.currentTimeMillisUnsafe()
      }
      if (watches.size === 0) anybody.closeUnsafe()
    })
    yield* Effect.forkScoped(Effect.forever(
      Effect.andThen(anybody.await, Effect.andThen(Effect.sleep(sweepMillis), sweep)),
      { disableYield: true }
    ))

    return {
      guard: <E, R>(handler: Handler<E, R>) => (connection: Connection.Connection) =>
        Effect.withFiber((fiber) => {
          const opened = clock.currentTimeMillisUnsafe()
          const ages = ageMillis * (1 + jitter * (2 * random.nextDoubleUnsafe() - 1))
          const watch = new Watched(connection, limits, fiber, opened, { ages, graceMillis }, onFrames)
          // If this throws, nobody is watched.
          const handled = handler(watch)
          watches.add(watch)
          anybody.openUnsafe()
          return handled.pipe(
            Effect.provideService(Progress, watch),
            Effect.exit,
            Effect.flatMap((exit): Exit.Exit<void, E | DeadlineExceeded> =>
              watch.exceeded === undefined ? exit : Exit.fail(watch.exceeded)
            ),
            Effect.onExit(() => {
              watches.delete(watch)
              return Effect.void
            })
          )
        })
    }
  })
