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
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Socket from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"
import * as Address from "./Address.ts"
import type { Connection, ConnectionOptions } from "./Connection.ts"
import * as WireConnection from "./internal/WireConnection.ts"
import type { Listener } from "./Listener.ts"
import { ConnectError, ReceiveError, SendError } from "./TransportError.ts"
import * as TransportReason from "./TransportReason.ts"

const closeError = (code: number, closeReason?: string) =>
  new Socket.SocketError({ reason: new Socket.SocketCloseError({ code, closeReason }) })
const openError = (cause: ConnectError) =>
  new Socket.SocketError({
    reason: new Socket.SocketOpenError({ kind: cause.reason._tag === "TimedOut" ? "Timeout" : "Unknown", cause })
  })
const readError = (cause: ReceiveError) => new Socket.SocketError({ reason: new Socket.SocketReadError({ cause }) })
const writeError = (cause: SendError) => new Socket.SocketError({ reason: new Socket.SocketWriteError({ cause }) })

/** A connection while a socket stands on it. */
interface Link {
  readonly connection: Connection
  // One write at a time: the others wait here, as they must for a peer that reads slowly, and not in the connection,
  // which would refuse them.
  readonly writing: Semaphore.Semaphore
  /** What pull says after we closed it. */
  ended: Socket.SocketError
}

const linkOf = (connection: Connection): Link => ({
  connection,
  writing: Semaphore.makeUnsafe(1),
  ended: closeError(1006)
})

const readerOf = (link: Link): Socket.Reader => ({
  pull: Effect.mapError(link.connection.receive, (error) => {
    if (Cause.isDone(error)) return closeError(1000)
    return error.reason._tag === "ConnectionClosed" ? link.ended : readError(error)
  }),
  upgrade: Socket.SocketUpgradeError.unsupported
})

const encoder = new TextEncoder()

/** `connected` suspends until there is a link, `current` does not. */
const writerOf = (connected: Effect.Effect<Link>, current: () => Link | undefined): Socket.Socket["writer"] => {
  const writeAll = (chunks: ReadonlyArray<Uint8Array | string>) =>
    Effect.flatMap(connected, ({ connection, writing }) =>
      writing.withPermit(
        connection.sendAll(chunks.map((chunk) => typeof chunk === "string" ? encoder.encode(chunk) : chunk))
      )).pipe(Effect.mapError(writeError))
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
    () =>
      Effect.suspend(() => {
        const link = current()
        // FIN waits for what was written before, and thus for the peer; a finalizer must not.
        return link === undefined
          ? Effect.void
          : Effect.forkDetach(Effect.ignore(link.connection.shutdownWrite), { startImmediately: true })
      })
  )
}

/**
 * A socket that dials each time its reader is acquired, so that `Effect.retry` reconnects.
 *
 * **Contract**: what `Socket` promises, and in addition:
 *
 * 1. A write to a connection that has ended fails; only where there is no connection it waits for the next.
 * 2. Writes of many fibers go one after the other, and wait for a peer that reads slowly.
 * 3. Closing the reader's scope closes the connection gracefully and waits for the peer no longer than its linger.
 * 4. Writing `CloseEvent` with code 1000 closes gracefully, with any other code it resets; `pull` then fails with that code.
 *
 * **Limits**: `upgrade` is not supported.
 *
 * **Errors**: `SocketError`. The peer's FIN is a `SocketCloseError` with code 1000, our own close one with 1006. Any other
 * has our `ConnectError`, `ReceiveError` or `SendError` as its `cause`.
 *
 * @category converting
 * @since 0.1.0
 */
export const toSocket = (dial: Effect.Effect<Connection, ConnectError, Scope.Scope>): Socket.Socket => {
  let current: Link | undefined
  const dialled = Latch.makeUnsafe()
  const connected: Effect.Effect<Link> = Effect.suspend(() =>
    current === undefined ? dialled.whenOpen(connected) : Effect.succeed(current)
  )
  return Socket.make({
    reader: Effect.gen(function*() {
      const link = linkOf(yield* Effect.mapError(dial, openError))
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          current = link
          dialled.openUnsafe()
        }),
        () => {
          if (current === link) {
            current = undefined
            dialled.closeUnsafe()
          }
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
export const fromAccepted = (connection: Connection): Socket.Socket => {
  const link = linkOf(connection)
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

const serve = <R, E, A>(
  listener: Listener,
  handler: (socket: Socket.Socket) => Effect.Effect<A, E, R>
): Effect.Effect<never, SocketServer.SocketServerError, Exclude<R, Scope.Scope>> =>
  Effect.scoped(Effect.gen(function*() {
    const handlers = yield* FiberSet.make<void>()
    // What was accepted is served: no interruption comes before the fiber that ends the connection.
    const acceptOne = Effect.uninterruptibleMask((restore) => {
      const scope = Scope.makeUnsafe()
      return restore(Scope.provide(listener.accept, scope)).pipe(
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
        Effect.flatMap((connection) =>
          FiberSet.run(
            handlers,
            Effect.suspend(() => handler(fromAccepted(connection))).pipe(
              Scope.provide(scope),
              Effect.onExit((exit) => Scope.close(scope, exit)),
              Effect.catchCause((cause) => isQuiet(cause) ? Effect.void : Effect.failCause(cause)),
              Effect.ignoreCause({ log: "Unhandled", message: "Unhandled error in SocketServer" })
            )
          )
        )
      )
    })
    return yield* Effect.forever(acceptOne).pipe(
      Pull.catchDone(() => Effect.andThen(FiberSet.awaitEmpty(handlers), Effect.interrupt)),
      Effect.mapError((cause) =>
        new SocketServer.SocketServerError({ reason: new SocketServer.SocketServerUnknownError({ cause }) })
      )
    )
  }))

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
  listener: Listener
): Effect.Effect<SocketServer.SocketServer["Service"], SocketServer.SocketServerError> =>
  Effect.fromResult(Address.toSocketAddress(listener.address)).pipe(
    Effect.mapError((cause) =>
      new SocketServer.SocketServerError({ reason: new SocketServer.SocketServerOpenError({ cause }) })
    ),
    Effect.map((address) => SocketServer.SocketServer.of({ address, run: (handler) => serve(listener, handler) }))
  )

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
 * 3. `abort`, and `close` after its linger, write `CloseEvent(4000)`: node:net destroys the socket, which is not always
 *    RST.
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
      const reading = Scope.makeUnsafe()
      const writing = Scope.makeUnsafe()
      return Effect.gen(function*() {
        const pull = yield* restore(Scope.provide(Socket.readerBytes(socket), reading))
        const writer = yield* Scope.provide(socket.writer, writing)
        return yield* WireConnection.make({
          local: options.local,
          remote: options.remote,
          halfClose: options.halfClose ?? "self",
          pull: Effect.mapError(pull, (error) =>
            error.reason._tag === "SocketCloseError" && clean.has(error.reason.code) ? Cause.Done() : reasonOf(error)),
          write: (chunks) =>
            Effect.mapError(writer.writeAll(chunks), reasonOf),
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
        }, options)
      }).pipe(
        Effect.onError((cause) =>
          Scope.close(reading, Exit.failCause(cause))
        ),
        Effect.mapError((error) => new ConnectError({ reason: reasonOf(error), remote: options.remote, attempts: [] }))
      )
    }),
    (connection) => connection.close(),
    { interruptible: true }
  )
