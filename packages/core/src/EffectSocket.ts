/**
 * Connections and listeners as `effect/socket` has them, and the other way, so that `effect/rpc` runs over them.
 *
 * ```text
 * Effect<Connection>  -- toSocket -------> Socket          dialled by each acquisition of its reader
 * Connection          -- fromAccepted ---> Socket
 * Listener            -- toSocketServer -> SocketServer
 * Socket              -- fromSocket -----> Connection      a WebSocket, for example
 * ```
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"
import * as Address from "./Address.ts"
import type { Connection, ConnectionOptions } from "./Connection.ts"
import * as Acceptor from "./internal/Acceptor.ts"
import { checkConnect } from "./internal/checkOptions.ts"
import * as Outbox from "./internal/Outbox.ts"
import * as socketTls from "./internal/socketTls.ts"
import * as WireConnection from "./internal/WireConnection.ts"
import { check, duration } from "./InvalidOption.ts"
import type { LifecycleEvent } from "./Lifecycle.ts"
import type { Listener } from "./Listener.ts"
import { ConnectError, type HandshakeError, ReceiveError, SendError } from "./TransportError.ts"
import * as TransportReason from "./TransportReason.ts"

const errorOf = (reason: Socket.SocketErrorReason) => new Socket.SocketError({ reason })
const closeError = (code: number, closeReason?: string) => errorOf(new Socket.SocketCloseError({ code, closeReason }))

/**
 * How a socket treats its connection.
 *
 * @category options
 * @since 0.1.0
 */
export interface SocketOptions {
  /** How long a write may wait without progress, before it fails with `TimedOut` and resets the connection. Default 30 s. */
  readonly writeTimeout?: Duration.Input
}

type Side = LifecycleEvent["side"]

/** A connection while a socket stands on it. */
interface Link {
  readonly connection: Connection
  readonly side: Side
  readonly outbox: Outbox.Outbox
  /** What pull says after we closed it. */
  ended: Socket.SocketError
}

const checkSocket = (options: SocketOptions | undefined): void => check(options, { writeTimeout: duration })

const linkOf = (connection: Connection, side: Side, { writeTimeout = "30 seconds" }: SocketOptions = {}): Link => ({
  connection,
  side,
  outbox: Outbox.make(connection, writeTimeout),
  ended: closeError(1006)
})

const upgradeError = (cause: unknown) => errorOf(new Socket.SocketUpgradeError({ cause }))

const readerOf = (link: Link): Socket.Reader => ({
  pull: Effect.mapError(link.connection.receive, (error) => {
    if (Cause.isDone(error)) return closeError(1000)
    return error.reason._tag === "ConnectionClosed" ? link.ended : errorOf(new Socket.SocketReadError({ cause: error }))
  }),
  upgrade: (options = {}) => {
    const upgrade = socketTls.upgradeOf(link.side, options)
    return upgrade === undefined
      ? Effect.fail(upgradeError(new Error("an identity is a certificate and a key; a server has one")))
      : Effect.asVoid(Effect.mapError(link.connection.upgradeTls(upgrade), upgradeError))
  }
})

const encoder = new TextEncoder()
const toBytes = (chunk: Uint8Array | string) => typeof chunk === "string" ? encoder.encode(chunk) : chunk

/** `connected` suspends until there is a link, `current` does not. */
const writerOf = (connected: Effect.Effect<Link>, current: () => Link | undefined): Socket.Socket["writer"] => {
  const writeAll: Socket.Writer["writeAll"] = (chunks) =>
    Effect.flatMap(connected, ({ outbox }) => outbox.sendAll(Arr.map(chunks, toBytes))).pipe(
      Effect.mapError((cause) => errorOf(new Socket.SocketWriteError({ cause })))
    )
  const close = ({ code, reason }: Socket.CloseEvent) =>
    Effect.flatMap(connected, (link) => {
      link.ended = closeError(code, reason)
      // TCP has no codes: what is not the normal end has to look like none.
      return code === 1000 ? link.connection.close() : link.connection.abort
    })
  return Effect.acquireRelease(
    Effect.succeed<Socket.Writer>({
      write: (chunk) => Socket.isCloseEvent(chunk) ? Effect.asVoid(close(chunk)) : writeAll([chunk]),
      writeAll
    }),
    () => Effect.suspend(() => current()?.outbox.finish ?? Effect.void)
  )
}

