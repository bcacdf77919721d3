/**
 * Accepts connections, serves each by a handler in a fiber and a scope of its own, and stops without losing work.
 *
 * ```text
 * running <--> suspended     stop, or the scope closes ----> draining(deadline) ----> stopped: DrainReport
 *
 * draining  1. announced   not ready any more; everything goes on for `preStopDelay`
 *           2. emptying    `Connection.draining` resolves; the kernel's queue is emptied, then the port is closed
 *           3. leaving     connections are read for `goodbye`, or until they have ended by themselves
 *           4. closing     each connection stops reading at its moment of `closeSpread`; what had arrived is still handled and
 *                          answered, then the handler ends, and its connection closes gracefully
 *           5. resetting   at the deadline what is left is interrupted, and reset after `drainLinger`
 * ```
 *
 * A connection is idle if its handler has nothing to do once it stops reading: no message is being handled and no byte waits.
 * It is over at that moment; the others are in flight, to the deadline. Of a message only a part had arrived? Nobody can
 * have answered it.
 *
 * @since 0.1.0
 */
import { type Address, Transport, type TransportError } from "@framewire/core"
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Admission from "./Admission.ts"
import type { DrainReport } from "./DrainReport.ts"
import type { Handler } from "./Handler.ts"
import { Budget, Shared } from "./internal/Budget.ts"
import { checkAdmission, checkServer } from "./internal/checkOptions.ts"
import { drain } from "./internal/drain.ts"
import * as Gate from "./internal/Gate.ts"
import { inSpan } from "./internal/inSpan.ts"
import * as Intake from "./internal/Intake.ts"
import * as Serving from "./internal/Serving.ts"
import { underDeadlines } from "./internal/underDeadlines.ts"
import * as Watch from "./internal/Watch.ts"
import type * as ServerEvent from "./ServerEvent.ts"
import type { ServerOptions } from "./ServerOptions.ts"

export {
  /**
   * Runs a function for each message.
   *
   * @category handlers
   * @since 0.1.0
   */
  forEach,
  /**
   * Answers each request.
   *
   * @category handlers
   * @since 0.1.0
   */
  respond
} from "./Handler.ts"

export type {
  /**
   * Where and how to serve, and how to stop.
   *
   * @category options
   * @since 0.1.0
   */
  ServerOptions
} from "./ServerOptions.ts"

/**
 * A running server.
 *
 * @category services
 * @since 0.1.0
 */
export class Server extends Context.Service<Server, {
  /** Where it listens. */
  readonly address: Address.Address
  /** Connections open now: in a handshake or served. */
  readonly connections: Effect.Effect<number>
  /** Whom it lets in. What `set` leaves out stays as it is. */
  readonly admission: {
    readonly settings: Effect.Effect<Required<Admission.Options>>
    readonly set: (changes: Admission.Options) => Effect.Effect<void>
  }
  /** Where it is in its life. */
  readonly state: Effect.Effect<ServerEvent.ServerState>
  /** New clients should come here: it is running, can accept, and is neither suspended nor about to stop. */
  readonly ready: Effect.Effect<boolean>
  /** It does its work, which includes to drain: false once it has stopped, or can accept no more. */
  readonly live: Effect.Effect<boolean>
  /**
   * What happens from the subscription on; ends with the stop. A handler that outlives the stop, because it is
   * uninterruptible, has no `Closed` in it.
   *
   * **Limits**: 4096 events wait for a slow subscriber, then it loses the oldest: there is a gap in `sequence`.
   */
  readonly events: Stream.Stream<ServerEvent.ServerEvent>
  /** Closes the port for a while and loses nobody; established connections go on. As `Listener.suspend`. */
  readonly suspend: Effect.Effect<void, TransportError.ListenError>
  /** Opens the port again. As `Listener.resume`. */
  readonly resume: Effect.Effect<void, TransportError.ListenError>
  /** Drains and stops; never takes much longer than the deadline. Later calls join the first. */
  readonly stop: Effect.Effect<DrainReport>
  /** Suspends until the server has stopped; fails if it did so because it could accept no more. */
  readonly stopped: Effect.Effect<DrainReport, TransportError.ListenError>
}>()("@framewire/server/Server") {}

// To count descriptors can take 10 ms where there are thousands.
const sampling = Schedule.spaced("10 seconds")

