/**
 * Several processes that serve one port: one a core, restarted when they die, and replaced one by one without losing a
 * client.
 *
 * ```text
 *                     +--> queue 0 --> worker 0: accept, serve
 * clients --> port ---+                                              the primary holds the port and accepts nobody
 *                     +--> queue 1 --> worker 1: accept, serve
 * ```
 *
 * A worker is passed a socket that the primary has bound. So the queue of those who wait to be accepted outlives the worker, and
 * its successor serves them. With sockets of their own (`reusePort` alone) the kernel resets who waits for a worker that
 * ends; with node:cluster each connection goes through the primary.
 *
 * **Example** (one program, both as the primary and as its workers)
 *
 * ```ts
 * import { NodeTransport } from "@framewire/core/node"
 * import { LengthPrefixed, Protocol } from "@framewire/framing"
 * import { Server } from "@framewire/server"
 * import { Worker, Workers } from "@framewire/server/node"
 * import { Effect } from "effect"
 *
 * const echo = Server.respond(Protocol.symmetric(LengthPrefixed.u32be()), Effect.succeed<Uint8Array>)
 *
 * const program = Effect.gen(function*() {
 *   if (yield* Worker.isWorker) return yield* Worker.run({ drainDeadline: "10 seconds" }, echo)
 *   const workers = yield* Workers.make({ address: { host: "::", port: 9000 }, entry: import.meta.filename })
 *   return yield* workers.stopped
 * }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer))
 * ```
 *
 * @since 0.1.0
 */
import { type Address, InvalidOption, type TransportError } from "@framewire/core"
import { BoundPort } from "@framewire/core/node"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type * as Stream from "effect/Stream"
import { availableParallelism } from "node:os"
import * as Crew from "./internal/Crew.ts"
import type * as Process from "./internal/Process.ts"
import type { WorkerError } from "./WorkerError.ts"
import type { WorkerEvent } from "./WorkerEvent.ts"
import type { WorkersReport } from "./WorkersReport.ts"

/**
 * What runs where.
 *
 * @category options
 * @since 0.1.0
 */
export interface WorkersOptions {
  /** The host is an IP address. Port 0 takes a free one; `Workers.address` tells which. */
  readonly address: Address.TcpAddress
  /** The program of a worker, which runs `Worker.run`. */
  readonly entry: string | URL
  /** Default: one a core. */
  readonly workers?: number
  /**
   * A descriptor that was inherited, from systemd above all, instead of a port that is bound here: no client is refused while
   * the primary itself restarts. `address` then says only what it is.
   */
  readonly fd?: number | undefined
  /**
   * Who waits to be accepted is in a queue of the kernel's, and the primary keeps it when a worker ends.
   *
   * - `each` worker, and its successors, has a queue of its own, and the kernel gives each the same share of the clients. Where
   *   there is no worker its share waits for the next one.
   * - `one` for all: whoever is fast takes most. Nobody waits while there is any worker.
   *
   * Default: `each` where the platform can spread them, as Linux can; with `fd` it is `one`.
   *
   * **Limits**: `each` shares its port with whatever else this user binds with `reusePort`, a second start of the same program
   * for instance: that is no error then.
   */
  readonly queues?: "each" | "one"
  /** An IPv6 address takes no IPv4 clients. Default false. */
  readonly ipv6Only?: boolean
  /** Arguments of the program. Default none. */
  readonly args?: ReadonlyArray<string>
  /** Arguments of Node. Default: those of this process. */
  readonly execArgv?: ReadonlyArray<string>
  /** The environment of the program. Default: that of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** How long a worker may take until it listens; then it is killed. Default 30 s. */
  readonly readyTimeout?: Duration.Input
  /**
   * How long a worker that was told to drain may take until it is gone; then it is killed. More than its `preStopDelay`,
   * `drainDeadline` and `drainLinger` together. Default 30 s.
   */
  readonly stopTimeout?: Duration.Input
  /**
   * When to start a worker again that has died. It begins anew after a worker that has lived for 10 s. When it ends, all
   * workers stop, and `stopped` fails. Default: after 100 ms, twice as long each time up to 30 s, jittered, for ever.
   */
  readonly restarts?: Schedule.Schedule<unknown, WorkerError>
}

/**
 * The running workers of a port.
 *
 * @category services
 * @since 0.1.0
 */
export class Workers extends Context.Service<Workers, {
  /** Where they listen. */
  readonly address: Address.TcpAddress
  /** The processes that serve, by slot; one that died is there until its successor is ready. */
  readonly pids: Effect.Effect<ReadonlyArray<number>>
  /**
   * What happens from the subscription on; ends when all have stopped.
   *
   * **Limits**: 4096 events wait for a slow subscriber, then it loses the oldest.
   */
  readonly events: Stream.Stream<WorkerEvent>
  /**
   * Replaces the workers one by one: a new one is ready before the old one drains, and the next slot follows when the old one is
   * gone. A second call waits for the first.
   *
   * **Errors**: `WorkerError`, where a new one does not become ready: the old one goes on, and so do the slots after it.
   */
  readonly restart: Effect.Effect<void, WorkerError>
  /** Drains all workers at once. Later calls join the first. */
  readonly stop: Effect.Effect<WorkersReport>
  /** Suspends until all have stopped; fails if that is because one cannot be started any more. */
  readonly stopped: Effect.Effect<WorkersReport, WorkerError>
}>()("@framewire/server/node/Workers") {}