/**
 * A socket that dials each time its reader is acquired, so that `Effect.retry` reconnects.
 *
 * **Contract**: what `Socket` promises, and in addition:
 *
 * 1. A write to a connection that has ended fails; only where there is no connection it waits for the next.
 * 2. Writes of many fibers go one after the other, each as a whole, and wait for a peer that reads slowly, but not for one
 *    that does not read at all: an `RpcServer` waits for its last answers before it lets go of its connections.
 * 3. Closing the reader's scope closes the connection gracefully and waits for the peer no longer than its linger.
 * 4. Writing `CloseEvent` with code 1000 closes gracefully, with any other code it resets; `pull` then fails with that code.
 *
 * **Errors**: `SocketError`: `SocketCloseError` with code 1000 for the peer's FIN and 1006 for our own close; any other reason
 * has our `ConnectError`, `HandshakeError`, `ReceiveError` or `SendError` as its `cause`, of `upgrade` too.
 *
 * @category converting
 * @since 0.1.0
 */
export const toSocket = (
  dial: Effect.Effect<Connection, ConnectError | HandshakeError, Scope.Scope>,
  options?: SocketOptions
): Socket.Socket => {
  checkSocket(options)
  const opened = Effect.mapError(dial, (cause) => {
    const kind = cause.reason._tag === "TimedOut" ? "Timeout" : "Unknown"
    return errorOf(new Socket.SocketOpenError({ kind, cause }))
  })
  let current: Link | undefined
  const dialled = Latch.makeUnsafe()
  const connected: Effect.Effect<Link> = Effect.suspend(() =>
    current === undefined ? dialled.whenOpen(connected) : Effect.succeed(current)
  )
  return Socket.make({
    reader: Effect.gen(function*() {
      const link = linkOf(yield* opened, "dialled", options)
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          current = link
          dialled.openUnsafe()
        }),
        () => {
          if (current === link) dialled.closeUnsafe()
          if (current === link) current = undefined
          return link.connection.close()
        }
      )
      return readerOf(link)
    }),
    writer: writerOf(connected, () => current)
  })
}

/**
 * A socket on one connection that is there already, as `toSocketServer` gives it to its handlers.
 *
 * **Contract**: as of `toSocket`, but writing needs no reader, and when the reader's scope has closed it is over: every
 * write and every later `pull` fails. Its own scope closes the connection even if nobody ever acquires the reader.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromAccepted = (connection: Connection, options?: SocketOptions): Socket.Socket => {
  checkSocket(options)
  const link = linkOf(connection, "accepted", options)
  return Socket.make({
    reader: Effect.acquireRelease(Effect.succeed(readerOf(link)), () => connection.close()),
    writer: writerOf(Effect.succeed(link), () => link)
  })
}

const isEnd = (error: unknown): boolean =>
  Socket.isSocketError(error) && error.reason._tag !== "SocketOpenError" && error.reason._tag !== "SocketUpgradeError"

/** Nothing but the end of a connection: no news. */
const isQuiet = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.every((reason) =>
    Cause.isInterruptReason(reason) || isEnd(Cause.isFailReason(reason) ? reason.error : reason.defect)
  )

/**
 * A listener as a `SocketServer`: `run` gives each connection to the handler as a socket, in a fiber and a scope of its
 * own. The listener stays the caller's, and holds who comes while nothing runs.
 *
 * **Contract**
 *
 * 1. When the handler ends, its connection closes gracefully, within its linger, whether it acquired the reader or not.
 * 2. The end of a connection, however it came, is not logged; anything else that a handler fails with is logged at
 *    `References.UnhandledLogLevel`.
 * 3. Interrupting `run` interrupts all handlers, and closes their connections, at the same time.
 * 4. After `listener.drain`, `run` waits for its handlers and then ends as interrupted.
 *
 * **Errors**: `SocketServerError`, by itself where the address is a name (`SocketServerOpenError`), by `run` where the
 * listener fails (`SocketServerUnknownError`, whose `cause` is the `ListenError`).
 *
 * @category converting
 * @since 0.1.0
 */
