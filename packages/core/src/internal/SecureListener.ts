// A Listener whose connections are secured by TLS before anybody has them, side by side.
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import type { Connection } from "../Connection.ts"
import type { InvalidTls } from "../HandshakeReason.ts"
import type { Listener, ListenOptions } from "../Listener.ts"
import type * as Tls from "../Tls.ts"
import { HandshakeError, type ListenError } from "../TransportError.ts"

interface Secured {
  readonly connection: Connection
  readonly scope: Scope.Closeable
}

export const make = (
  listener: Listener,
  tls: Effect.Effect<Tls.ServerOptions, InvalidTls>,
  { backlog = 511, onShed }: ListenOptions
): Effect.Effect<Listener, never, Scope.Scope> =>
  Effect.gen(function*() {
    const ready = yield* Queue.unbounded<Exit.Exit<Secured, ListenError>, Cause.Done>()
    /** An error waits to be told of, alone: until then nobody is accepted. */
    const told = Latch.makeUnsafe(true)
    /** In a handshake, or done and not accepted. */
    let waiting = 0
    let shed = 0
    const end = ({ connection, scope }: Secured) => Effect.andThen(connection.abort, Scope.close(scope, Exit.void))
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        const left: Array<Effect.Effect<void>> = []
        for (let next = Queue.takeUnsafe(ready); next?._tag === "Success"; next = Queue.takeUnsafe(ready)) {
          if (Exit.isSuccess(next.value)) left.push(end(next.value.value))
        }
        Queue.endUnsafe(ready)
        return Effect.all(left, { concurrency: "unbounded", discard: true })
      })
    )
    const handshakes = yield* FiberSet.make<void>()

    const asked = ({ connection: { local, remote } }: Secured) =>
      Effect.mapError(tls, (reason) => new HandshakeError({ reason, local, remote }))
    const secure = (secured: Secured) =>
      Effect.flatMap(asked(secured), (server) => secured.connection.upgradeTls({ server })).pipe(
        Effect.map(() => void Queue.offerUnsafe(ready, Exit.succeed(secured))),
        Effect.catch((error) =>
          Effect.suspend(() => {
            waiting--
            shed++
            const { remote } = secured.connection
            onShed?.({ _tag: "AcceptShed", reason: "handshake", remote, error })
            return Scope.close(secured.scope, Exit.void)
          })
        ),
        Effect.onInterrupt(() => Scope.close(secured.scope, Exit.void))
      )
    const admit = (secured: Secured) => {
      if (waiting >= backlog) {
        shed++
        const { remote } = secured.connection
        onShed?.({ _tag: "AcceptShed", reason: "backlog", remote })
        return end(secured)
      }
      waiting++
      return FiberSet.run(handshakes, Effect.interruptible(secure(secured)))
    }
    const acceptOne = Effect.uninterruptibleMask((restore) => {
      const scope = Scope.makeUnsafe()
      return restore(Effect.andThen(told.await, Scope.provide(listener.accept, scope))).pipe(
        Effect.flatMap((connection) => admit({ connection, scope })),
        Effect.catchIf((error) => error._tag === "ListenError", (error) => {
          told.closeUnsafe()
          return Queue.offer(ready, Exit.fail(error))
        })
      )
    })
    yield* Effect.forever(acceptOne, { disableYield: true }).pipe(
      Pull.catchDone(() => Effect.andThen(FiberSet.awaitEmpty(handshakes), Queue.end(ready))),
      Effect.forkScoped
    )

    return {
      ...listener,
      accept: Effect.uninterruptibleMask((restore) =>
        Effect.gen(function*() {
          const came = yield* restore(Queue.take(ready))
          if (Exit.isFailure(came)) told.openUnsafe()
          const { connection, scope } = yield* came
          waiting--
          yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
          return connection
        })
      ),
      counters: Effect.map(listener.counters, (below) => ({
        accepted: below.accepted - shed,
        shed: below.shed + shed
      }))
    }
  })
