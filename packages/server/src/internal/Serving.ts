// The connections of a server, from accept to the freed socket: each has one fiber and one scope.
import { type Connection, type Listener, TransportError } from "@framewire/core"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { Reason } from "../Admission.ts"
import type { Handler } from "../Handler.ts"
import * as ProxyProtocol from "../ProxyProtocol.ts"
import type { Gate } from "./Gate.ts"
import { inSpan } from "./inSpan.ts"
import { networkOf, peerOf, type Watch } from "./Watch.ts"

export interface Entry {
  /** Behind its PROXY header, once that is read. */
  connection: Connection.Connection
  readonly began: number
  /** How far it has come: the handler has it, or it was turned away. */
  phase: "entering" | "served" | "rejected"
  /** Undefined until it is started. */
  fiber?: Fiber.Fiber<unknown>
  /** What has passed, as far as it is in the metrics. */
  counted: Pick<Connection.Traffic, "received" | "sent">
}

export interface Serving<R> {
  readonly entries: ReadonlySet<Entry>
  /** Have a slot. */
  readonly active: () => number
  /** Suspends until there are no entries. */
  readonly empty: Effect.Effect<void>
  /** Tells what has passed until now, and what waits. */
  readonly sample: Effect.Effect<void>
  /** Takes charge of the connection. */
  readonly enter: (connection: Connection.Connection, scope: Scope.Closeable) => Effect.Effect<void, never, R>
  /** From now on a connection stops reading when its handler gets it. */
  readonly close: () => void
  /** Who has not come to a handler never will. */
  readonly end: () => void
}

const nothing = { received: 0, sent: 0 }

const reasonOf = (error: ProxyProtocol.ProxyError | TransportError.ReceiveError): Reason => {
  if (error._tag === "ReceiveError") return "noHeader"
  switch (error.reason._tag) {
    case "UntrustedProxy":
      return "untrusted"
    case "NoHeader":
      return "noHeader"
    case "TimedOut":
      return "headerTimeout"
    case "FrameError":
      return "badHeader"
  }
}

