/**
 * The transport on node:net and node:tls: TCP over IPv4 and IPv6, and Unix domain sockets, secured or not.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Address } from "../Address.ts"
import type { Connection } from "../Connection.ts"
import { InvalidTls } from "../HandshakeReason.ts"
import { checkConnect, checkListen } from "../internal/checkOptions.ts"
import * as LifecycleHub from "../internal/LifecycleHub.ts"
import * as SecureListener from "../internal/SecureListener.ts"
import type { Listener, ListenOptions } from "../Listener.ts"
import type { ServerOptions } from "../Tls.ts"
import { type ConnectOptions, Transport } from "../Transport.ts"
import { type ConnectError, type HandshakeError, ListenError } from "../TransportError.ts"
import { dial } from "./internal/dial.ts"
import * as NodeListener from "./internal/NodeListener.ts"
import { AddressResolver, type Lookup, lookupOf } from "./internal/resolve.ts"
import * as secureContext from "./internal/secureContext.ts"

/** The last options that can work, of those that are asked for; a failure where nobody says which, or not in time. */
const inForce = (
  asked: Effect.Effect<ServerOptions>,
  first: ServerOptions,
  onRefused: ListenOptions["onTlsRefused"]
): Effect.Effect<ServerOptions, InvalidTls> => {
  let good = first
  let seen = first
  // A client that waits for this is in its handshake, as far as it knows.
  const inTime = Effect.suspend(() => Effect.timeout(asked, good.handshakeTimeout ?? "5 seconds"))
  return inTime.pipe(
    Effect.map((next) => {
      if (next === seen) return good
      seen = next
      const reason = secureContext.problemOf(next)
      if (reason === undefined) good = next
      else onRefused?.(reason)
      return good
    }),
    // An interruption that comes here is of what was asked, and not of who asks.
    Effect.catchCause((why) => {
      const cause = Cause.squash(why)
      const detail = `nobody says who this server is: ${cause instanceof Error ? cause.message : String(cause)}`
      return Effect.fail(new InvalidTls({ detail, cause }))
    })
  )
}

const make = (lookup?: Lookup) =>
  Effect.map(LifecycleHub.make, (hub) => {
    const connect = (
      address: Address,
      { tls, ...options }: ConnectOptions = {}
    ): Effect.Effect<Connection, ConnectError | HandshakeError, Scope.Scope> => {
      checkConnect({ ...options, tls })
      const dialled = Effect.acquireRelease(
        dial(hub, address, options, lookup),
        (connection) => connection.close(),
        { interruptible: true }
      )
      return tls === undefined
        ? dialled
        : Effect.tap(dialled, (connection) => connection.upgradeTls({ client: tls }))
    }
    const listen = (
      local: Address,
      { deferTls, tls, ...options }: ListenOptions = {}
    ): Effect.Effect<Listener, ListenError, Scope.Scope> => {
      checkListen({ ...options, tls })
      const listener = NodeListener.make(hub, local, options)
      if (tls === undefined) return listener
      const asked = Effect.isEffect(tls) ? tls : Effect.succeed(tls)
      return Effect.flatMap(asked, (first) => {
        const reason = secureContext.problemOf(first)
        if (reason !== undefined) return Effect.fail(new ListenError({ reason, local }))
        const current = inForce(asked, first, options.onTlsRefused)
        return deferTls === true
          ? Effect.map(listener, (plain) => ({ ...plain, tls: current }))
          : Effect.flatMap(listener, (plain) => SecureListener.make(plain, current, options))
      })
    }
    return Transport.of({ listen, connect, events: hub.events })
  })

/**
 * Sockets of the operating system.
 *
 * **Limits**: before libuv 1.52, thus on Node 22, a RST that comes together with bytes looks like the peer's FIN.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Transport> = Layer.effect(Transport, make())

/**
 * The same with another resolver than the operating system's: one that knows names of its own, keeps answers, or asks
 * certain servers.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerResolver: Layer.Layer<Transport, never, AddressResolver> = Layer.effect(
  Transport,
  Effect.flatMap(AddressResolver, (resolver) => make(lookupOf(resolver)))
)
