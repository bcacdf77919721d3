// A server on core alone: a fiber and a scope for each connection, and nothing else.
import { type Connection, Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { address, listening } from "./harness.ts"

export const serve = <E>(handler: (connection: Connection.Connection) => Effect.Effect<void, E>): void => {
  const program = Effect.gen(function*() {
    const listener = yield* Transport.listen(address)
    listening(listener.address)
    while (true) {
      const scope = Scope.makeUnsafe()
      const connection = yield* Scope.provide(listener.accept, scope)
      const served = Effect.onExit(Effect.exit(handler(connection)), () => Scope.close(scope, Exit.void))
      yield* Effect.forkDetach(served, { startImmediately: true })
    }
  })
  void Effect.runPromise(Effect.provide(Effect.scoped(program), NodeTransport.layer))
}
