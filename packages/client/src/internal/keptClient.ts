// The client of one line that is kept, or of many.
import { Address, type Transport } from "@framewire/core"
import { Protocol } from "@framewire/framing"
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Random from "effect/Random"
import type * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { Client, Spoken } from "../Client.ts"
import type { Queue, ReconnectOptions } from "../Reconnect.ts"
import { LineClosed, LineDraining, type RequestFailure } from "../RequestError.ts"
import { type DialError, type Ending, SessionError } from "../Status.ts"
import * as Cell from "./Cell.ts"
import * as defaults from "./defaults.ts"
import { type Attempted, keep } from "./keep.ts"
import type { Line } from "./Line.ts"
import { Meter } from "./Meter.ts"
import type * as Pushes from "./Pushes.ts"
import { Switchboard } from "./Switchboard.ts"
import { traced } from "./traced.ts"

/** A line that may not be idle at all is looked at this often. */
const idleLook = Duration.millis(10)

/** How the lines are kept. */
export interface KeptOptions {
  readonly schedule: Schedule.Schedule<unknown, DialError | RequestFailure>
  readonly queue: Queue
  readonly maxWaiting: number
  readonly waitTimeout: Duration.Input
  readonly size: number
  readonly minSize: number
  readonly idleTimeout?: Duration.Input
  readonly maxAge?: Duration.Input
  /** How long a line may be silent before a request needs to know that it lives. */
  readonly checkAfter?: Duration.Input
  readonly guard?: (attempt: Attempted, address: Address.Address) => Attempted
}

