// A Connection on a net.Socket. The hot paths, receive and sendAll, are plain functions under one Effect a batch.
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import type * as Net from "node:net"
import * as Address from "../../Address.ts"
import type { Connection } from "../../Connection.ts"
import * as ConnectionState from "../../ConnectionState.ts"
import { nextConnectionId } from "../../internal/connectionId.ts"
import { ReceiveError, SendError } from "../../TransportError.ts"
import * as TransportReason from "../../TransportReason.ts"
import { type Settings, timerMillis } from "./settings.ts"

type Received = Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, ReceiveError>

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

const secondReceiver = "receive is already running in another fiber of this connection"

export class NodeConnection implements Connection {
  readonly id = nextConnectionId()
  readonly local: Address.Address
  readonly remote: Address.Address
  readonly receive: Received

  readonly #socket: Net.Socket
  readonly #settings: Settings
  readonly #released = Deferred.makeUnsafe<ConnectionState.CloseReason>()
  #state: ConnectionState.ConnectionState = ConnectionState.open
  #arrived: Array<Uint8Array> = []
  #arrivedBytes = 0
  /** As many bytes as have arrived and wait pause the socket. */
  #readLimit: number
  /** What receive gives when nothing is left, decided once. */
  #receiveEnd: Exit.Exit<never, ReceiveError | Cause.Done> | undefined
  #reading = false
  #waiter: ((ready: Exit.Exit<void, ReceiveError | Cause.Done>) => void) | undefined
  /** What send says when it comes too late, and the platform has not failed. */
  #sendEnd: typeof TransportReason.ConnectionClosed | typeof TransportReason.WriteSideClosed =
    TransportReason.ConnectionClosed
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

