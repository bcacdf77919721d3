// A Listener on net.Server: on one after the other, because each suspension ends one.
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type * as Net from "node:net"
import type * as Address from "../../Address.ts"
import * as ConnectionState from "../../ConnectionState.ts"
import { nextConnectionId } from "../../internal/connectionId.ts"
import type { LifecycleHub } from "../../internal/LifecycleHub.ts"
import type { Listener, ListenOptions } from "../../Listener.ts"
import { ListenError } from "../../TransportError.ts"
import * as TransportReason from "../../TransportReason.ts"
import { inherit } from "./accepting.ts"
import { bind } from "./bind.ts"
import * as descriptorBudget from "./descriptorBudget.ts"
import { endsOfAccepted } from "./endpoint.ts"
import { onread } from "./hearing.ts"
import { NodeConnection, type Origin } from "./NodeConnection.ts"
import { settings } from "./settings.ts"

// The platform takes 32 bits, and what is left of more can be 0: a queue of one. The kernel has a bound of its own.
const maxBacklog = 2 ** 31 - 1

// The bounds of drain: each turn of the loop accepts one connection (libuv).
const maxDrainTurns = 4096
const maxDrainMillis = 250

// A queue that is not empty by then is fed by more clients than are accepted.
const floodMillis = 25

/**
 * From now on the kernel establishes next to nobody: whoever comes is in its first packet still, and is refused by the close
 * instead of reset. By a private method; without it a flood of clients keeps the queue full until the bounds. Only for a
 * flood: of a client whose last packet of three finds the queue full the kernel forgets that it came, and tells it nothing.
 */
const narrow = (server: Net.Server): void => {
  const handle: unknown = Reflect.get(server, "_handle")
  const listen: unknown = typeof handle === "object" && handle !== null && Reflect.get(handle, "listen")
  if (typeof listen === "function") Reflect.apply(listen, handle, [0])
}

/**
 * Closing resets whoever waits in the kernel's queue, so turn the loop until a whole turn accepts nobody. The length of a queue
 * that is not its own is in others' hands, too.
 */
const closeEmpty = (server: Net.Server, accepted: () => number, isOwn: boolean): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const began = performance.now()
    let isNarrow = !isOwn
    const turn = (before: number, turns: number) => {
      const now = accepted()
      const isEmpty = turns > 1 && now === before
      const elapsed = performance.now() - began
      if (server.listening && !isEmpty && turns <= maxDrainTurns && elapsed <= maxDrainMillis) {
        if (!isNarrow && elapsed > floodMillis) {
          isNarrow = true
          narrow(server)
        }
        setImmediate(() => turn(now, turns + 1))
        return
      }
      if (server.listening) server.close()
      resume(Effect.void)
    }
    turn(-1, 0)
  })