// From then on the death of a worker is not the fault of its start.
const stableMillis = 10_000

const patient = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("30 seconds")]).pipe(
  Schedule.jittered
)

// SO_REUSEPORT elsewhere, if it is there, gives all clients to one.
const spreads = process.platform === "linux" || process.platform === "freebsd"

const { check, duration, whole } = InvalidOption

const all = { concurrency: "unbounded", discard: true } as const

interface Slot {
  readonly index: number
  readonly lock: Semaphore.Semaphore
  worker: Process.Process | undefined
}

/**
 * Starts the workers, and has them all drained when the scope closes. It is there when each one listens.
 *
 * **Limits**: not on Windows. When all stop, the workers empty the kernel's queue before they close the port, for 250 ms at
 * most: whoever still comes faster than they can accept is reset. With `fd` the queue is its owner's.
 *
 * **Errors**: `ListenError`; `WorkerError`, when one of the first workers does not become ready.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options: WorkersOptions
): Effect.Effect<Workers["Service"], TransportError.ListenError | WorkerError, Scope.Scope> =>
  Effect.gen(function*() {
    check(options, { workers: whole(1, 1024), readyTimeout: duration, stopTimeout: duration })
    const { fd, queues = spreads ? "each" : "one", restarts = patient, workers = availableParallelism() } = options
    const settings: Process.Options = {
      entry: options.entry,
      args: options.args ?? [],
      execArgv: options.execArgv ?? process.execArgv,
      env: options.env ?? process.env,
      readyTimeout: options.readyTimeout ?? "30 seconds",
      stopTimeout: options.stopTimeout ?? "30 seconds"
    }
    const held: Crew.Held = fd === undefined
      ? yield* BoundPort.make(options.address, {
        sockets: queues === "each" ? workers : 1,
        ipv6Only: options.ipv6Only ?? false
      })
      : { address: options.address, descriptors: [fd], close: undefined }
    const crew = yield* Crew.make(held, settings)
    const slots = Array.from({ length: workers }, (_, index): Slot => ({
      index,
      lock: Semaphore.makeUnsafe(1),
      worker: undefined
    }))
    const finished = Deferred.makeUnsafe<WorkersReport>()
    let stopping = false
    let failure: WorkerError | undefined

    /** Sees to it that the slot has a worker that is alive. */
    const fill = (slot: Slot): Effect.Effect<void, WorkerError> =>
      slot.lock.withPermit(Effect.suspend(() =>
        slot.worker !== undefined && crew.isAlive(slot.worker) ? Effect.void : Effect.map(
          crew.start(slot.index),
          (worker) => {
            slot.worker = worker
          }
        )
      ))

    const replace = (slot: Slot): Effect.Effect<void, WorkerError> =>
      slot.lock.withPermit(Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(crew.start(slot.index)), (worker) => {
          const old = slot.worker
          slot.worker = worker
          return old === undefined ? Effect.void : restore(crew.retire(old))
        })
      ))

    /** Ends when a worker that was stable has died, and fails when another has: what comes next is the schedule's. */
    const keep = (slot: Slot): Effect.Effect<void, WorkerError> =>
      Effect.gen(function*() {
        yield* fill(slot)
        for (let worker = slot.worker; worker !== undefined; worker = slot.worker) {
          const [lived, died] = yield* Effect.timed(worker.died)
          if (stopping) {
            return yield* Effect.never
          }
          // Else it was replaced.
          if (slot.worker === worker) {
            return Duration.toMillis(lived) < stableMillis ? yield* died : undefined
          }
        }
      })

    const stop: Effect.Effect<WorkersReport> = Effect.uninterruptibleMask((restore) => {
      const joined = restore(Deferred.await(finished))
      if (stopping) {
        return joined
      }
      stopping = true
      return Effect.andThen(
        Effect.forkDetach(Deferred.into(crew.disband, finished), { startImmediately: true }),
        joined
      )
    })

    yield* Effect.addFinalizer(() =>
      stop
    )
    yield* Effect.forEach(slots, fill, all)
    yield* Effect.forEach(slots, (slot) =>
      Effect.forever(Effect.retry(keep(slot), restarts)), all).pipe(
        Effect.catch((error) => {
          if (!stopping) failure = error
          return stop
        }),
        Effect.raceFirst(Deferred.await(finished)),
        Effect.forkScoped
      )

    return Workers.of({
      address: held.address,
      pids: Effect.sync(() => slots.flatMap(({ worker }) => worker?.pid ?? [])),
      events: crew.events,
      restart: Semaphore.makeUnsafe(1).withPermit(Effect.forEach(slots, replace, { discard: true })),
      stop,
      stopped: Effect.flatMap(
        Deferred.await(finished),
        (report) => failure === undefined ? Effect.succeed(report) : Effect.fail(failure)
      )
    })
  })

/**
 * Workers as a layer: they serve as long as the layer lives.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: WorkersOptions): Layer.Layer<Workers, TransportError.ListenError | WorkerError> =>
  Layer.effect(Workers, make(options))
