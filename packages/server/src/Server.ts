/**
 * Accepts connections, serves each by a handler in a fiber and a scope of its own, and stops without losing work.
 *
 * ```text
 * running ---- stop, or the scope closes ----> draining(deadline) ----> stopped: DrainReport
 *
 * draining  1. the kernel's queue of connections is emptied, then the port is closed
 *           2. every connection stops reading; what had arrived is still handled and answered
 *           3. handlers end by themselves, and their connections close gracefully
 *           4. at the deadline what is left is interrupted and reset
 * ```
 *
 * @since 0.1.0
 */
import { type Address, type Connection, type Listener, Transport, type TransportError } from "@framewire/core"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import type { DrainReport } from "./DrainReport.ts"
import type { Handler } from "./Handler.ts"

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

/**
 * Where and how to serve.
 *
 * @category options
 * @since 0.1.0
 */
export interface ServerOptions extends Listener.ListenOptions {
  /** Port 0 takes a free one; `Server.address` tells which. */
  readonly address: Address.Address
  /** Connections open at a time; more are accepted and closed at once. Default 1024. */
  readonly maxConnections?: number
  /** How long a stop lets handlers finish. Default 15 s. */
  readonly drainDeadline?: Duration.Input
}

/**
 * A running server.
 *
 * @category services
 * @since 0.1.0
 */
export class Server extends Context.Service<Server, {
  /** Where it listens. */
  readonly address: Address.Address
  /** Connections open now. */
  readonly connections: Effect.Effect<number>
  /** Drains and stops; never takes much longer than the deadline. Later calls join the first. */
  readonly stop: Effect.Effect<DrainReport>
  /** Suspends until the server has stopped; fails if it did so because it could accept no more. */
  readonly stopped: Effect.Effect<DrainReport, TransportError.ListenError>
}>()("@framewire/server/Server") {}

const all = { discard: true, concurrency: "unbounded" } as const

interface Served {
  readonly connection: Connection.Connection
  fiber?: Fiber.Fiber<void>
}

/**
 * Listens, and serves until the scope closes, which drains as `stop` does.
 *
 * **Errors**: `ListenError`. What a handler fails with ends its connection and is logged at debug level; to see it, handle
 * it in the handler.
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
      const { address, drainDeadline = "15 seconds", maxConnections = 1024, ...listenOptions } = options
      const listener = yield* restore(Transport.listen(address, listenOptions))
      const served = new Set<Served>()
      const empty = Latch.makeUnsafe(true)
      const handedOut = Latch.makeUnsafe()
      const stopped = Deferred.makeUnsafe<DrainReport>()
      let stopping = false
      let failure: Cause.Cause<TransportError.ListenError> | undefined
      let accepted = 0
      let rejected = 0

      const serve = (entry: Served, scope: Scope.Closeable) =>
        Effect.interruptible(Effect.suspend(() => handler(entry.connection))).pipe(
          Scope.provide(scope),
          Effect.onExit((exit) => Scope.close(scope, exit)),
          Effect.catchCause((cause) => Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logDebug(cause)),
          Effect.ensuring(Effect.sync(() => {
            served.delete(entry)
            if (served.size === 0) empty.openUnsafe()
          }))
        )

      const acceptOne = Effect.suspend(() => {
        const scope = Scope.makeUnsafe()
        return Effect.flatMap(Scope.provide(listener.accept, scope), (connection) => {
          if (served.size >= maxConnections) {
            rejected++
            // FIN and gone: somebody who is turned away may not hold a descriptor.
            return Effect.forkDetach(Effect.ensuring(connection.close({ linger: 0 }), Scope.close(scope, Exit.void)))
          }
          accepted++
          const entry: Served = { connection }
          served.add(entry)
          empty.closeUnsafe()
          // Detached, so that the end of this server's scope waits for no handler longer than stop does, and
          // uninterruptible, so that no interruption comes before what ends the connection is in place.
          return Effect.map(Effect.forkDetach(serve(entry, scope), { uninterruptible: true }), (fiber) => {
            entry.fiber = fiber
          })
        })
      })

      const drain = Effect.gen(function*() {
        const began = yield* Clock.currentTimeMillis
        const ended = accepted - served.size
        yield* listener.drain
        yield* Latch.await(handedOut)
        const open = accepted - ended
        yield* Effect.forEach([...served], ({ connection }) => connection.shutdownRead, all)
        yield* Effect.timeoutOption(Latch.await(empty), drainDeadline)
        const late = [...served]
        yield* Effect.all([
          // RST first: a handler that ends would send FIN, as if there were nothing more to answer.
          Effect.forEach(late, ({ connection }) => connection.abort, all),
          // Interruption is asked for and not awaited: a handler may be uninterruptible.
          Effect.sync(() => {
            for (const { fiber } of late) fiber?.interruptUnsafe()
          })
        ], all)
        return {
          accepted,
          rejected,
          open,
          finished: open - late.length,
          reset: late.length,
          durationMillis: (yield* Clock.currentTimeMillis) - began
        }
      })
      const stop: Effect.Effect<DrainReport> = Effect.uninterruptibleMask((restore) => {
        const joined = restore(Deferred.await(stopped))
        if (stopping) return joined
        stopping = true
        return Effect.andThen(Effect.forkDetach(Deferred.into(drain, stopped)), joined)
      })

      // It ends when the listener has been drained, and by nothing else: what is accepted is always served.
      yield* Effect.forkDetach(
        Effect.forever(acceptOne).pipe(
          Pull.catchDone(() => Effect.void),
          Effect.catchCause((cause) => {
            failure = cause
            return Effect.forkDetach(stop)
          }),
          Effect.ensuring(Latch.open(handedOut))
        ),
        { uninterruptible: true }
      )
      yield* Effect.addFinalizer(() => stop)

      return Server.of({
        address: listener.address,
        connections: Effect.sync(() => served.size),
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
