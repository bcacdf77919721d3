// A server in memory that does only what a test tells it to, and keeps what came.
import { type Address, type Connection, Transport } from "@framewire/core"
import { MemoryTransport } from "@framewire/core/testing"
import type { MemoryNetwork } from "@framewire/core/testing"
import { type Codec, Framed, Lines } from "@framewire/framing"
import * as Codecs from "@framewire/framing/Codec"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"

export interface MemoryServer {
  readonly address: Address.Address
  /** Every line that came, of all connections. */
  readonly log: ReadonlyArray<string>
  /** All that were accepted, in order. */
  readonly connections: ReadonlyArray<Connection.Connection>
  /** Resets its connections and closes its port. */
  readonly stop: Effect.Effect<void>
  readonly start: Effect.Effect<void>
}

/** Says lines. */
export type Say = (...lines: ReadonlyArray<string>) => Effect.Effect<void>

const text: Codec.Codec<string> = Codecs.text(Lines.make())

/** Listens; for each line of a connection runs `onLine`, one after the other. The scope stops it. */
export const make = (
  onLine: (line: string, say: Say, connection: Connection.Connection) => Effect.Effect<void, never, Scope.Scope>,
  address: Address.Address = { host: "server", port: 7 }
): Effect.Effect<MemoryServer, never, Transport.Transport | Scope.Scope> =>
  Effect.gen(function*() {
    const log: Array<string> = []
    const connections: Array<Connection.Connection> = []
    let running: Scope.Closeable | undefined
    const serve = (connection: Connection.Connection) => {
      const framed = Framed.make(connection, text)
      const say: Say = (...lines) => Effect.ignore(framed.sendAll(lines))
      return Effect.forever(Effect.flatMap(framed.receiveAll, (lines) =>
        Effect.forEach(lines, (line) => {
          log.push(line)
          return onLine(line, say, connection)
        }))).pipe(Effect.exit, Effect.andThen(connection.close()))
    }
    const context = yield* Effect.context<Transport.Transport>()
    const stop = Effect.suspend(() => {
      const scope = running
      running = undefined
      return scope === undefined ? Effect.void : Scope.close(scope, Exit.void)
    })
    const start = Effect.gen(function*() {
      const scope = yield* Scope.make()
      running = scope
      yield* Effect.gen(function*() {
        const listener = yield* Transport.listen(address, { linger: 0 })
        yield* Effect.forkScoped(Effect.forever(Effect.flatMap(listener.accept, (connection) => {
          connections.push(connection)
          return Effect.andThen(
            Effect.addFinalizer(() => connection.abort),
            Effect.forkScoped(serve(connection))
          )
        })))
      }).pipe(Effect.orDie, Scope.provide(scope))
    }).pipe(Effect.provide(context))
    yield* Effect.addFinalizer(() => stop)
    yield* start
    return { address, log, connections, stop, start }
  })

/** Says what it was told. */
export const echo = (line: string, say: Say): Effect.Effect<void> => say(line)

/** Says nothing. */
export const silent = (): Effect.Effect<void> => Effect.void

/** In memory, on the clock of the test. */
export const inMemory = <A, E>(
  body: Effect.Effect<A, E, Scope.Scope | Transport.Transport | MemoryNetwork.MemoryNetwork>,
  options?: MemoryTransport.Options
): Effect.Effect<A, E> => Effect.scoped(body).pipe(Effect.provide(MemoryTransport.layer(options)))

/** Lets everything happen that needs no time: some turns of the loop. */
export const settle: Effect.Effect<void> = Effect.forEach(
  Array.from({ length: 20 }),
  () => Effect.promise(() => new Promise((resume) => setImmediate(resume))),
  { discard: true }
)

/** Begins at once. */
export const fork = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Fiber.Fiber<A, E>, never, R> =>
  Effect.forkChild(effect, { startImmediately: true })
