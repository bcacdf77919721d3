/**
 * Many lines as one client.
 *
 * ```text
 * request --+               +-- line --> endpoint 1     at most maxInFlight requests each
 * request --+--> the line --+-- line --> endpoint 2
 * request --+    with least +-- line --> endpoint 1
 *           '--> waits, where all are full: at most maxWaiting, for at most waitTimeout
 * ```
 *
 * @since 0.1.0
 */
import { Address, type Transport } from "@framewire/core"
import type * as Arr from "effect/Array"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import type * as Scope from "effect/Scope"
import type { Client, Spoken } from "./Client.ts"
import { checkPool } from "./internal/checkOptions.ts"
import type { Attempted } from "./internal/keep.ts"
import { keptClient, type KeptOptions } from "./internal/keptClient.ts"
import * as Pushes from "./internal/Pushes.ts"
import { type Queue, type ReconnectOptions, schedule } from "./Reconnect.ts"
import { SessionError } from "./Status.ts"

/**
 * How many lines, and for how long.
 *
 * @category options
 * @since 0.1.0
 */
export interface PoolOptions<in out Req, in out Res, in out Err = never, in out P = never>
  extends Omit<ReconnectOptions<Req, Res, Err, P>, "queue">
{
  /** Lines at most. Default 4. */
  readonly size?: number
  /** Lines that are kept though nobody needs them; one more is made when all are full. Default `size`. */
  readonly minSize?: number
  /** Requests that wait because all lines are full; more fail with `QueueFull`. Default 10 000. */
  readonly maxWaiting?: number
  /** Such a request that waits for longer fails with `QueueTimedOut`. Default 5 s. */
  readonly waitTimeout?: Duration.Input
  /** What may wait while there is no line at all. Default as of `Queue`. */
  readonly queue?: Queue
  /** A line above `minSize` that is not used for so long, or up to a fifth less, is drained. Default 5 min. */
  readonly idleTimeout?: Duration.Input
  /** A line that is so old, or up to a fifth less, is drained, and another made. Default 30 min, `"Infinity"` never. */
  readonly maxAge?: Duration.Input
  /**
   * With `heartbeat`: a line without requests that has said nothing for so long is pinged, and has no request before it
   * answers. Default 5 s, `"Infinity"` never.
   */
  readonly checkAfter?: Duration.Input
  /**
   * An endpoint to which so many attempts in a row fail is not tried for `ejectionTime`. Where there is one endpoint, that
   * is never so. Default 5.
   */
  readonly maxFailures?: number
  /** Default 30 s. */
  readonly ejectionTime?: Duration.Input
}

/** Leaves alone for a while what fails again and again. */
const ejecting = (maxFailures: number, ejectionTime: Duration.Input) =>
  Effect.gen(function*() {
    const store = yield* Layer.build(CircuitBreaker.layerStoreMemory())
    const breaker = yield* Effect.provide(
      CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(maxFailures), openDuration: ejectionTime }),
      store
    )
    return (attempt: Attempted, address: Address.Address): Attempted => {
      const key = Address.format(address)
      const executed: Effect.Effect<
        Effect.Success<Attempted>,
        Effect.Error<Attempted> | CircuitBreaker.CircuitBreakerError,
        Transport.Transport
      > = breaker.execute(attempt, { key })
      return Effect.catchTag(executed, "CircuitBreakerError", (cause) => Effect.fail(new SessionError({ cause })))
    }
  })

/**
 * A client of several lines to one endpoint, or to several in rotation, each kept as by `Reconnect`. The scope owns it.
 *
 * **Contract**: of `Client` and `Reconnect`. A request goes to the line with the fewest in flight. Requests of different
 * fibers have no order, those of one that waits for each answer have.
 *
 * **Limits**: memory is bounded by `size` x `maxInFlight` requests in flight and what may wait.
 *
 * **Errors**: a request fails with `RequestError`: as `NotSent` with `QueueFull` or `QueueTimedOut` where it found no place.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <Req, Res, Err = never, P = never, Hello = never, Agreed = never, Refusal = never>(
  spoken: Spoken<Hello, Agreed, Refusal, Req, Res, Err, P>,
  endpoints: Address.Address | Arr.NonEmptyReadonlyArray<Address.Address>,
  options: PoolOptions<Req, Res, Err, P> = {}
): Effect.Effect<Client<Req, Res, Err, P>, never, Transport.Transport | Scope.Scope> =>
  Effect.gen(function*() {
    checkPool(options)
    const { maxFailures = 5, ejectionTime = "30 seconds", size = 4 } = options
    const isOne = !("length" in endpoints) || endpoints.length === 1
    const pushes = yield* Pushes.make<P>(options)
    const settings: KeptOptions = {
      schedule: options.schedule ?? schedule,
      queue: options.queue ?? {},
      maxWaiting: options.maxWaiting ?? 10_000,
      waitTimeout: options.waitTimeout ?? "5 seconds",
      size,
      minSize: Math.min(size, options.minSize ?? size),
      idleTimeout: options.idleTimeout ?? "5 minutes",
      maxAge: options.maxAge ?? "30 minutes",
      checkAfter: options.checkAfter ?? "5 seconds",
      guard: isOne ? (attempt) => attempt : yield* ejecting(maxFailures, ejectionTime)
    }
    return { ...yield* keptClient(spoken, endpoints, options, settings, pushes), pushes: pushes.stream }
  })
