import { Address, Transport } from "@framewire/core"
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** Logs at debug level how connections live, until the scope closes. Where that is not logged it costs nothing. */
export const start: Effect.Effect<void, never, Transport.Transport | Scope.Scope> = Effect.gen(function*() {
  if (LogLevel.isGreaterThan(yield* References.MinimumLogLevel, "Debug")) return
  const log = Stream.runForEach(Transport.events, ({ from, id, remote, side, to }) => {
    const reason = to._tag === "Closed" ? ` (${to.reason._tag})` : ""
    return Effect.logDebug(
      `connection ${id}, ${side} ${Address.format(remote)}: ${from?._tag ?? "new"} -> ${to._tag}${reason}`
    )
  })
  yield* Effect.forkScoped(log, { startImmediately: true })
})