export const make = <E, R>({ clock, gate, handler, onShed, proxy, tls, watch }: {
  readonly gate: Gate
  readonly watch: Watch
  readonly clock: Clock.Clock
  readonly handler: Handler<E, R>
  readonly proxy: ProxyProtocol.ServerProxyOptions | undefined
  readonly tls: Listener.Listener["tls"] | undefined
  readonly onShed: Listener.ListenOptions["onShed"]
}): Serving<Exclude<R, Scope.Scope>> => {
  const entries = new Set<Entry>()
  /** Whose PROXY header has not come, in the order in which they came. */
  const pending = new Set<Entry>()
  const empty = Latch.makeUnsafe(true)
  let active = 0
  let closing = false
  let over = false
  const now = () => clock.currentTimeMillisUnsafe()

  const leave = (entry: Entry) => {
    entries.delete(entry)
    if (entries.size === 0) empty.openUnsafe()
  }

  const turnAway = (connection: Connection.Connection, scope: Scope.Closeable, reason: Reason) => {
    watch.rejected(connection, reason)
    return Effect.ensuring(gate.refuse(connection, reason), Scope.close(scope, Exit.void))
  }

  /** Whether it can be served. */
  const secure = (entry: Entry, current: NonNullable<Listener.Listener["tls"]>): Effect.Effect<boolean> => {
    const { connection } = entry
    const { local, remote } = connection
    const began = now()
    return Effect.mapError(current, (reason) => new TransportError.HandshakeError({ reason, local, remote })).pipe(
      // What came with the PROXY header is the handshake's.
      Effect.flatMap((server) => connection.upgradeTls(proxy === undefined ? { server } : { server, received: [] })),
      inSpan("tcp.handshake"),
      Effect.interruptible,
      Effect.match({
        onSuccess: () => {
          watch.secured(now() - began)
          return true
        },
        onFailure: (error) => {
          watch.secured(now() - began, error)
          if (entry.phase === "rejected") return false
          entry.phase = "rejected"
          watch.rejected(connection, "handshake", error)
          onShed?.({ _tag: "AcceptShed", reason: "handshake", remote: connection.remote, error })
          return false
        }
      })
    )
  }

  const serve = (entry: Entry) =>
    Effect.suspend(() => {
      if (over) return Effect.void
      const { connection } = entry
      entry.phase = "served"
      watch.accepted(connection)
      const handled = Effect.interruptible(Effect.suspend(() => handler(connection)))
      return closing ? Effect.andThen(Effect.forkDetach(connection.shutdownRead), handled) : handled
    })

  const tellClosed = (entry: Entry) => {
    const { began, connection } = entry
    if (entry.phase !== "served") return Effect.void
    return Effect.flatMap(
      connection.closed,
      (reason) =>
        Effect.map(connection.traffic, (traffic) => {
          count(entry, traffic)
          watch.closed(connection, reason, now() - began, traffic)
        })
    )
  }

  const count = (entry: Entry, traffic: Connection.Traffic) => {
    const { counted } = entry
    watch.passed(traffic.received - counted.received, traffic.sent - counted.sent)
    entry.counted = traffic
  }

  const sample = Effect.gen(function*() {
    let blocked = 0
    let most = 0
    for (const entry of entries) {
      if (entry.phase !== "served") continue
      const traffic = yield* entry.connection.traffic
      count(entry, traffic)
      if (traffic.waiting > 0) blocked++
      most = Math.max(most, traffic.waiting)
    }
    watch.blocked(blocked, most)
  })

  /** With a slot, which is free again when the socket is. What is wrapped around the handler waits with it: as little as can be. */
  const occupy = (entry: Entry, scope: Scope.Closeable, release: Effect.Effect<unknown>) => {
    const { connection } = entry
    active++
    watch.active(1)
    const served = tls === undefined
      ? serve(entry)
      : Effect.flatMap(secure(entry, tls), (isSecured) => isSecured ? serve(entry) : Effect.void)
    return served.pipe(
      inSpan("tcp.connection", () => ({
        root: true,
        kind: "server",
        attributes: { ...networkOf(connection.local), ...peerOf(connection.remote) }
      })),
      Scope.provide(scope),
      // What comes is run whatever this is: nothing interrupts what is around the handler.
      Effect.exit,
      Effect.flatMap((exit) => conclude(entry, scope, release, exit))
    )
  }

  const conclude = (
    entry: Entry,
    scope: Scope.Closeable,
    release: Effect.Effect<unknown>,
    exit: Exit.Exit<void, unknown>
  ) =>
    Effect.andThen(Scope.close(scope, exit), exit).pipe(
      Effect.catchCause((cause) => Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logDebug(cause)),
      Effect.andThen(tellClosed(entry)),
      Effect.andThen(Effect.suspend(() => {
        active--
        watch.active(-1)
        leave(entry)
        return release
      }))
    )

  const reject = (entry: Entry, reason: Reason, error?: ProxyProtocol.ProxyError | TransportError.ReceiveError) => {
    if (entry.phase === "rejected") return
    entry.phase = "rejected"
    watch.rejected(entry.connection, reason, error)
  }

  const admit = (entry: Entry, scope: Scope.Closeable) =>
    Effect.matchCauseEffect(gate.enter(entry.connection.remote, (change) => watch.parked(entry.connection, change)), {
      onSuccess: (release) => occupy(entry, scope, release),
      onFailure: (cause) => {
        leave(entry)
        // Interrupted while it was parked.
        if (entry.phase === "rejected") return Scope.close(scope, Exit.void)
        entry.phase = "rejected"
        const refused = Option.getOrUndefined(Cause.findErrorOption(cause))
        return turnAway(entry.connection, scope, refused?.reason ?? "draining")
      }
    })

  const introduce = ({ maxPending = 256, ...options }: ProxyProtocol.ServerProxyOptions) => {
    const read = ProxyProtocol.read(options)
    const trusts = ProxyProtocol.trusts(options)

    const wait = (entry: Entry) => {
      pending.add(entry)
      watch.headersPending(pending.size)
    }
    const waitNoMore = (entry: Entry) => {
      if (pending.delete(entry)) watch.headersPending(pending.size)
    }
    const makeRoom = Effect.suspend(() => {
      const [oldest] = pending
      if (oldest === undefined || pending.size <= maxPending) return Effect.void
      waitNoMore(oldest)
      reject(oldest, "headers")
      return oldest.connection.abort
    })
    const readHeader = (entry: Entry) => {
      const { connection } = entry
      // Whom nobody trusts is reset at once, and takes no place.
      if (trusts(connection.remote)) wait(entry)
      return Effect.andThen(makeRoom, Effect.interruptible(read(connection))).pipe(
        inSpan("tcp.proxy_header", () => ({ root: true, kind: "server", attributes: peerOf(connection.remote) })),
        Effect.ensuring(Effect.sync(() => waitNoMore(entry)))
      )
    }
    return (entry: Entry, scope: Scope.Closeable) =>
      Effect.matchCauseEffect(Effect.suspend(() => readHeader(entry)), {
        onSuccess: (proxied) => {
          entry.connection = proxied
          // Itself is not in anybody's way.
          if (!gate.isFull(entries.size - pending.size - 1)) {
            return Effect.provideService(admit(entry, scope), ProxyProtocol.Current, proxied)
          }
          leave(entry)
          if (entry.phase === "rejected") return Scope.close(scope, Exit.void)
          entry.phase = "rejected"
          return turnAway(proxied, scope, "full")
        },
        onFailure: (cause) => {
          leave(entry)
          const error = Option.getOrUndefined(Cause.findErrorOption(cause))
          reject(entry, error === undefined ? "draining" : reasonOf(error), error)
          return Scope.close(scope, Exit.void)
        }
      })
  }
  const live = proxy === undefined ? admit : introduce(proxy)

  return {
    entries,
    active: () => active,
    empty: empty.await,
    sample,
    close: () => {
      closing = true
    },
    end: () => {
      over = true
      for (const entry of entries) {
        if (entry.phase === "entering") reject(entry, "draining")
      }
    },
    enter: (connection, scope) =>
      Effect.suspend(() => {
        if (over) return Effect.forkDetach(turnAway(connection, scope, "draining"))
        // Behind a proxy nobody is full before it is known who they are.
        if (proxy === undefined && gate.isFull(entries.size)) {
          return Effect.forkDetach(turnAway(connection, scope, "full"))
        }
        const entry: Entry = { connection, began: now(), phase: "entering", counted: nothing }
        entries.add(entry)
        empty.closeUnsafe()
        // Detached, so that the end of this server's scope waits for no handler longer than stop does, and
        // uninterruptible, so that no interruption comes before what ends the connection is in place.
        return Effect.map(Effect.forkDetach(live(entry, scope), { uninterruptible: true }), (fiber) => {
          entry.fiber = fiber
        })
      })
  }
}
