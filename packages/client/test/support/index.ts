import type { Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Codec, Lines, Protocol } from "@framewire/framing"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export { capricious } from "../../../../tests/support/Capricious.ts"
export { brokenSends } from "./brokenSends.ts"
export * as FakeTransport from "./FakeTransport.ts"
export * as MemoryServer from "./MemoryServer.ts"
export * as RawServer from "./RawServer.ts"

/** Lines both ways. */
export const lines = Protocol.symmetric(Codec.text(Lines.make()))

/** On real sockets, and a hang is a failure. */
export const bounded = <A, E>(
  body: Effect.Effect<A, E, Scope.Scope | Transport.Transport>
): Effect.Effect<A, E | Cause.TimeoutError> =>
  Effect.scoped(body).pipe(Effect.provide(NodeTransport.layer), Effect.timeout("12 seconds"))

/** Suspends until it is so; the bound is the test's. */
export const eventually = (isSo: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => isSo() ? Effect.void : Effect.andThen(Effect.sleep("2 millis"), eventually(isSo)))
