import { type Address, type Connection, type ConnectionState, type Listener, Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { readdirSync } from "node:fs"
import type * as Net from "node:net"
import * as Raw from "./Raw.ts"

export * as Blocked from "./Blocked.ts"
export * as Raw from "./Raw.ts"

const [libuvMajor = 0, libuvMinor = 0] = process.versions.uv.split(".").map(Number)

/** Where a test needs RST right after bytes: libuv before 1.52 (Node 22) says that it is the end (libuv#4997). */
export const tellsRstAfterBytes = { skip: libuvMajor === 1 && libuvMinor < 52 }

/** Any free port of the loopback interface. */
export const anyPort: Address.TcpAddress = { host: "127.0.0.1", port: 0 }

/** On real sockets, and a hang is a failure: also the hang of a finalizer, which no interruption ends. */
export const bounded = <A, E>(
  body: Effect.Effect<A, E, Scope.Scope | Transport.Transport>,
  timeout: Duration.Input = "10 seconds"
): Effect.Effect<A, E | Cause.TimeoutError> =>
  Effect.scoped(body).pipe(
    Effect.provide(NodeTransport.layer),
    Effect.forkDetach({ startImmediately: true }),
    Effect.flatMap(Fiber.join),
    Effect.timeout(timeout)
  )

/** Suspends until it is so; the bound is the test's. */
export const eventually = (isSo: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => isSo() ? Effect.void : Effect.andThen(Effect.sleep("1 millis"), eventually(isSo)))

/** Lets the event loop turn: everything that was ready has been handled then. */
export const turn: Effect.Effect<void> = Effect.callback((resume) => {
  setImmediate(() => setImmediate(() => resume(Effect.void)))
})

/** Open descriptors of this process. */
export const descriptors = (): number => readdirSync("/proc/self/fd").length

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Every socket of this process from now on, as the platform has it, until the scope closes. */
export const sockets: Effect.Effect<Array<Net.Socket>, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const seen: Array<Net.Socket> = []
    const see = (message: unknown) => void seen.push((message as { readonly socket: Net.Socket }).socket)
    subscribe("net.client.socket", see)
    subscribe("net.server.socket", see)
    return { seen, see }
  }),
  ({ see }) =>
    Effect.sync(() => {
      unsubscribe("net.client.socket", see)
      unsubscribe("net.server.socket", see)
    })
).pipe(Effect.map(({ seen }) => seen))

/** The typed error that the effect fails with; anything else is a defect of the test. */
export const failure = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<E, A, R> => Effect.flip(effect)

/** What a receive gave: its bytes as text, "end", or the error. */
export const received = (connection: Connection.Connection) =>
  Effect.matchCause(connection.receive, {
    onSuccess: (chunks) => String(Buffer.concat(chunks)),
    onFailure: (cause) => {
      const error = Option.getOrThrow(Cause.findErrorOption(cause))
      return Cause.isDone(error) ? "end" as const : error
    }
  })

/** Receives until this many bytes are there. */
export const receiveBytes = (connection: Connection.Connection, size: number) =>
  Effect.gen(function*() {
    const all: Array<Uint8Array> = []
    for (let have = 0; have < size;) {
      for (const chunk of yield* connection.receive) {
        all.push(chunk)
        have += chunk.length
      }
    }
    return Buffer.concat(all)
  })

/** Receives to the end: everything that came and how it ended. */
export const receiveAll = (connection: Connection.Connection) =>
  Effect.gen(function*() {
    let text = ""
    for (;;) {
      const next = yield* received(connection)
      if (typeof next !== "string") return { text, end: next.reason._tag }
      if (next === "end") return { text, end: "end" as const }
      text += next
    }
  })

/** A connection of ours, the bare node:net socket at its other end, and ours as the platform has it. */
export interface Pair {
  readonly connection: Connection.Connection
  readonly peer: Raw.Peer
  readonly socket: Net.Socket
  /** Closes what owns the connection. */
  readonly closeScope: Effect.Effect<void>
}

// Long, so that a busy machine is not too slow for it.
const linger = "5 seconds"

/** A peer that never sends FIN of its own keeps no test waiting. */
export const freedAtOnce = (connection: Connection.Connection): Effect.Effect<void, never, Scope.Scope> =>
  Effect.addFinalizer(() => connection.close({ linger: 0 }))

/** We connect to a bare peer. */
export const dialled = (
  options?: Transport.ConnectOptions & { readonly reads?: boolean }
): Effect.Effect<Pair, never, Scope.Scope | Transport.Transport> =>
  Effect.gen(function*() {
    const server = yield* Raw.listen(options)
    const seen = yield* sockets
    const scope = yield* Scope.fork(yield* Effect.scope)
    const connection = yield* Transport.connect(server.address, { linger, ...options }).pipe(
      Scope.provide(scope),
      Effect.orDie
    )
    yield* freedAtOnce(connection)
    const peer = yield* server.next
    const socket = seen.find((each) => "port" in connection.local && each.localPort === connection.local.port)!
    return { connection, peer, socket, closeScope: Scope.close(scope, Exit.void) }
  })

/** A bare peer connects to us. */
export const accepted = (
  options?: Listener.ListenOptions & { readonly reads?: boolean }
): Effect.Effect<Pair, never, Scope.Scope | Transport.Transport> =>
  Effect.gen(function*() {
    const seen = yield* sockets
    const scope = yield* Scope.fork(yield* Effect.scope)
    const listener = yield* Effect.orDie(Transport.listen(anyPort, { linger, ...options }))
    const peer = yield* Raw.connect(listener.address, options)
    const connection = yield* listener.accept.pipe(Scope.provide(scope), Effect.orDie)
    yield* freedAtOnce(connection)
    const socket = seen.find((each) => "port" in connection.remote && each.remotePort === connection.remote.port)!
    return { connection, peer, socket, closeScope: Scope.close(scope, Exit.void) }
  })

/** Both ways to a connection: what holds for one must hold for the other. */
export const bothWays = { dialled, accepted } as const

/** The reason in one word. */
export const reasonOf = (reason: ConnectionState.CloseReason): string =>
  reason._tag === "Graceful" ? `Graceful by ${reason.initiator}` : reason._tag