export const toSocketServer = (
  listener: Listener,
  options?: SocketOptions
): Effect.Effect<SocketServer.SocketServer["Service"], SocketServer.SocketServerError> => {
  checkSocket(options)
  return Effect.fromResult(Address.toSocketAddress(listener.address)).pipe(
    Effect.mapError((cause) =>
      new SocketServer.SocketServerError({ reason: new SocketServer.SocketServerOpenError({ cause }) })
    ),
    Effect.map((address) =>
      SocketServer.SocketServer.of({
        address,
        run: (handler) =>
          Effect.mapError(
            Acceptor.run(listener, (connection) =>
              Effect.suspend(() => handler(fromAccepted(connection, options))).pipe(
                Effect.catchCause((cause) => isQuiet(cause) ? Effect.void : Effect.failCause(cause)),
                Effect.ignoreCause({ log: "Unhandled", message: "Unhandled error in SocketServer" })
              )),
            (cause) =>
              new SocketServer.SocketServerError({ reason: new SocketServer.SocketServerUnknownError({ cause }) })
          )
      })
    )
  )
}

/**
 * What a `Socket` does not say of itself.
 *
 * @category options
 * @since 0.1.0
 */
export interface FromSocketOptions extends Pick<ConnectionOptions, "linger" | "readBuffer" | "maxWriteBuffer"> {
  readonly local: Address.Address
  readonly remote: Address.Address
  /**
   * Which side can end its direction and leave the other open: `both` for node:net with `allowHalfOpen`, `self` without
   * it, `none` for a WebSocket. Default `self`.
   */
  readonly halfClose?: "both" | "self" | "none"
}

// Clean ends all: normal, going away, and no code given (RFC 6455, section 7.4.1).
const clean = new Set([1000, 1001, 1005])

// For private use; a browser takes no other from a program.
const aborted = new Socket.CloseEvent(4000, "aborted")

const reasonOf = ({ reason }: Socket.SocketError): TransportReason.TransportReason => {
  if (reason._tag === "SocketCloseError") {
    return new TransportReason.ConnectionReset({ code: String(reason.code), cause: reason })
  }
  const { cause } = reason
  if (reason._tag === "SocketOpenError" && reason.kind === "Timeout") return new TransportReason.TimedOut({ cause })
  const ours = cause instanceof ConnectError || cause instanceof ReceiveError || cause instanceof SendError
  return ours ? cause.reason : TransportReason.fromCause(cause)
}

/**
 * Dials the socket, and gives the connection, so that framing runs over a WebSocket, for example.
 *
 * **Contract**: as of `Connection`, as far as the socket goes:
 *
 * 1. `send` waits as long as the socket lets it; a WebSocket takes everything at once, and the limit then limits nothing.
 * 2. `shutdownWrite` succeeds when the socket was told, and fails where `halfClose` is `none`. Where it is not `both`, the
 *    peer's end is the end of sending too, and of the connection.
 * 3. `abort`, and `close` after its linger, write `CloseEvent(4000)`, on which node:net sends RST or FIN.
 * 4. A peer that ended is noticed while something is received, or sent and not yet taken.
 *
 * **Errors**: `ConnectError`. Close codes 1000, 1001 and 1005 are the peer's FIN, any other is the `code` of
 * `ConnectionReset`.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromSocket = (
  socket: Socket.Socket,
  options: FromSocketOptions
): Effect.Effect<Connection, ConnectError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.uninterruptibleMask((restore) => {
      checkConnect(options)
      const reading = Scope.makeUnsafe()
      const writing = Scope.makeUnsafe()
      return Effect.gen(function*() {
        const pull = yield* restore(Scope.provide(Socket.readerBytes(socket), reading))
        const writer = yield* Scope.provide(socket.writer, writing)
        return yield* WireConnection.make(
          {
            local: options.local,
            remote: options.remote,
            halfClose: options.halfClose ?? "self",
            pull: Effect.mapError(
              pull,
              (error) =>
                error.reason._tag === "SocketCloseError" && clean.has(error.reason.code)
                  ? Cause.Done()
                  : reasonOf(error)
            ),
            write: (chunks) => Effect.mapError(writer.writeAll(chunks), reasonOf),
            finish: Scope.close(writing, Exit.void),
            free: (gracefully) =>
              Effect.gen(function*() {
                if (!gracefully) {
                  yield* Effect.ignore(writer.write(aborted))
                }
                // node:net tells of it in the next tick, and somebody has to listen then.
                yield* Effect.yieldNow
                yield* Scope.close(reading, Exit.void)
                yield* Scope.close(writing, Exit.void)
              })
          },
          options,
          { side: "dialled", draining: Effect.never, hub: undefined }
        )
      }).pipe(
        Effect.onError((cause) => Scope.close(reading, Exit.failCause(cause))),
        Effect.mapError((error) => new ConnectError({ reason: reasonOf(error), remote: options.remote, attempts: [] }))
      )
    }),
    (connection) => connection.close(),
    { interruptible: true }
  )
