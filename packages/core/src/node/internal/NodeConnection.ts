// A Connection on a net.Socket. The hot paths, receive and sendAll, are plain functions under one Effect a batch.
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import type * as Net from "node:net"
import * as Address from "../../Address.ts"
import type { Connection, ConnectionOptions } from "../../Connection.ts"
import * as ConnectionState from "../../ConnectionState.ts"
import { ReceiveError, SendError } from "../../TransportError.ts"
import * as TransportReason from "../../TransportReason.ts"

type Received = Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, ReceiveError>

interface Addresses {
  readonly local: Address.Address
  readonly remote: Address.Address
}

/** The options of a connection with every default filled in. */
export interface Settings {
  readonly lingerMillis: number
  readonly readBuffer: number
  readonly maxWriteBuffer: number
  readonly noDelay: boolean
  readonly keepAlive: boolean
  readonly keepAliveInitialDelay: number
}

export const settings = (options: ConnectionOptions = {}): Settings => {
  const keepAlive = options.keepAlive ?? "30 seconds"
  return {
    lingerMillis: Duration.toMillis(Duration.fromInputUnsafe(options.linger ?? "2 seconds")),
    readBuffer: options.readBuffer ?? 65_536,
    maxWriteBuffer: options.maxWriteBuffer ?? 1_048_576,
    noDelay: options.noDelay ?? true,
    keepAlive: keepAlive !== false,
    keepAliveInitialDelay: keepAlive === false ? 0 : Duration.toMillis(Duration.fromInputUnsafe(keepAlive))
  }
}

// What close still takes from a peer that keeps sending, before it stops waiting for the peer's FIN.
const maxDiscard = 65_536

const done = Exit.fail(Cause.Done())

let lastId = 0

export class NodeConnection implements Connection {
  readonly id = ++lastId
  readonly local: Address.Address
  readonly remote: Address.Address
  readonly receive: Received
  readonly shutdownWrite: Effect.Effect<void, SendError>
  readonly shutdownRead: Effect.Effect<void>
  readonly abort: Effect.Effect<ConnectionState.CloseReason>
  readonly state: Effect.Effect<ConnectionState.ConnectionState>
  readonly closed: Effect.Effect<ConnectionState.CloseReason>

  readonly #socket: Net.Socket
  readonly #settings: Settings
  readonly #released = Deferred.makeUnsafe<ConnectionState.CloseReason>()
  #state: ConnectionState.ConnectionState = ConnectionState.open
  #arrived: Array<Uint8Array> = []
  #arrivedBytes = 0
  #reading = false
  #readShutdown = false
  #writeShutdown = false
  #discarded = -1
  #waiter: ((received: Received) => void) | undefined
  #failure: unknown
  #lingering: NodeJS.Timeout | undefined