/**
 * Listens, and serves until the scope closes, which drains as `stop` does.
 *
 * **Errors**: `ListenError`. Where accepting fails for a reason that passes (`retry` is not `never`), it is tried again,
 * within a second each time, and after a minute without success the server stops. What a handler fails with ends its
 * connection and is logged at debug level; to see it, handle it in the handler. An option that cannot be is a defect,
 * `InvalidOption`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <E, R>(
  options: ServerOptions,
  handler: Handler<E, R>
): Effect.Effect<
  Server["Service"],
  TransportError.ListenError,
  Transport.Transport | Scope.Scope | Exclude<R, Scope.Scope>
> =>
  // Whoever listens is also drained: nothing may come between the two.
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      checkServer(options)
      const { onShed, tls } = options
      let { address } = options
      const clock = yield* Effect.service(Clock.Clock)
      const watch = yield* Watch.make(() => address, tls !== undefined)
      const listening = Transport.listen(address, {
        ...options,
        deferTls: true,
        onShed: (event) => {
          watch.rejected(event, event.reason)
          onShed?.(event)
        }
      })
      const listener = yield* restore(inSpan("tcp.listen")(listening))
      address = listener.address
      const { freeDescriptors = Effect.undefined } = listener
      const gate = yield* Gate.make(options, yield* freeDescriptors, tls !== undefined)
      const serving = Serving.make({
        gate,
        watch,
        clock,
        handler: yield* underDeadlines(options.deadlines ?? {}, handler, watch),
        proxy: options.proxy,
        tls: listener.tls,
        onShed
      })
      yield* Effect.forkScoped(
        Effect.repeat(
          Effect.andThen(Effect.map(freeDescriptors, watch.descriptorsFree), serving.sample),
          sampling
        )
      )
      const handedOut = Latch.makeUnsafe()
      const stopped = Deferred.makeUnsafe<DrainReport>()
      let stopping = false
      let failure: Cause.Cause<TransportError.ListenError> | undefined

      const intake = Intake.make(listener, serving, watch)

      const draining = drain({ listener, handedOut: handedOut.await, serving, watch, clock, options }).pipe(
        Effect.tap((report) => Effect.sync(() => watch.moved({ _tag: "Stopped", report }))),
        inSpan("tcp.drain", () => ({ root: true }))
      )
      const stop: Effect.Effect<DrainReport> = Effect.uninterruptibleMask((restore) => {
        const joined = restore(Deferred.await(stopped))
        if (stopping) return joined
        stopping = true
        return Effect.andThen(
          Effect.forkDetach(Deferred.into(draining, stopped), { startImmediately: true }),
          joined
        )
      })

      // It ends when the listener has been drained, and by nothing else: what is accepted is always served.
      yield* Effect.forkDetach(
        intake.run.pipe(
          Pull.catchDone(() => Effect.void),
          Effect.catchCause((cause) => {
            failure = cause
            return Effect.forkDetach(stop)
          }),
          Effect.ensuring(Latch.open(handedOut)),
          Effect.provideService(Shared, {
            budget: new Budget(options.broadcastBudget ?? 268_435_456, watch.waiting),
            dropped: watch.dropped
          })
        ),
        { uninterruptible: true }
      )
      yield* Effect.addFinalizer(() => stop)

      const moveFrom = (from: "Running" | "Suspended", to: "Running" | "Suspended") =>
        Effect.sync(() => {
          if (watch.state()._tag === from) watch.moved({ _tag: to })
        })
      return Server.of({
        address,
        connections: Effect.sync(serving.active),
        admission: {
          settings: gate.settings,
          set: (changes) => Effect.suspend(() => gate.set(checkAdmission(changes)))
        },
        state: Effect.sync(watch.state),
        ready: Effect.sync(() => watch.state()._tag === "Running" && failure === undefined && intake.isWell()),
        live: Effect.sync(() => watch.state()._tag !== "Stopped" && failure === undefined),
        events: watch.events,
        suspend: Effect.uninterruptible(Effect.andThen(listener.suspend, moveFrom("Running", "Suspended"))),
        resume: Effect.uninterruptible(Effect.andThen(listener.resume, moveFrom("Suspended", "Running"))),
        stop,
        stopped: Effect.flatMap(
          Deferred.await(stopped),
          (report) => failure === undefined ? Effect.succeed(report) : Effect.failCause(failure)
        )
      })
    })
  )

/**
 * A server as a layer: it serves as long as the layer lives.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E, R>(
  options: ServerOptions,
  handler: Handler<E, R>
): Layer.Layer<Server, TransportError.ListenError, Transport.Transport | Exclude<R, Scope.Scope>> =>
  Layer.effect(Server, make(options, handler))

/**
 * Serves until it is interrupted, and drains then; fails when it can accept no more.
 *
 * @category running
 * @since 0.1.0
 */
export const run = <E, R>(
  options: ServerOptions,
  handler: Handler<E, R>
): Effect.Effect<never, TransportError.ListenError, Transport.Transport | Exclude<R, Scope.Scope>> =>
  Effect.scoped(Effect.flatMap(make(options, handler), ({ stopped }) => Effect.andThen(stopped, Effect.never)))
