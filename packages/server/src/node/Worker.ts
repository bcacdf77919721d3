/**
 * One of several processes that serve the same port, as `Workers` starts them.
 *
 * @since 0.1.0
 */
import type { Transport, TransportError } from "@framewire/core"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { DrainReport } from "../DrainReport.ts"
import type { Handler } from "../Handler.ts"
import * as Server from "../Server.ts"
import { descriptor, type FromWorker, Place, ToWorker, variable } from "./internal/messages.ts"
import { NotAWorker } from "./WorkerError.ts"

/**
 * How a worker serves: where is what its primary has told.
 *
 * @category options
 * @since 0.1.0
 */
export type WorkerOptions = Omit<
  Server.ServerOptions,
  "address" | "fd" | "ipv6Only" | "lastListener" | "reusePort"
>

// What else the process does must not keep it long once it has drained and is alone.
const patience = 5000

const place = Effect.suspend(() =>
  process.connected
    ? Effect.fromOption(Schema.decodeUnknownOption(Place)(process.env[variable]))
    : Effect.fail(undefined)
).pipe(Effect.mapError(() => new NotAWorker()))

/**
 * Whether this process was started by `Workers`, and that one is there.
 *
 * @category guards
 * @since 0.1.0
 */
export const isWorker: Effect.Effect<boolean> = Effect.isSuccess(place)

const isDrain = Schema.is(ToWorker)

/**
 * Done when this process has to drain: the primary says so or has gone, or a signal comes. Then signals do nothing more.
 * Only the primary can say that another takes its place.
 */
const asked: Effect.Effect<
  { readonly drain: Effect.Effect<void>; readonly isLast: () => boolean },
  never,
  Scope.Scope
> = Effect.acquireRelease(
  Effect.sync(() => {
    const drain = Deferred.makeUnsafe<void>()
    let last = true
    const now = () => void Deferred.doneUnsafe(drain, Effect.void)
    const onMessage = (message: unknown) => {
      if (!isDrain(message)) return
      last = message.last
      now()
    }
    process.on("message", onMessage)
    process.on("disconnect", now)
    process.on("SIGTERM", now)
    process.on("SIGINT", now)
    if (!process.connected) now()
    return { drain, isLast: () => last, now, onMessage }
  }),
  ({ now, onMessage }) =>
    Effect.sync(() => {
      process.off("message", onMessage)
      process.off("disconnect", now)
      process.off("SIGTERM", now)
      process.off("SIGINT", now)
    })
).pipe(Effect.map(({ drain, isLast }) => ({ drain: Deferred.await(drain), isLast })))

/** Suspends until it has gone out; to a primary that has gone nothing is said. */
const tell = (message: FromWorker): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (process.connected) process.send?.(message, () => resume(Effect.void))
    else resume(Effect.void)
  })

const leave = Effect.sync(() => {
  if (process.connected) process.disconnect?.()
  setTimeout(() => process.exit(), patience).unref()
})

/**
 * Serves on the port of the primary, until that one asks it to drain or has gone, or SIGTERM or SIGINT comes; then it drains,
 * tells what became of the connections, and leaves. The process should have nothing to do after it.
 *
 * ```text
 * primary                                            worker
 *    |-- start, descriptor 3: the socket -------------->|
 *    |<-------------------------------------- Ready ----|  it listens, beside those that were there before
 *    |-- Drain ---------------------------------------->|  or SIGTERM, or the end of the channel
 *    |<---------------------------- Drained, report ----|
 * ```
 *
 * **Limits**: what else keeps the process alive does so for 5 s after the drain.
 *
 * **Errors**: `NotAWorker`; `ListenError`, when it cannot listen, or can accept no more.
 *
 * @category running
 * @since 0.1.0
 */
export const run = <E, R>(
  options: WorkerOptions,
  handler: Handler<E, R>
): Effect.Effect<
  DrainReport,
  NotAWorker | TransportError.ListenError,
  Transport.Transport | Exclude<R, Scope.Scope>
> =>
  Effect.gen(function*() {
    const address = yield* place
    const { drain, isLast } = yield* asked
    const lastListener = Effect.sync(isLast)
    const server = yield* Server.make({ ...options, address, fd: descriptor, lastListener }, handler)
    // However this ends: interrupted, too.
    yield* Effect.addFinalizer(() =>
      server.stop.pipe(Effect.flatMap((report) => tell({ _tag: "Drained", report })), Effect.andThen(leave))
    )
    yield* tell({ _tag: "Ready" })
    yield* Effect.raceFirst(drain, server.stopped)
    return yield* server.stop
  }).pipe(Effect.scoped)