export const keptClient = <Hello, Agreed, Refusal, Req, Res, Err, P>(
  spoken: Spoken<Hello, Agreed, Refusal, Req, Res, Err, P>,
  endpoints: Address.Address | Arr.NonEmptyReadonlyArray<Address.Address>,
  options: Omit<ReconnectOptions<Req, Res, Err, P>, "queue">,
  settings: KeptOptions,
  pushes: Pick<Pushes.Pushes<P>, "offer" | "end">
): Effect.Effect<Omit<Client<Req, Res, Err, P>, "pushes">, never, Transport.Transport | Scope.Scope> =>
  Effect.gen(function*() {
    const all: Arr.NonEmptyReadonlyArray<Address.Address> = "length" in endpoints ? endpoints : [endpoints]
    const { requestTimeout = defaults.requestTimeout } = options
    const { idleTimeout = "Infinity", maxAge = "Infinity", minSize, queue, size } = settings
    const status = yield* Cell.make({ _tag: "Connecting", attempt: 1, failure: undefined })
    const ended = Deferred.makeUnsafe<Ending>()
    // Each line waits for its peer, and not for the others.
    const parent = yield* Effect.scope
    const scope = yield* Scope.fork(parent, "parallel")
    const clock = yield* Clock.Clock
    const name = options.name ?? all.map(Address.format).join()
    const meter = new Meter(clock, yield* Effect.context(), name)
    const board = new Switchboard<Req, Res, Err, P>(
      {
        maxRequests: queue.maxRequests ?? 1000,
        maxBytes: queue.maxBytes ?? 1_048_576,
        maxAge: Duration.toMillis(queue.maxAge ?? "5 seconds"),
        maxWaiting: settings.maxWaiting,
        waitTimeout: Duration.toMillis(settings.waitTimeout),
        requestTimeout: Duration.toMillis(requestTimeout),
        checkAfter: Duration.toMillis(settings.checkAfter ?? "Infinity")
      },
      clock,
      meter,
      "speak" in spoken ? undefined : "answers" in spoken ? spoken : Protocol.toExchange<Req, Res, Err, P>(spoken)
    )
    const close = (reason: Ending, failure: RequestFailure) => {
      board.close(failure)
      pushes.end()
      status.set({ _tag: "Closed", reason })
      Deferred.doneUnsafe(ended, Exit.succeed(reason))
    }

    /** To be said when the last line is lost, and again by what is tried then, unless that is the same. */
    const absent = (attempt: number, failure: DialError | RequestFailure | undefined) => {
      const said = status.get()
      const isSaid = said._tag === "Connecting" && said.attempt === attempt && said.failure === failure
      if (board.lines.size === 0 && !isSaid) status.set({ _tag: "Connecting", attempt, failure })
    }
    const keepers = yield* FiberSet.make()
    const run = yield* FiberSet.runtime(keepers)<Transport.Transport>()
    const notBefore = new Map<Address.Address, number>()
    let turn = 0
    let kept = 0
    let dialling = 0
    const start = () => {
      kept++
      dialling++
      let isWanted = true
      let isDialling = true
      const dialled = (is: boolean) => {
        if (isDialling === is) return
        isDialling = is
        dialling += is ? 1 : -1
      }
      const limit = (line: Line<Req, Res, Err, P>) =>
        Effect.gen(function*() {
          // Lines that were made together do not end together.
          const jitter = yield* Random.nextBetween(0.8, 1)
          const old = Effect.sleep(Duration.times(Duration.fromInputUnsafe(maxAge), jitter))
          const look = Duration.max(Duration.times(Duration.fromInputUnsafe(idleTimeout), jitter), idleLook)
          const idle = Effect.sleep(look).pipe(
            Effect.map(() =>
              line.load === 0 && kept > minSize && line.idleMillis >= jitter * Duration.toMillis(idleTimeout)
            ),
            Effect.repeat({ until: (isIdle) => isIdle }),
            Effect.map(() => {
              isWanted = false
              kept--
            })
          )
          yield* Effect.raceFirst(old, idle)
          line.drain()
        })
      const keeper = keep({
        spoken,
        options,
        board,
        meter,
        schedule: settings.schedule,
        guard: settings.guard ?? ((attempt) => attempt),
        pushed: pushes.offer,
        endpoint: () => all[turn++ % all.length] ?? all[0],
        endpoints: all.length,
        notBefore,
        isWanted: () => isWanted,
        connecting: (attempt, failure) => {
          dialled(true)
          absent(attempt, failure)
        },
        lost: (failure) => absent(1, failure),
        up: (line) => {
          dialled(false)
          if (board.lines.size === 1) status.set({ _tag: "Ready", remote: line.connection.remote })
        },
        limit: maxAge === "Infinity" && idleTimeout === "Infinity" ? undefined : limit,
        scope
      })
      run(Effect.catchCause(keeper, (cause) =>
        Effect.sync(() => {
          dialled(false)
          const failure = cause.reasons.find(Cause.isFailReason)?.error ??
            new SessionError({ cause: Cause.squash(cause) })
          if (--kept === 0) close(endingOf(failure), new LineClosed({ by: "self", cause: failure }))
        })))
    }
    board.onWaiting = () => {
      // One at a time: when it is there, it shows whether another is needed.
      if (kept < size && dialling === 0) start()
    }
    for (let i = 0; i < minSize; i++) start()

    yield* Effect.forkScoped(board.alarm.run)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => close({ _tag: "Graceful", initiator: "self" }, new LineClosed({ by: "self" })))
    )
    // It goes on though nobody waits for it any more: what it has begun cannot be taken back.
    let isDraining = false
    const drain = Effect.gen(function*() {
      status.set({ _tag: "Draining" })
      board.close(new LineDraining())
      const lines = [...board.lines, ...board.leaving]
      yield* FiberSet.clear(keepers)
      for (const line of lines) line.drain()
      yield* Effect.forEach(lines, (line) => line.connection.closed, { concurrency: "unbounded" })
      close({ _tag: "Graceful", initiator: "self" }, new LineDraining())
    })
    return {
      ...traced<Req, Res, Err>((ticket) => board.submit(ticket), options),
      status: status.changes,
      drain: Effect.suspend(() => {
        const drained = Effect.asVoid(Deferred.await(ended))
        if (isDraining) return drained
        isDraining = true
        return Effect.andThen(Effect.forkIn(drain, parent, { startImmediately: true }), drained)
      }),
      closed: Deferred.await(ended)
    }
  })

const endingOf = (failure: DialError | RequestFailure): Ending => {
  switch (failure._tag) {
    case "ConnectError":
    case "HandshakeError":
    case "ReceiveError":
    case "SendError":
      return { _tag: "Failed", error: failure }
    case "SessionError":
      return { _tag: "Failed", error: failure }
    default:
      return { _tag: "Failed", error: new SessionError({ cause: failure }) }
  }
}
