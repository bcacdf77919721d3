import type { Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { type MemoryNetwork, MemoryTransport } from "@framewire/core/testing"
import { Codec, Lines, Protocol } from "@framewire/framing"
import type { Server, ServerEvent } from "@framewire/server"
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { readdirSync } from "node:fs"
import * as Net from "node:net"

export { capricious } from "../../../../tests/support/Capricious.ts"
export * as FakeTransport from "./FakeTransport.ts"
export * as RawClient from "./RawClient.ts"

/** A free port, and a deadline that comes before a test's. */
export const options = { address: { host: "127.0.0.1", port: 0 }, drainDeadline: "2 seconds" } as const

/** Lines both ways. */
export const lines = Protocol.symmetric(Codec.text(Lines.make()))

/** Open now; the same as `server.connections`. */
export const connections = (server: Server.Server["Service"]): number => Effect.runSync(server.connections)

export const portOf = ({ address }: Server.Server["Service"]): number => "port" in address ? address.port : 0

/** On real sockets, and a hang is a failure. */
export const bounded = <A, E>(
  body: Effect.Effect<A, E, Scope.Scope | Transport.Transport>,
  timeout: Duration.Input = "12 seconds"
): Effect.Effect<A, E | Cause.TimeoutError> =>
  Effect.scoped(body).pipe(Effect.provide(NodeTransport.layer), Effect.timeout(timeout))

/** On the network in memory and the test's clock, with metrics of its own. */
export const inMemory = <A, E>(
  body: Effect.Effect<A, E, Scope.Scope | Transport.Transport | MemoryNetwork.MemoryNetwork>,
  network?: MemoryTransport.Options
): Effect.Effect<A, E> =>
  Effect.scoped(body).pipe(
    Effect.provide(MemoryTransport.layer(network)),
    Effect.provideService(Metric.MetricRegistry, new Map())
  )

/** What happens from now on. */
export const eventsOf = (
  server: Server.Server["Service"]
): Effect.Effect<ReadonlyArray<ServerEvent.ServerEvent>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const seen: Array<ServerEvent.ServerEvent> = []
    yield* Effect.forkScoped(
      Stream.runForEach(server.events, (event) => Effect.sync(() => seen.push(event))),
      { startImmediately: true }
    )
    yield* Effect.yieldNow
    return seen
  })

/** Why those were turned away. */
export const rejections = (events: ReadonlyArray<ServerEvent.ServerEvent>): ReadonlyArray<string> =>
  events.flatMap((event) => event._tag === "Rejected" ? [event.reason] : [])

/** A counter of the server by one of its attributes. */
export const countsOf = (
  { id }: Metric.Counter<number>,
  attribute = "reason"
): Effect.Effect<Readonly<Record<string, number>>> =>
  Effect.map(Metric.snapshot, (snapshot) =>
    Object.fromEntries(
      snapshot.flatMap((each) =>
        each.id === id && "count" in each.state
          ? [[each.attributes?.[attribute] ?? "", Number(each.state.count)]]
          : []
      )
    ))

/** A gauge of the server. */
export const valueOf = ({ id }: Metric.Gauge<number>): Effect.Effect<number | undefined> =>
  Effect.map(Metric.snapshot, (snapshot) => {
    const found = snapshot.find((each) => each.id === id)
    return found !== undefined && "value" in found.state ? Number(found.state.value) : undefined
  })

/** Suspends until it is so; the bound is the test's. */
export const eventually = (isSo: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => isSo() ? Effect.void : Effect.andThen(Effect.sleep("2 millis"), eventually(isSo)))

/** Suspends until a number stands still, as far as can be seen. */
export const stalled = (read: () => number): Effect.Effect<void> =>
  Effect.suspend(() => {
    const before = read()
    return Effect.andThen(
      Effect.sleep("100 millis"),
      Effect.suspend(() => read() === before ? Effect.void : stalled(read))
    )
  })

/** Open descriptors of this process that are sockets. */
export const descriptors = (): number => readdirSync("/proc/self/fd").length

/** One call of the platform by a socket of this process. */
export interface Write {
  readonly socket: Net.Socket
  /** The local one. */
  readonly port: number | undefined
  readonly bytes: number
}

/** Every write from now on, until the scope closes. */
export const writes: Effect.Effect<ReadonlyArray<Write>, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const log: Array<Write> = []
    const spied = (["_write", "_writev"] as const).map((name) => {
      const original = Reflect.get(Net.Socket.prototype, name)!
      const spy = function(this: Net.Socket, data: Uint8Array | Array<{ chunk: Uint8Array }>, ...rest: Array<unknown>) {
        const bytes = Array.isArray(data) ? data.reduce((sum, { chunk }) => sum + chunk.length, 0) : data.length
        log.push({ socket: this, port: this.localPort, bytes })
        Reflect.apply(original, this, [data, ...rest])
      }
      Reflect.set(Net.Socket.prototype, name, spy)
      return [name, original] as const
    })
    return { log, original: Object.fromEntries(spied) }
  }),
  ({ original }) => Effect.sync(() => Object.assign(Net.Socket.prototype, original))
).pipe(Effect.map(({ log }) => log))
