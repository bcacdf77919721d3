// A Listener on a net.Server.
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"
import type * as Address from "../../Address.ts"
import type { Listener, ListenOptions } from "../../Listener.ts"
import { ListenError } from "../../TransportError.ts"
import * as TransportReason from "../../TransportReason.ts"
import { addressesOf, endpointProblem } from "./endpoint.ts"
import { NodeConnection } from "./NodeConnection.ts"
import { settings } from "./settings.ts"

// The bounds of drain: each turn of the loop accepts one connection (libuv).
const maxDrainTurns = 4096
const maxDrainMillis = 250

const listening = (server: Net.Server, local: Address.Address, backlog: number): Effect.Effect<void, ListenError> =>
  Effect.callback((resume) => {
    const fail = (reason: TransportReason.TransportReason) => resume(Effect.fail(new ListenError({ reason, local })))
    const problem = endpointProblem(local)
    if (problem !== undefined) return fail(problem)
    server.on("error", (cause) => fail(TransportReason.fromCause(cause)))
    server.listen({ ...local, backlog }, () => resume(Effect.void))
    // While the name resolves, node:net cannot be stopped.
    return Effect.sync(() => server.listening ? server.close() : server.once("listening", () => server.close()))
  })

export const make = (
  local: Address.Address,
  options: ListenOptions = {}
): Effect.Effect<Listener, ListenError, Scope.Scope> =>
  Effect.gen(function*() {
    const backlog = options.backlog ?? 511
    const connectionSettings = settings(options)
    const arrived = yield* Queue.make<NodeConnection, ListenError | Cause.Done>({
      capacity: backlog,
      strategy: "dropping"
    })
    const server = Net.createServer({ ...connectionSettings.socket, pauseOnConnect: true })
    let accepted = 0
    server.on("connection", (socket) => {
      accepted++
      // In the same tick, so that an error listener is there before the first error can be.
      const connection = new NodeConnection(socket, addressesOf(socket, local), connectionSettings)
      if (!Queue.offerUnsafe(arrived, connection)) Effect.runFork(connection.abort)
    })

    yield* Effect.acquireRelease(listening(server, local, backlog), () =>
      Effect.suspend(() => {
        stop()
        // What is still there nobody will accept.
        const waiting: Array<Effect.Effect<unknown>> = []
        for (let next = Queue.takeUnsafe(arrived); next?._tag === "Success"; next = Queue.takeUnsafe(arrived)) {
          waiting.push(next.value.abort)
        }
        return Effect.all(waiting, { concurrency: "unbounded", discard: true })
      }), { interruptible: true })
    const bound = server.address()
    const address = typeof bound === "object" && bound !== null ? { host: bound.address, port: bound.port } : local
    server.on("error", (cause) =>
      Queue.failCauseUnsafe(
        arrived,
        Cause.fail(new ListenError({ reason: TransportReason.fromCause(cause), local: address }))
      ))

    const stopped = Deferred.makeUnsafe<void>()
    let draining = false
    function stop() {
      if (server.listening) server.close()
      Queue.endUnsafe(arrived)
      Deferred.doneUnsafe(stopped, Exit.void)
    }
    const drain = Effect.suspend(() => {
      if (!draining) {
        draining = true
        const deadline = performance.now() + maxDrainMillis
        // close() resets whoever waits in the kernel's queue, so turn the loop until a whole turn accepts nobody.
        const turn = (before: number, turns: number) => {
          if (!server.listening) return
          if (turns > 1 && accepted === before || turns > maxDrainTurns || performance.now() > deadline) return stop()
          const now = accepted
          setImmediate(() => turn(now, turns + 1))
        }
        turn(-1, 0)
      }
      return Deferred.await(stopped)
    })

    const accept = Effect.acquireRelease(Queue.take(arrived), (connection) => connection.close(), {
      interruptible: true
    })
    return { address, accept, drain }
  })
