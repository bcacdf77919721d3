// Keeps one line: dials, prepares, serves, and begins anew. First and later connects are the same.
import { type Address, type Transport, TransportError } from "@framewire/core"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { Spoken } from "../Client.ts"
import type { ReconnectOptions } from "../Reconnect.ts"
import { LineClosed, type RequestFailure } from "../RequestError.ts"
import { type DialError, SessionError } from "../Status.ts"
import { asking } from "./asking.ts"
import { dial } from "./dial.ts"
import { inSpan } from "./inSpan.ts"
import type { Line } from "./Line.ts"
import { endpointOf, type Meter } from "./Meter.ts"
import type { Owner } from "./Owner.ts"
import type { Switchboard } from "./Switchboard.ts"
import type { Ticket } from "./Ticket.ts"

/** What keeps lines, and hears of them. */
export interface Keeping<Hello, Agreed, Refusal, Req, Res, Err, P> {
  readonly spoken: Spoken<Hello, Agreed, Refusal, Req, Res, Err, P>
  readonly options: Omit<ReconnectOptions<Req, Res, Err, P>, "queue">
  readonly board: Switchboard<Req, Res, Err, P>
  readonly meter: Meter
  readonly schedule: Schedule.Schedule<unknown, DialError | RequestFailure>
  readonly pushed: Owner<Req, Res, Err, P>["pushed"]
  /** The next to try. */
  readonly endpoint: () => Address.Address
  readonly endpoints: number
  /** When endpoints that asked to be left alone may be tried again. */
  readonly notBefore: Map<Address.Address, number>
  readonly connecting: (attempt: number, failure: DialError | RequestFailure | undefined) => void
  /** A line is over, or takes no more. */
  readonly lost: (failure: RequestFailure | undefined) => void
  readonly up: (line: Line<Req, Res, Err, P>) => void
  /** Runs while a line takes requests. */
  readonly limit: ((line: Line<Req, Res, Err, P>) => Effect.Effect<void>) | undefined
  /** Whether another line is to follow. */
  readonly isWanted: () => boolean
  /** Around each attempt. */
  readonly guard: (attempt: Attempted, address: Address.Address) => Attempted
  /** Owns the lines. */
  readonly scope: Scope.Scope
}

const toDialError = (error: unknown): DialError =>
  error instanceof TransportError.ConnectError || error instanceof TransportError.HandshakeError ||
    error instanceof SessionError
    ? error
    : new SessionError({ cause: error })

/** An attempt to have a line: then suspends until that is over, by its end or because it takes no more. */
export type Attempted = Effect.Effect<Effect.Effect<RequestFailure | undefined>, DialError, Transport.Transport>