    const take = Effect.sync(() => this.#take())
    // Waiting and taking are two steps: the take passes its bytes on within its own step of the fiber, so that no
    // interruption comes between and loses them.
    this.receive = Effect.flatMap(
      Effect.callback<void, ReceiveError | Cause.Done>((resume) => {
        if (this.#waiter !== undefined) return resume(Effect.die(new Error(secondReceiver)))
        const ready = this.#ready()
        if (ready !== undefined) return resume(ready)
        this.#waiter = resume
        this.#resume()
        return Effect.sync(() => {
          if (this.#waiter === resume) this.#waiter = undefined
        })
      }),
      () => take
    )
  }

  send(bytes: Uint8Array): Effect.Effect<void, SendError> {
    return this.sendAll([bytes])
  }

  sendAll(chunks: ReadonlyArray<Uint8Array>): Effect.Effect<void, SendError> {
    return Effect.callback((resume) => {
      const socket = this.#socket
      if (!socket.writable) return resume(Effect.fail(this.#sendError()))
      if (chunks.length === 0) return resume(Effect.void)
      const waiting = socket.writableLength
      if (waiting > this.#settings.maxWriteBuffer) {
        const limit = this.#settings.maxWriteBuffer
        return resume(Effect.fail(this.#sendError(new TransportReason.WriteBufferExceeded({ waiting, limit }))))
      }
      // The callback, and not 'drain', fires in every case: also when the socket is destroyed while bytes wait.
      const onWritten = (error?: Error | null) => resume(error == null ? Effect.void : Effect.fail(this.#sendError()))
      const last = chunks.length - 1
      if (last > 0) socket.cork()
      for (let i = 0; i < last; i++) socket.write(chunks[i]!)
      socket.write(chunks[last]!, onWritten)
      if (last > 0) socket.uncork()
      // The kernel has taken everything already: no need to suspend until the callback's tick. A write that failed at
      // once leaves nothing waiting either, but its error.
      if (socket.writableLength === 0 && socket.errored === null) resume(Effect.void)
    })
  }

  get shutdownWrite(): Effect.Effect<void, SendError> {
    return Effect.callback((resume) => {
      const socket = this.#socket
      if (socket.writableFinished) return resume(Effect.void)
      if (socket.destroyed) return resume(Effect.fail(this.#sendError()))
      if (socket.writable) this.#sendEnd = TransportReason.WriteSideClosed
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
      if (this.#receiveEnd !== undefined) return resume(Effect.void)
      const socket = this.#socket
      // What waits in the kernel has arrived, too: read on until two turns of the loop, and so one whole poll of it,
      // bring nothing; a peer that never stops sending is stopped after some.
      this.#readLimit = this.#arrivedBytes + maxDrainBytes
      this.#resume()
      let turns = 0
      let quiet = 0
      let before = socket.bytesRead
      const turn = () => {
        // It has ended meanwhile, maybe by our own close, which has to read on.
        if (this.#receiveEnd !== undefined) return resume(Effect.void)
        quiet = socket.bytesRead === before ? quiet + 1 : 0
        before = socket.bytesRead
        if (++turns < maxDrainTurns && quiet < 2) {
          setImmediate(turn)
          return
        }
        this.#reading = false
        socket.pause()
        this.#keepBuffered()
        this.#endReceive(done)
        resume(Effect.void)
      }
      setImmediate(turn)
    })
  }

  close(options?: { readonly linger?: Duration.Input }): Effect.Effect<ConnectionState.CloseReason> {
    return Effect.suspend(() => {
      if (this.#state._tag !== "Closing" && this.#state._tag !== "Closed") {
        this.#dispatch({ _tag: "Close" })
        this.#linger(options?.linger === undefined ? this.#settings.lingerMillis : timerMillis(options.linger))
      }
      return this.closed
    })
  }

  get abort(): Effect.Effect<ConnectionState.CloseReason> {
    return Effect.suspend(() => {
      this.#dispatch({ _tag: "Abort" })
      this.#sendEnd = TransportReason.ConnectionClosed
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

  #dispatch(event: ConnectionState.ConnectionEvent): void {
    this.#state = ConnectionState.transition(this.#state, event)
  }

  readonly #onData = (chunk: Uint8Array): void => {
    if (this.#discarded >= 0) return this.#discard(chunk.length)
    this.#arrived.push(chunk)
    this.#arrivedBytes += chunk.length
    this.#wake()
    if (this.#arrivedBytes >= this.#readLimit) {
      this.#reading = false
      this.#socket.pause()
    }
  }

  #onEnd(): void {
    this.#dispatch({ _tag: "PeerFin" })
    this.#endReceive(done)
  }

  #onError(cause: unknown): void {
    this.#keepBuffered()
    const receiveError = this.#receiveError(TransportReason.fromCause(cause))
    // Node's `syscall` says which direction failed, if not more.
    const error = cause instanceof Error && "syscall" in cause && cause.syscall === "write"
      ? this.#sendError()
      : receiveError
    this.#dispatch({ _tag: "Failed", error })
    this.#endReceive(Exit.fail(receiveError))
  }

  #onClose(): void {
    clearTimeout(this.#lingering)
    this.#keepBuffered()
    this.#dispatch({ _tag: "Released" })
    this.#endReceive(Exit.fail(this.#receiveError()))
    if (this.#state._tag === "Closed") Deferred.doneUnsafe(this.#released, Exit.succeed(this.#state.reason))
  }

  /** A paused stream still holds what the platform read before: bytes go before the error or the end. */
  #keepBuffered(): void {
    if (this.#receiveEnd !== undefined) return
    this.#socket.off("data", this.#onData)
    for (let chunk: Uint8Array | null; (chunk = this.#socket.read()) !== null;) this.#arrived.push(chunk)
    this.#socket.on("data", this.#onData)
  }

  #resume(): void {
    if (this.#reading || this.#receiveEnd !== undefined || this.#socket.destroyed) return
    this.#reading = true
    this.#socket.resume()
  }

  #endReceive(end: Exit.Exit<never, ReceiveError | Cause.Done>): void {
    this.#receiveEnd ??= end
    this.#wake()
  }

  #ready(): Exit.Exit<void, ReceiveError | Cause.Done> | undefined {
    return this.#arrived.length > 0 ? Exit.void : this.#receiveEnd
  }

  #wake(): void {
    const resume = this.#waiter
    const ready = resume === undefined ? undefined : this.#ready()
    if (resume === undefined || ready === undefined) return
    this.#waiter = undefined
    resume(ready)
  }

  #take(): Arr.NonEmptyReadonlyArray<Uint8Array> {
    const arrived = this.#arrived
    if (!Arr.isArrayNonEmpty(arrived)) throw new Error(secondReceiver)
    this.#arrived = []
    this.#arrivedBytes = 0
    this.#resume()
    return arrived
  }

  #linger(millis: number): void {
    this.#discarded = 0
    this.#sendEnd = TransportReason.ConnectionClosed
    this.#endReceive(Exit.fail(this.#receiveError()))
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

  /** The stream knows of an error before its event comes. */
  #sendFailure(): TransportReason.TransportReason {
    const { errored } = this.#socket
    return errored === null ? new this.#sendEnd({}) : TransportReason.fromCause(errored)
  }
}
