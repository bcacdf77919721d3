// A Connection on a net.Socket. The hot paths, receive and sendAll, are plain functions under one Effect a batch.
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Net from "node:net"
import * as Address from "../../Address.ts"
import type { Connection } from "../../Connection.ts"
import * as ConnectionState from "../../ConnectionState.ts"
import { nextConnectionId } from "../../internal/connectionId.ts"
import { Inbox, type Received } from "../../internal/Inbox.ts"
import { ReceiveError, SendError } from "../../TransportError.ts"
import * as TransportReason from "../../TransportReason.ts"
import { type Settings, timerMillis } from "./settings.ts"
import { Stalls } from "./Stalls.ts"
import * as Sweeper from "./Sweeper.ts"

interface Addresses {
  readonly local: Address.Address
  readonly remote: Address.Address
}

// What close still takes from a peer that keeps sending, before it stops waiting for the peer's FIN.
const maxDiscard = 65_536

// How long shutdownRead follows a peer that keeps sending. A turn of the loop brings up to 2 MiB (libuv).
const maxDrainBytes = 1_048_576
const maxDrainTurns = 16

const done = Exit.fail(Cause.Done())

export class NodeConnection implements Connection, Sweeper.Waiting {
  readonly id = nextConnectionId()
  readonly local: Address.Address
  readonly remote: Address.Address

  readonly #socket: Net.Socket
  readonly #settings: Settings
  readonly #released = Deferred.makeUnsafe<ConnectionState.CloseReason>()
  #state: ConnectionState.ConnectionState = ConnectionState.open
  readonly #inbox = new Inbox(() => this.#resume())
  /** As many bytes as have arrived and wait pause the socket. */
  #readLimit: number
  #reading = false
  /** What send says when it comes too late, and the platform has not failed; else that we have closed. */
  #sendEnd: TransportReason.TransportReason | undefined
  #stalls: Stalls | undefined
  /** What we waited for in vain. */
  #timedOut: TransportReason.TimedOut | undefined
  /** Bytes discarded while closing; below 0, we are not. */
  #discarded = -1
  #lingering: NodeJS.Timeout | undefined