/** Without regard to `options.tls`. */
export const make = (
  hub: LifecycleHub,
  local: Address.Address,
  options: ListenOptions
): Effect.Effect<Listener, ListenError, Scope.Scope> =>
  Effect.gen(function*() {
    const { fd, lastListener = Effect.succeed(fd === undefined), onShed } = options
    const backlog = options.backlog ?? 511
    const connectionSettings = settings(options)
    const arrived = yield* Queue.make<Exit.Exit<NodeConnection, ListenError>, Cause.Done>({
      capacity: backlog,
      strategy: "dropping"
    })
    const draining = Latch.makeUnsafe()
    const origin: Origin = { side: "accepted", host: "", settings: connectionSettings, draining: draining.await, hub }
    const inheriting: Origin = { ...origin, settings: settings({ ...options, keepAlive: false, noDelay: false }) }
    let came = 0
    let shed = 0
    /** Those that come later have their options of the socket that listens. */
    let inheritsAfter = Infinity
    const onConnection = (socket: Net.Socket) => {
      const how = ++came > inheritsAfter ? inheriting : origin
      // In the same tick, so that an error listener is there before the first error can be.
      const connection = new NodeConnection(nextConnectionId(), socket, endsOfAccepted(socket, address), how)
      hub.moved(connection, undefined, ConnectionState.open)
      const reason = descriptorBudget.isShort()
        ? "descriptors"
        : Queue.offerUnsafe(arrived, Exit.succeed(connection))
        ? undefined
        : "backlog"
      if (reason === undefined) return
      shed++
      Effect.runFork(connection.abort)
      onShed?.({ _tag: "AcceptShed", reason, remote: connection.remote })
    }
    const listen = (at: Address.Address, descriptor?: number) => {
      inheritsAfter = Infinity
      const bound = bind(at, {
        socket: { ...connectionSettings.socket, onread },
        backlog: Math.min(backlog, maxBacklog),
        reusePort: options.reusePort ?? false,
        ipv6Only: options.ipv6Only ?? false,
        fd: descriptor,
        onConnection
      })
      return Effect.map(bound, (server) => {
        // Others may accept of one that was inherited. Of ours, as many as its queue holds may have been established before.
        if (descriptor === undefined && inherit(server, connectionSettings)) inheritsAfter = came + backlog + 1
        return server
      })
    }
    descriptorBudget.refresh()

    let over = false
    const stop = (server: Net.Server) => {
      over = true
      if (server.listening) server.close()
      Queue.endUnsafe(arrived)
    }
    // Until it is known which port the kernel has chosen, nobody comes.
    let address = local
    const current = yield* Effect.acquireRelease(
      Effect.map(listen(local, fd), (server) => ({ server })),
      (current) =>
        Effect.suspend(() => {
          stop(current.server)
          // What is still there nobody will accept.
          const waiting: Array<Effect.Effect<unknown>> = []
          for (let next = Queue.takeUnsafe(arrived); next?._tag === "Success"; next = Queue.takeUnsafe(arrived)) {
            if (Exit.isSuccess(next.value)) waiting.push(next.value.value.abort)
          }
          return Effect.all(waiting, { concurrency: "unbounded", discard: true })
        }),
      { interruptible: true }
    )
    const bound = current.server.address()
    if (typeof bound === "object" && bound !== null) address = { host: bound.address, port: bound.port }
    // The socket goes on accepting. Where the queue is full, one more error says nothing new.
    const watch = (server: Net.Server) =>
      server.on("error", (cause) => {
        const error = new ListenError({ reason: TransportReason.fromCause(cause), local: address })
        Queue.offerUnsafe(arrived, Exit.fail(error))
      })
    watch(current.server)

    // One after the other, and each to its end: a drain that is interrupted has drained all the same. None waits long.
    const lock = Semaphore.makeUnsafe(1)
    const oneByOne = <E>(step: () => Effect.Effect<void, E>): Effect.Effect<void, E> =>
      Effect.uninterruptible(lock.withPermit(Effect.suspend(() => over ? Effect.void : step())))

    const suspend = oneByOne(() =>
      fd === undefined
        ? closeEmpty(current.server, () => came, true)
        : Effect.fail(
          new ListenError({
            reason: new TransportReason.InvalidAddress({
              detail: "an inherited descriptor cannot be suspended: once closed, it cannot be opened again"
            }),
            local: address
          })
        )
    )
    const resume = oneByOne(() =>
      current.server.listening ? Effect.void : Effect.map(listen(address), (server) => {
        current.server = server
        watch(server)
        // The scope has closed meanwhile.
        if (over) stop(server)
      })
    )
    const drain = oneByOne(() => {
      draining.openUnsafe()
      // The queue of an inherited descriptor stays with the process that passed it, for the next that listens.
      return Effect.flatMap(lastListener, (isLast) => {
        const isOpen = isLast && current.server.listening
        const closed = isOpen ? closeEmpty(current.server, () => came, fd === undefined) : Effect.void
        return Effect.map(closed, () => stop(current.server))
      })
    })

    // A connection is its scope's before anything else can happen.
    const accept = Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.flatten(restore(Queue.take(arrived))), (connection) =>
        Effect.flatMap(Effect.scope, (scope) =>
          Effect.as(Scope.addFinalizer(scope, connection.close()), connection)))
    )
    const counters = Effect.sync(() => ({ accepted: came - shed, shed }))
    const freeDescriptors = Effect.sync(descriptorBudget.free)
    return { address, accept, suspend, resume, drain, counters, freeDescriptors }
  })
