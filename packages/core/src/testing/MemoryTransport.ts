/**
 * The transport in memory: the same interface, on Effect's clock alone, so that `TestClock` rules it, and the same run
 * for the same seed.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Address from "../Address.ts"
import type { Connection, ConnectionOptions } from "../Connection.ts"
import { InvalidTls } from "../HandshakeReason.ts"
import { checkConnect, checkListen } from "../internal/checkOptions.ts"
import * as LifecycleHub from "../internal/LifecycleHub.ts"
import * as WireConnection from "../internal/WireConnection.ts"
import { check, duration, number, whole } from "../InvalidOption.ts"
import type { Listener, ListenOptions } from "../Listener.ts"
import { type ConnectOptions, Transport } from "../Transport.ts"
import { ConnectError, ListenError } from "../TransportError.ts"
import * as TransportReason from "../TransportReason.ts"
import * as Hosts from "./internal/Hosts.ts"
import * as Link from "./internal/Link.ts"
import * as Medium from "./internal/Medium.ts"
import * as MemoryListener from "./internal/MemoryListener.ts"
import { MemoryNetwork } from "./MemoryNetwork.ts"

/**
 * What the network is like, in both directions.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Decides every latency and every cut. Default 0. */
  readonly seed?: string | number
  /** How long a segment takes one way; of a pair, something between, without changing the order. Default 0. */
  readonly latency?: Duration.Input | readonly [min: Duration.Input, max: Duration.Input]
  /** Bytes per second in each direction of each connection. Default without limit. */
  readonly bandwidth?: number
  /** Cuts what is sent into chunks of 1 to so many bytes. Default: chunks arrive as they were sent. */
  readonly rechunk?: number
  /** Bytes per direction that were sent and not taken by the other end, before the writer waits. Default 64 KiB. */
  readonly buffer?: number
}

const noTls = new InvalidTls({ detail: "a network in memory has no TLS" })