  constructor(socket: Net.Socket, addresses: Addresses, options: Settings) {
    this.#socket = socket
    this.#settings = options
    this.#readLimit = options.readBuffer
    this.local = addresses.local
    this.remote = addresses.remote

    // Nothing flows before the first receive.
    socket.pause()
    socket.on("data", this.#onData)
    socket.on("end", () => this.#onEnd())
    socket.on("finish", () => this.#dispatch({ _tag: "SelfFin" }))
    socket.on("error", (cause) => this.#onError(cause))
    socket.on("close", () => this.#onClose())
  }

  get receive(): Received {
    return this.#inbox.receive
  }

  // Functions, not methods: `Effect.flatMap(connection.receive, connection.sendAll)` has to work.
  readonly send = (bytes: Uint8Array): Effect.Effect<void, SendError> => this.sendAll([bytes])

  readonly sendAll = (chunks: ReadonlyArray<Uint8Array>): Effect.Effect<void, SendError> =>
    Effect.callback((resume) => {
      const socket = this.#socket
      if (!socket.writable) return resume(Effect.fail(this.#sendError()))
      if (chunks.length === 0) return resume(Effect.void)
      const waiting = socket.writableLength
      if (waiting > this.#settings.maxWriteBuffer) {
        const limit = this.#settings.maxWriteBuffer
        return resume(Effect.fail(this.#sendError(new TransportReason.WriteBufferExceeded({ waiting, limit }))))
      }
      // The callback, and not 'drain', fires in every case: also when the socket is destroyed while bytes wait.
      const onWritten = (error?: Error | null) => {
        this.#stalls?.wrote()
        resume(error == null ? Effect.void : Effect.fail(this.#sendError()))
      }
      const last = chunks.length - 1
      if (last > 0) socket.cork()
      for (let i = 0; i < last; i++) socket.write(chunks[i]!)
      socket.write(chunks[last]!, onWritten)
      if (last > 0) socket.uncork()
      // The kernel has taken everything already: no need to suspend until the callback's tick. A write that failed at
      // once leaves nothing waiting either, but its error.
      if (socket.writableLength === 0 && socket.errored === null) resume(Effect.void)
      else this.#watch()
    })

  get shutdownWrite(): Effect.Effect<void, SendError> {
    return Effect.callback((resume) => {
      const socket = this.#socket
      if (socket.writableFinished) return resume(Effect.void)
      if (socket.destroyed) return resume(Effect.fail(this.#sendError()))
      if (socket.writable) this.#sendEnd = new TransportReason.WriteSideClosed({})
      socket.end((error?: Error | null) => {
        if (error != null) return resume(Effect.fail(this.#sendError()))
        // This comes before the 'finish' event.
        this.#dispatch({ _tag: "SelfFin" })
        resume(Effect.void)
      })
    })
  }

  get shutdownRead(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (this.#inbox.end !== undefined) return resume(Effect.void)
      const socket = this.#socket
      // What waits in the kernel has arrived, too: read on until two turns of the loop, and so one whole poll of it,
      // bring nothing; a peer that never stops sending is stopped after some.
      this.#readLimit = this.#inbox.size + maxDrainBytes
      this.#resume()
      let turns = 0
      let quiet = 0
      let before = socket.bytesRead
      const turn = () => {
        // It has ended meanwhile, maybe by our own close, which has to read on.
        if (this.#inbox.end !== undefined) return resume(Effect.void)
        quiet = socket.bytesRead === before ? quiet + 1 : 0
        before = socket.bytesRead
        if (++turns < maxDrainTurns && quiet < 2) {
          setImmediate(turn)
          return
        }
        this.#reading = false
        socket.pause()
        this.#keepBuffered()
        this.#inbox.finish(done)
        resume(Effect.void)
      }
      setImmediate(turn)
    })
  }

  readonly close = (options?: { readonly linger?: Duration.Input }): Effect.Effect<ConnectionState.CloseReason> =>
    Effect.suspend(() => {
      if (this.#state._tag !== "Closing" && this.#state._tag !== "Closed") {
        this.#dispatch({ _tag: "Close" })
        this.#linger(options?.linger === undefined ? this.#settings.lingerMillis : timerMillis(options.linger))
      }
      return this.closed
    })

  get abort(): Effect.Effect<ConnectionState.CloseReason> {
    return Effect.suspend(() => {
      this.#dispatch({ _tag: "Abort" })
      this.#sendEnd = undefined
      this.#afterFin(() => this.#reset())
      return this.closed
    })
  }

  get state(): Effect.Effect<ConnectionState.ConnectionState> {
    return Effect.sync(() => this.#state)
  }

  get closed(): Effect.Effect<ConnectionState.CloseReason> {
    return Deferred.await(this.#released)
  }

  /** For the sweeper, while this waits for something that may never come. */
  sweep(now: number): boolean {
    const { _tag } = this.#state
    if (this.#stalls === undefined || _tag === "Closing" || _tag === "Closed") return false
    const stall = this.#stalls.check(now, this.#socket, this.#state, this.#isFull(), this.#settings)
    if (typeof stall === "boolean") return stall
    const error = stall.direction === "send" ? this.#sendError(stall.reason) : this.#receiveError(stall.reason)
    this.#timedOut = stall.reason
    this.#keepBuffered()
    this.#dispatch({ _tag: "Failed", error })
    this.#inbox.finish(Exit.fail(this.#receiveError(stall.reason)))
    this.#afterFin(() => this.#reset())
    return false
  }

  #watch(): void {
    this.#stalls ??= new Stalls()
    Sweeper.watch(this)
  }

  #isFull(): boolean {
    return this.#inbox.end === undefined && this.#inbox.size >= this.#readLimit
  }

  #dispatch(event: ConnectionState.ConnectionEvent): void {
    this.#state = ConnectionState.transition(this.#state, event)
    if (this.#state._tag === "WriteClosed") this.#watch()
  }

  readonly #onData = (chunk: Uint8Array): void => {
    if (this.#discarded >= 0) return this.#discard(chunk.length)
    this.#inbox.add(chunk)
    this.#inbox.wake()
    if (this.#isFull()) {
      this.#reading = false
      this.#socket.pause()
      this.#watch()
    }
  }

  #onEnd(): void {
    this.#dispatch({ _tag: "PeerFin" })
    this.#inbox.finish(done)
  }

  #onError(cause: unknown): void {
    this.#keepBuffered()
    const receiveError = this.#receiveError(TransportReason.fromCause(cause))
    // Node's `syscall` says which direction failed, if not more.
    const error = cause instanceof Error && "syscall" in cause && cause.syscall === "write"
      ? this.#sendError()
      : receiveError
    this.#dispatch({ _tag: "Failed", error })
    this.#inbox.finish(Exit.fail(receiveError))
  }

  #onClose(): void {
    clearTimeout(this.#lingering)
    this.#keepBuffered()
    this.#dispatch({ _tag: "Released" })
    this.#inbox.finish(Exit.fail(this.#receiveError()))
    if (this.#state._tag === "Closed") Deferred.doneUnsafe(this.#released, Exit.succeed(this.#state.reason))
  }

  /** A paused stream still holds what the platform read before: bytes go before the error or the end. */
  #keepBuffered(): void {
    if (this.#inbox.end !== undefined) return
    this.#socket.off("data", this.#onData)
    for (let chunk: Uint8Array | null; (chunk = this.#socket.read()) !== null;) this.#inbox.add(chunk)
    this.#socket.on("data", this.#onData)
  }

  #resume(): void {
    if (this.#reading || this.#inbox.end !== undefined || this.#socket.destroyed) return
    this.#reading = true
    this.#socket.resume()
  }

  #linger(millis: number): void {
    this.#discarded = 0
    this.#sendEnd = undefined
    this.#inbox.finish(Exit.fail(this.#receiveError()))
    this.#socket.end()
    this.#socket.resume()
    this.#lingering = setTimeout(() => this.#expire(), millis)
  }

  #discard(bytes: number): void {
    if (this.#discarded > maxDiscard) return
    this.#discarded += bytes
    if (this.#discarded > maxDiscard) this.#expire()
  }

  /** The peer did not finish in time. What the kernel has taken it may deliver still; what it has not is lost with RST. */
  #expire(): void {
    this.#afterFin(() => {
      this.#dispatch({ _tag: "LingerExpired" })
      if (this.#socket.writableFinished) this.#socket.destroy()
      else this.#reset()
    })
  }

  /** RST is TCP's; a Unix domain socket has none, and its peer sees the end. */
  #reset(): void {
    if (Address.isUnix(this.remote)) this.#socket.destroy()
    else this.#socket.resetAndDestroy()
  }

  /**
   * At once, but not in the one turn of the loop in which FIN is being sent: libuv refuses RST then (EINVAL), and
   * node:net forgets the descriptor.
   */
  #afterFin(free: () => void): void {
    const socket = this.#socket
    const sending = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0
    if (sending && !socket.destroyed) socket.once("finish", free)
    else free()
  }

  #receiveError(reason: TransportReason.TransportReason = new TransportReason.ConnectionClosed({})): ReceiveError {
    return new ReceiveError({ reason, local: this.local, remote: this.remote })
  }

  #sendError(reason = this.#sendFailure()): SendError {
    return new SendError({ reason, local: this.local, remote: this.remote })
  }

  #sendFailure(): TransportReason.TransportReason {
    if (this.#timedOut !== undefined) return this.#timedOut
    // The stream knows of an error before its event comes.
    const { errored } = this.#socket
    return errored === null
      ? this.#sendEnd ?? new TransportReason.ConnectionClosed({})
      : TransportReason.fromCause(errored)
  }
}