  constructor(socket: Net.Socket, addresses: Addresses, options: Settings) {
    this.#socket = socket
    this.#settings = options
    this.local = addresses.local
    this.remote = addresses.remote

    // Nothing flows before the first receive.
    socket.pause()
    socket.on("data", this.#onData)
    socket.on("end", () => this.#onEnd())
    socket.on("finish", () => this.#dispatch({ _tag: "SelfFin" }))
    socket.on("error", (cause) => this.#onError(cause))
    socket.on("close", () => this.#onClose())

    this.receive = Effect.callback((resume) => {
      if (this.#waiter !== undefined) {
        return resume(Effect.die(new Error("receive is already suspended in another fiber of this connection")))
      }
      const received = this.#take()
      if (received !== undefined) return resume(received)
      this.#waiter = resume
      this.#resume()
      return Effect.sync(() => {
        if (this.#waiter === resume) this.#waiter = undefined
      })
    })
    this.shutdownWrite = Effect.callback((resume) => {
      if (socket.writableFinished) return resume(Effect.void)
      if (socket.destroyed) return resume(Effect.fail(this.#sendError()))
      this.#writeShutdown = true
      socket.end(() => resume(socket.writableFinished ? Effect.void : Effect.fail(this.#sendError())))
    })
    this.shutdownRead = Effect.sync(() => {
      this.#readShutdown = true
      this.#wake()
    })
    this.abort = Effect.suspend(() => {
      this.#dispatch({ _tag: "Abort" })
      this.#reset()
      return this.closed
    })
    this.state = Effect.sync(() => this.#state)
    this.closed = Deferred.await(this.#released)
  }

  send(bytes: Uint8Array): Effect.Effect<void, SendError> {
    return this.sendAll([bytes])
  }

  sendAll(chunks: ReadonlyArray<Uint8Array>): Effect.Effect<void, SendError> {
    return Effect.callback((resume) => {
      const socket = this.#socket
      if (!ConnectionState.maySend(this.#state) || socket.writableEnded || socket.destroyed) {
        return resume(Effect.fail(this.#sendError()))
      }
      const waiting = socket.writableLength
      if (waiting > this.#settings.maxWriteBuffer) {
        const limit = this.#settings.maxWriteBuffer
        return resume(Effect.fail(this.#sendError(new TransportReason.WriteBufferExceeded({ waiting, limit }))))
      }
      if (chunks.length === 0) return resume(Effect.void)
      // The callback, and not 'drain', fires in every case: also when the socket is destroyed while bytes wait.
      const onWritten = (error?: Error | null) => resume(error == null ? Effect.void : Effect.fail(this.#sendError()))
      const last = chunks.length - 1
      if (last > 0) socket.cork()
      for (let i = 0; i < last; i++) socket.write(chunks[i]!)
      socket.write(chunks[last]!, onWritten)
      if (last > 0) socket.uncork()
      // The kernel has taken everything already: no need to suspend until the callback's tick.
      if (socket.writableLength === 0 && socket.errored === null && !socket.destroyed) resume(Effect.void)
    })
  }

  close(options?: { readonly linger?: Duration.Input }): Effect.Effect<ConnectionState.CloseReason> {
    return Effect.suspend(() => {
      if (this.#state._tag !== "Closing" && this.#state._tag !== "Closed") {
        this.#dispatch({ _tag: "Close" })
        this.#linger(
          options?.linger === undefined
            ? this.#settings.lingerMillis
            : Duration.toMillis(Duration.fromInputUnsafe(options.linger))
        )
      }
      return this.closed
    })
  }

  #dispatch(event: ConnectionState.ConnectionEvent): void {
    this.#state = ConnectionState.transition(this.#state, event)
  }

  readonly #onData = (chunk: Uint8Array): void => {
    if (this.#discarded >= 0) {
      this.#discarded += chunk.length
      if (this.#discarded > maxDiscard) this.#expire()
      return
    }
    this.#arrived.push(chunk)
    this.#arrivedBytes += chunk.length
    this.#wake()
    if (this.#arrivedBytes >= this.#settings.readBuffer) {
      this.#reading = false
      this.#socket.pause()
    }
  }

  #onEnd(): void {
    this.#dispatch({ _tag: "PeerFin" })
    this.#wake()
  }

  #onError(cause: unknown): void {
    this.#failure ??= cause
    this.#keepBuffered()
    this.#dispatch({ _tag: "Failed", error: this.#receiveError(cause) })
    this.#wake()
  }

  #onClose(): void {
    clearTimeout(this.#lingering)
    this.#keepBuffered()
    this.#dispatch({ _tag: "Released" })
    this.#wake()
    if (this.#state._tag === "Closed") Deferred.doneUnsafe(this.#released, Exit.succeed(this.#state.reason))
  }

  /** A paused stream still holds what the platform read before it failed: bytes go before the error. */
  #keepBuffered(): void {
    this.#socket.off("data", this.#onData)
    if (this.#discarded >= 0) return
    for (let chunk: Uint8Array | null; (chunk = this.#socket.read()) !== null;) this.#arrived.push(chunk)
  }

  #resume(): void {
    if (this.#reading || this.#socket.destroyed) return
    this.#reading = true
    this.#socket.resume()
  }

  #wake(): void {
    const resume = this.#waiter
    if (resume === undefined) return
    const received = this.#take()
    if (received === undefined) return
    this.#waiter = undefined
    resume(received)
  }

  /** What a receive gives now, or undefined where it has to wait. */
  #take(): Received | undefined {
    const arrived = this.#arrived
    if (Arr.isArrayNonEmpty(arrived)) {
      this.#arrived = []
      this.#arrivedBytes = 0
      this.#resume()
      return Exit.succeed(arrived)
    }
    switch (this.#state._tag) {
      case "Open":
      case "WriteClosed":
        return this.#readShutdown ? done : undefined
      case "ReadClosed":
        return done
      case "Closed":
      case "Closing":
        if (this.#failure !== undefined) return Exit.fail(this.#receiveError(this.#failure))
        if (this.#state._tag === "Closing" && this.#state.peerFin) return done
        if (this.#state.reason?._tag === "Graceful") return done
        return Exit.fail(this.#receiveError())
      case "Connecting":
        return undefined
    }
  }

  #linger(millis: number): void {
    this.#arrived = []
    this.#arrivedBytes = 0
    this.#discarded = 0
    this.#wake()
    this.#socket.end()
    this.#socket.resume()
    this.#lingering = setTimeout(() => this.#expire(), millis)
  }

  /** The peer did not finish in time. What the kernel has taken it delivers still; what it has not is lost with RST. */
  #expire(): void {
    this.#dispatch({ _tag: "LingerExpired" })
    if (this.#socket.writableFinished) this.#socket.destroy()
    else if (this.#socket.writableLength === 0) this.#socket.once("finish", () => this.#socket.destroy())
    else this.#reset()
  }

  /** RST is TCP's; a Unix domain socket has none, and its peer sees the end. */
  #reset(): void {
    if (Address.isUnix(this.remote)) this.#socket.destroy()
    else this.#socket.resetAndDestroy()
  }

  #receiveError(cause?: unknown): ReceiveError {
    const reason = cause === undefined
      ? new TransportReason.ConnectionClosed({})
      : TransportReason.fromCause(cause)
    return new ReceiveError({ reason, local: this.local, remote: this.remote })
  }

  #sendError(reason?: TransportReason.TransportReason): SendError {
    reason ??= this.#failure !== undefined
      ? TransportReason.fromCause(this.#failure)
      : this.#writeShutdown
      ? new TransportReason.WriteSideClosed({})
      : new TransportReason.ConnectionClosed({})
    return new SendError({ reason, local: this.local, remote: this.remote })
  }
}
