/**
 * A client whose line is made anew when it ends.
 *
 * ```text
 *               +--------------- backoff <---------------+
 *               v                                        |
 * make --> Connecting -- greeting, session --> Ready -- end of the line
 *               |                                |
 *               '-- schedule done --> Closed     '-- requests, and those that wait for a line
 * ```
 *
 * @since 0.1.0
 */
import type { Address, Transport } from "@framewire/core"
import type * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Client, ClientOptions, Requests, Spoken } from "./Client.ts"
import { checkReconnect } from "./internal/checkOptions.ts"
import { keptClient } from "./internal/keptClient.ts"
import { oneLine } from "./internal/oneLine.ts"
import * as Pushes from "./internal/Pushes.ts"
import type { RequestFailure } from "./RequestError.ts"
import type { DialError } from "./Status.ts"

/**
 * Requests that wait while there is no line. A request that waits was not sent: it fails as `NotSent`, or goes out once.
 *
 * @category options
 * @since 0.1.0
 */
export interface Queue {
  /** More fail with `QueueFull`. Default 1000. */
  readonly maxRequests?: number
  /**
   * As the protocol encodes them; more fail with `QueueFull`. Behind a greeting that was never answered nobody can tell how
   * large a request is: then it fails with `NotConnected`, unless this is `Infinity`. Default 1 MiB.
   */
  readonly maxBytes?: number
  /** One that waits for longer fails with `QueueTimedOut`. Default 5 s. */
  readonly maxAge?: Duration.Input
}

/**
 * How a line is made anew.
 *
 * @category options
 * @since 0.1.0
 */
export interface ReconnectOptions<in out Req, in out Res, in out Err = never, in out P = never>
  extends ClientOptions<Req, P>
{
  /**
   * The delays between rounds in which every endpoint was tried, from the end of a line on. When it is done, the client is
   * closed. Default `schedule`.
   */
  readonly schedule?: Schedule.Schedule<unknown, DialError | RequestFailure>
  /**
   * For how long a push asks this client to leave the server alone, such as one of `isGoAway` with a time: no line to that
   * endpoint is begun before, at most `maxRetryAfter` from then on. Lines that are there stay.
   */
  readonly retryAfter?: (push: P) => Duration.Input | undefined
  /** Default 1 min. */
  readonly maxRetryAfter?: Duration.Input
  /** What the metrics call it. Default: its endpoints. */
  readonly name?: string
  /** A line that was ready for so long begins the schedule anew when it ends. Default 10 s. */
  readonly stableAfter?: Duration.Input
  /**
   * What comes before any other request on each new line: authenticate, subscribe again. A failure ends the line, and is
   * the `cause` of a `SessionError`. These requests are never sent on another line.
   */
  readonly session?: (line: Requests<Req, Res, Err>) => Effect.Effect<void, unknown>
  /** Default 10 s. */
  readonly sessionTimeout?: Duration.Input
  /** Whether requests wait for a line while there is none. Default false: they fail with `NotConnected`. */
  readonly queue?: Queue | boolean
}

/**
 * From 100 ms doubled to 30 s, of each a random part (full jitter): clients that lost one server do not come back together.
 *
 * **Source**: AWS Architecture Blog, Exponential Backoff And Jitter.
 *
 * @category schedules
 * @since 0.1.0
 */
export const schedule: Schedule.Schedule<Duration.Duration> = Schedule.exponential("100 millis").pipe(
  Schedule.modifyDelay(({ duration }) =>
    Effect.map(Random.next, (part) => Duration.times(Duration.min(duration, Duration.seconds(30)), part))
  )
)

/**
 * A client that connects, and connects again, to one endpoint or to several in rotation; it is there before its first line
 * is. The scope owns it.
 *
 * **Contract**: a request that was not sent when its line ended goes out on the next one, where it may wait (`queue`);
 * one that may have been sent fails as `MaybeSent`, and is never sent again. A line that drains (`isGoAway`, `maxAge`)
 * has a successor at once, while it answers what it still has; one that drains again within `stableAfter` waits as any other.
 *
 * **Errors**: a request fails with `RequestError`, for want of a line with `NotConnected`. `closed` and `status` say why it
 * ended by itself: the schedule was done, or no endpoint can ever work (`retry` is `never`).
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <Req, Res, Err = never, P = never, Hello = never, Agreed = never, Refusal = never>(
  spoken: Spoken<Hello, Agreed, Refusal, Req, Res, Err, P>,
  endpoints: Address.Address | Arr.NonEmptyReadonlyArray<Address.Address>,
  options: ReconnectOptions<Req, Res, Err, P> = {}
): Effect.Effect<Client<Req, Res, Err, P>, never, Transport.Transport | Scope.Scope> =>
  Effect.gen(function*() {
    checkReconnect(options)
    const pushes = yield* Pushes.make<P>(options)
    const settings = oneLine(options, options.schedule ?? schedule)
    return { ...yield* keptClient(spoken, endpoints, options, settings, pushes), pushes: pushes.stream }
  })