/** One attempt. The line has a scope of its own, which ends with it. */
const attempt = <Hello, Agreed, Refusal, Req, Res, Err, P>(
  keeping: Keeping<Hello, Agreed, Refusal, Req, Res, Err, P>,
  address: Address.Address
): Attempted =>
  Effect.gen(function*() {
    const { board, notBefore, options, spoken } = keeping
    const { maxRetryAfter = "1 minute", retryAfter, session, sessionTimeout = "10 seconds" } = options
    const clock = yield* Clock.Clock
    const pushed = (push: P) => {
      const asked = retryAfter?.(push)
      if (asked !== undefined) {
        const wait = Duration.min(Duration.fromInputUnsafe(asked), Duration.fromInputUnsafe(maxRetryAfter))
        notBefore.set(address, clock.currentTimeMillisUnsafe() + Duration.toMillis(wait))
      }
      return keeping.pushed(push)
    }
    const scope = yield* Scope.fork(keeping.scope)
    const fork = Effect.runForkWith(yield* Effect.context())
    const over = Deferred.makeUnsafe<RequestFailure | undefined>()
    const meter = keeping.meter.connecting(address)
    let line: Line<Req, Res, Err, P> | undefined
    const down = (reason: RequestFailure | undefined) => {
      if (line !== undefined) board.down(line, reason)
      Deferred.doneUnsafe(over, Exit.succeed(reason))
    }
    const prepare = Effect.gen(function*() {
      const opened = yield* Effect.mapError(
        dial(spoken, address, options, {
          unsent: (ticket, reason) => board.unsent(ticket, reason),
          pushed,
          room: () => board.admit(),
          draining: () => {
            if (line !== undefined) board.leaving.add(line)
            meter.draining()
            down(undefined)
          },
          ended: (reason) => {
            if (line !== undefined) board.leaving.delete(line)
            meter.ended()
            down(reason)
            // Not by whoever ends it: it waits for the peer.
            fork(Scope.close(scope, Exit.void))
          }
        }),
        toDialError
      )
      line = opened
      if (session !== undefined) {
        const bound = (ticket: Ticket<Req, Res, Err>) => {
          ticket.isBound = true
          opened.submit(ticket)
        }
        // One that dies has failed, too: nobody else would see it.
        yield* Effect.suspend(() => session(asking<Req, Res, Err>(bound, options))).pipe(
          Effect.timeout(sessionTimeout),
          Effect.catchCause((cause) => Effect.fail(new SessionError({ cause: Cause.squash(cause) })))
        )
      }
      const { ended } = opened
      if (ended !== undefined) return yield* Effect.fail(new SessionError({ cause: ended }))
      return opened
    })
    const ready = yield* Scope.provide(prepare, scope).pipe(
      Effect.onError((cause) => {
        meter.failed(cause.reasons.find(Cause.isFailReason)?.error)
        return Scope.close(scope, Exit.void)
      }),
      inSpan("tcp.connect", () => ({ kind: "client", attributes: endpointOf(address) }))
    )
    meter.ready()
    board.up(ready)
    keeping.up(ready)
    const { limit } = keeping
    if (limit !== undefined) yield* Effect.forkIn(Effect.andThen(limit(ready), Effect.void), scope)
    return Deferred.await(over)
  })

/** Runs until no line is wanted; fails when the schedule is done, or no endpoint can ever work, with the last failure. */
export const keep = <Hello, Agreed, Refusal, Req, Res, Err, P>(
  keeping: Keeping<Hello, Agreed, Refusal, Req, Res, Err, P>
): Effect.Effect<void, DialError | RequestFailure, Transport.Transport> =>
  Effect.gen(function*() {
    const stableMillis = Duration.toMillis(keeping.options.stableAfter ?? "10 seconds")
    const begin = Schedule.toStepWithSleep(keeping.schedule)
    let next = yield* begin
    let failure: DialError | RequestFailure | undefined
    let mayHurry = true
    for (let attempts = 1;;) {
      let hopeless = 0
      let left = 0
      let earliest = Number.POSITIVE_INFINITY
      let over: Effect.Effect<RequestFailure | undefined> | undefined
      // A name is resolved anew each time.
      for (let tried = 0; tried < keeping.endpoints && over === undefined; tried++) {
        const endpoint = keeping.endpoint()
        const wait = (keeping.notBefore.get(endpoint) ?? 0) - (yield* Clock.currentTimeMillis)
        if (wait > 0) {
          left++
          earliest = Math.min(earliest, wait)
          continue
        }
        keeping.connecting(attempts++, failure)
        const result = yield* Effect.result(keeping.guard(attempt(keeping, endpoint), endpoint))
        if (result._tag === "Success") {
          over = result.success
        } else {
          failure = result.failure
          keeping.board.absence = failure
          if (failure._tag !== "SessionError" && failure.retry === "never") hopeless++
        }
      }
      if (left === keeping.endpoints) {
        yield* Effect.sleep(earliest)
        continue
      }
      if (over !== undefined) {
        const since = yield* Clock.currentTimeMillis
        const reason = yield* over
        keeping.lost(reason)
        failure = reason
        if (!keeping.isWanted()) return
        attempts = 1
        // A server that accepts and closes at once is not one that has come back.
        const isStable = (yield* Clock.currentTimeMillis) - since >= stableMillis
        if (isStable) next = yield* begin
        // A line that drains has a successor at once; where that drains at once, too, it has to wait as any other.
        const hurries = failure === undefined && (isStable || mayHurry)
        mayHurry = isStable
        if (hurries) continue
      }
      const last: DialError | RequestFailure = failure ?? new LineClosed({ by: "peer" })
      if (hopeless === keeping.endpoints) return yield* Effect.fail(last)
      yield* Pull.catchDone(next(last), () => Effect.fail(last))
    }
  })
