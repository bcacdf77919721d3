// Two connected connections, whose scopes a case can close.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Address } from "../../Address.ts"
import type { ConnectionOptions } from "../../Connection.ts"
import * as Transport from "../../Transport.ts"

const inScope = Effect.gen(function*() {
  const scope = yield* Scope.fork(yield* Effect.scope)
  return { scope, close: Scope.close(scope, Exit.void) }
})

export const pair = (
  address: Address,
  options?: { readonly dialled?: ConnectionOptions; readonly accepted?: ConnectionOptions }
) =>
  Effect.gen(function*() {
    const listening = yield* inScope
    const listener = yield* Scope.provide(Transport.listen(address, options?.accepted), listening.scope)
    const dialling = yield* inScope
    const dialled = yield* Scope.provide(Transport.connect(listener.address, options?.dialled), dialling.scope)
    const accepted = yield* listener.accept
    // Where a case leaves both open, none waits for the other.
    yield* Effect.addFinalizer(() => accepted.close({ linger: 0 }))
    yield* Effect.addFinalizer(() => dialled.close({ linger: 0 }))
    return { listener, dialled, accepted, closeDialled: dialling.close, closeListener: listening.close }
  })