const make = (options: Options) =>
  Effect.gen(function*() {
    const medium = yield* Medium.make({
      seed: options.seed ?? 0,
      latency: options.latency ?? 0,
      bandwidth: options.bandwidth ?? Infinity,
      rechunk: options.rechunk ?? Infinity,
      buffer: Math.max(1, options.buffer ?? 65_536)
    })
    const handshakes = yield* medium.random("handshakes")
    const hosts = Hosts.make<MemoryListener.MemoryListener>()
    const ends = new WeakMap<Connection, Link.End>()
    const acceptErrors: Array<TransportReason.TransportReason> = []
    let resetAfter = Infinity
    let links = 0

    const hub = yield* LifecycleHub.make

    const connected = (
      end: Link.End,
      how: ConnectionOptions,
      from: Omit<WireConnection.Origin, "hub">
    ): Effect.Effect<Connection> =>
      Effect.tap(
        WireConnection.make(end.wire, how, { ...from, hub }),
        (connection) => Effect.sync(() => ends.set(connection, end))
      )

    const listen = (
      local: Address.Address,
      how: ListenOptions = {}
    ): Effect.Effect<Listener, ListenError, Scope.Scope> => {
      checkListen(how)
      return Effect.acquireRelease(
        Effect.suspend(() => {
          const fail = (reason: TransportReason.TransportReason) => Effect.fail(new ListenError({ reason, local }))
          const problem = hosts.problem(local)
          if (problem !== undefined) return fail(problem)
          if (how.fd !== undefined || how.reusePort === true) {
            const detail = "a network in memory has neither descriptors nor reusePort"
            return fail(new TransportReason.InvalidAddress({ code: "ENOTSUP", detail }))
          }
          if (how.tls !== undefined) return fail(noTls)
          const bound = hosts.bind(local)
          if (bound === undefined) return fail(new TransportReason.AddressInUse({ code: "EADDRINUSE" }))
          const listener: MemoryListener.MemoryListener = MemoryListener.make(bound, how, {
            connect: (end, draining) => connected(end, how, { side: "accepted", draining }),
            takeError: () => acceptErrors.shift(),
            bind: () => hosts.set(bound, listener),
            unbind: () => hosts.delete(bound)
          })
          hosts.set(bound, listener)
          return Effect.succeed(listener)
        }),
        (listener) => Effect.sync(listener.stop)
      )
    }

    /** One segment of the handshake, one way. */
    const travel = Effect.suspend(() => {
      const millis = medium.latency(handshakes)
      return Effect.andThen(millis > 0 ? Effect.sleep(millis) : Effect.void, medium.healed.await)
    })
    const connect = (
      remote: Address.Address,
      how: ConnectOptions = {}
    ): Effect.Effect<Connection, ConnectError, Scope.Scope> => {
      checkConnect(how)
      return Effect.uninterruptibleMask((restore) => {
        const fail = (reason: TransportReason.TransportReason) =>
          Effect.fail(new ConnectError({ reason, remote, attempts: [{ remote, reason }] }))
        let end: Link.End | undefined
        const handshake = Effect.gen(function*() {
          const problem = how.tls === undefined ? hosts.problem(remote) : noTls
          const source = problem ?? hosts.source(remote, how.localAddress)
          if ("_tag" in source) {
            return yield* source._tag === "InvalidAddress"
              ? Effect.fail(new ConnectError({ reason: source, remote, attempts: [] }))
              : fail(source)
          }
          yield* travel
          const listener = hosts.find(remote)
          if (listener === undefined) {
            yield* travel
            return yield* fail(new TransportReason.ConnectionRefused({ code: "ECONNREFUSED" }))
          }
          const addresses = { dialler: source, listener: listener.address }
          const link = yield* Link.make(medium, `link ${++links}`, addresses, resetAfter)
          resetAfter = Infinity
          end = link.dialler
          listener.offer(link.listener)
          yield* travel
          return link.dialler
        })
        const timeout = Duration.fromInputUnsafe(how.timeout ?? "5 seconds")
        return restore(Effect.timeoutOrElse(handshake, {
          duration: timeout,
          orElse: () => fail(new TransportReason.TimedOut({ afterMillis: Duration.toMillis(timeout) }))
        })).pipe(
          // The listener's side may have it already.
          Effect.onError(() => Effect.sync(() => end?.abort())),
          Effect.flatMap((dialler) => connected(dialler, how, { side: "dialled", draining: Effect.never })),
          Effect.tap((connection) => Effect.addFinalizer(() => connection.close()))
        )
      })
    }

    const network = MemoryNetwork.of({
      partition: Effect.sync(() => medium.healed.closeUnsafe()),
      heal: Effect.sync(medium.heal),
      resetAfter: (bytes) =>
        Effect.sync(() => {
          resetAfter = bytes
        }),
      vanish: (connection) =>
        Effect.suspend(() => {
          const end = ends.get(connection)
          if (end === undefined) return Effect.die(new Error("the connection is not of this network"))
          return Effect.sync(end.vanish)
        }),
      acceptError: (reason = new TransportReason.ResourceExhausted({ code: "EMFILE" })) =>
        Effect.sync(() => {
          acceptErrors.push(reason)
          for (const listener of hosts.all()) listener.wake()
        })
    })
    return Context.make(Transport, Transport.of({ listen, connect, events: hub.events })).pipe(
      Context.add(MemoryNetwork, network)
    )
  })

/**
 * A network in memory, with nothing in it, and the `MemoryNetwork` that causes its faults.
 *
 * ```text
 * Connection -> writer waits for room -> bandwidth -> latency -> arrived -> Connection
 *               '--------------- at most `buffer` bytes ----------------'
 * ```
 *
 * **Contract**: of `Transport`, `Listener` and `Connection`, and in addition:
 *
 * 1. Time is that of the `Clock` in the context in which the layer is built and connections are made. Nothing waits
 *    for real time.
 * 2. The same seed and the same calls give the same chunks at the same times. One connection's traffic changes nothing
 *    in another's.
 * 3. RST arrives behind the bytes that had left; what the bandwidth held back is lost.
 *
 * **Limits**: every host name is a host of its own that exists; `localhost` is 127.0.0.1. `0.0.0.0` and `::` listen on
 * all. Word that the reader has taken bytes, and the repetition of lost segments, take no time of their own. `noDelay`,
 * `keepAlive`, `ipv6Only` and `family` change nothing; `fd` and `reusePort` are refused with `ENOTSUP`, `tls` with `InvalidTls`. What a closed
 * layer's network still held is lost, and nobody is told.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Transport | MemoryNetwork> => {
  const { bandwidth, buffer, latency, rechunk } = options
  check({ bandwidth, rechunk, buffer }, { bandwidth: number(0), rechunk: whole(1), buffer: whole(0) })
  for (const each of [latency].flat()) check({ latency: each }, { latency: duration })
  return Layer.effectContext(make(options))
}
