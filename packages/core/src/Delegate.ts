/**
 * A connection that is another one in most things: to count, record, cut or change what passes, below any framing.
 *
 * ```text
 * Framed, or whoever has the connection <-> delegate <-> inner <-> peer
 * ```
 *
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import type { Connection, Each } from "./Connection.ts"
import * as TransportError from "./TransportError.ts"

type Batch = NonEmptyReadonlyArray<Uint8Array>

/**
 * Asks `inner` for everything; whoever extends it says what is different. A class, because what `inner` has may be its
 * class's, and no spread copies that.
 *
 * @category models
 * @since 0.1.0
 */
export class Delegate implements Connection {
  protected readonly inner: Connection

  constructor(inner: Connection) {
    this.inner = inner
  }

  get id() {
    return this.inner.id
  }
  get local() {
    return this.inner.local
  }
  get remote() {
    return this.inner.remote
  }
  get receive() {
    return this.inner.receive
  }
  get receiveEach() {
    return this.inner.receiveEach
  }
  get lendEach() {
    return this.inner.lendEach
  }
  get send() {
    return this.inner.send
  }
  get sendAll() {
    return this.inner.sendAll
  }
  get sendAllUnsafe() {
    return this.inner.sendAllUnsafe
  }
  get shutdownWrite() {
    return this.inner.shutdownWrite
  }
  get shutdownRead() {
    return this.inner.shutdownRead
  }
  get close() {
    return this.inner.close
  }
  get abort() {
    return this.inner.abort
  }
  get upgradeTls() {
    return this.inner.upgradeTls
  }
  get tls() {
    return this.inner.tls
  }
  get traffic() {
    return this.inner.traffic
  }
  get draining() {
    return this.inner.draining
  }
  get state() {
    return this.inner.state
  }
  get closed() {
    return this.inner.closed
  }
}

/**
 * What is told of a connection, in the turn in which it happens. It must neither throw nor keep a chunk: copy what is needed for
 * longer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Observer {
  /** Each batch, before whoever receives gets it. */
  readonly received?: (batch: NonEmptyReadonlyArray<Uint8Array>) => void
  /** What is to be sent, whether it can be or not. */
  readonly sent?: (chunks: ReadonlyArray<Uint8Array>) => void
  /** The peer's FIN, once whoever receives has come to it. */
  readonly ended?: () => void
  /** A failure that whoever receives is given. */
  readonly failed?: (error: TransportError.ReceiveError) => void
}

class Observed extends Delegate {
  readonly #observer: Observer
  #receive: Connection["receive"] | undefined

  constructor(inner: Connection, observer: Observer) {
    super(inner)
    this.#observer = observer
  }

  override get receive(): Connection["receive"] {
    return this.#receive ??= this.#received()
  }

  #received(): Connection["receive"] {
    const { ended, received } = this.#observer
    const observed: Connection["receive"] = Pull.matchEffect(this.inner.receive, {
      onSuccess: (batch) => {
        received?.(batch)
        return Effect.succeed(batch)
      },
      onDone: () => {
        ended?.()
        return Cause.done()
      },
      onFailure: (cause) => {
        this.#failed(cause)
        return Effect.failCause(cause)
      }
    })
    // A yield between the bytes and whoever gets them would lose them if it is interrupted; so it yields before.
    const receive: Connection["receive"] = Effect.withFiber((fiber) =>
      2 * fiber.currentOpCount > fiber.cache.maxOpsBeforeYield
        ? Effect.flatMap(Effect.yieldNow, () => receive)
        : observed
    )
    return receive
  }

  override get receiveEach(): Each {
    return this.#each(this.inner.receiveEach)
  }

  override get lendEach(): Each {
    return this.#each(this.inner.lendEach)
  }

  #each(each: Each): Each {
    const { ended, received } = this.#observer
    return (handle) =>
      each((batch: Batch, headroom) => {
        received?.(batch)
        return handle(batch, headroom)
      }).pipe(
        Effect.tap(() => Effect.sync(() => ended?.())),
        Effect.tapCause((cause) => Effect.sync(() => this.#failed(cause)))
      )
  }

  #failed(cause: Cause.Cause<unknown>): void {
    const error = Cause.squash(cause)
    // A handler's failure is not the connection's.
    if (error instanceof TransportError.ReceiveError) this.#observer.failed?.(error)
  }

  override get send(): Connection["send"] {
    const { inner } = this
    const { sent } = this.#observer
    if (sent === undefined) return inner.send
    return (bytes) =>
      Effect.suspend(() => {
        sent([bytes])
        return inner.send(bytes)
      })
  }

  override get sendAll(): Connection["sendAll"] {
    const { inner } = this
    const { sent } = this.#observer
    if (sent === undefined) return inner.sendAll
    return (chunks) =>
      Effect.suspend(() => {
        sent(chunks)
        return inner.sendAll(chunks)
      })
  }

  override get sendAllUnsafe(): Connection["sendAllUnsafe"] {
    const { inner } = this
    const { sent } = this.#observer
    if (sent === undefined) return inner.sendAllUnsafe
    return (chunks) => {
      sent(chunks)
      return inner.sendAllUnsafe(chunks)
    }
  }
}

/**
 * The same connection, with somebody who is told what passes. What is received or sent on `connection` itself is not told.
 *
 * @category constructors
 * @since 0.1.0
 */
export const observe = (connection: Connection, observer: Observer): Connection => new Observed(connection, observer)
