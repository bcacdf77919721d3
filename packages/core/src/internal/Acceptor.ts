// Runs a handler for each connection of a listener, in a fiber and a scope of its own.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import type { Connection } from "../Connection.ts"
import type { Listener } from "../Listener.ts"
import type { ListenError } from "../TransportError.ts"

/** Interruption interrupts all handlers at once and waits until their connections are closed. */
export const run = <R>(
  listener: Listener,
  handler: (connection: Connection) => Effect.Effect<void, never, R>
): Effect.Effect<never, ListenError, Exclude<R, Scope.Scope>> =>
  Effect.scoped(Effect.gen(function*() {
    const handlers = yield* FiberSet.make<void>()
    // What was accepted is served: no interruption comes before the fiber that ends the connection.
    const acceptOne = Effect.uninterruptibleMask((restore) => {
      const scope = Scope.makeUnsafe()
      return restore(Scope.provide(listener.accept, scope)).pipe(
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
        Effect.flatMap((connection) =>
          FiberSet.run(
            handlers,
            Effect.onExit(Scope.provide(handler(connection), scope), (exit) => Scope.close(scope, exit))
          )
        )
      )
    })
    return yield* Effect.forever(acceptOne).pipe(
      Pull.catchDone(() => Effect.andThen(FiberSet.awaitEmpty(handlers), Effect.interrupt))
    )
  }))
