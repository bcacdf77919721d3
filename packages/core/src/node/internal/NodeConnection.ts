// A Connection on a net.Socket, and from a TLS handshake on over a TLSSocket. The hot paths, receive and sendAll, are plain
// functions under one Effect a batch.
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Net from "node:net"
import * as Address from "../../Address.ts"
import type { Connection, Each, Traffic } from "../../Connection.ts"
import * as ConnectionState from "../../ConnectionState.ts"
import { HandshakeAborted, InvalidTls, PlaintextWaiting } from "../../HandshakeReason.ts"
import { type Filler, Inbox, type Received } from "../../internal/Inbox.ts"
import type { LifecycleHub, Subject } from "../../internal/LifecycleHub.ts"
import type { Session, Upgrade } from "../../Tls.ts"
import { HandshakeError, ReceiveError, SendError } from "../../TransportError.ts"
import * as TransportReason from "../../TransportReason.ts"
import type { Ends } from "./endpoint.ts"
import { type Cancel, handshake } from "./handshake.ts"
import { hear, hearBytes, Hearer, leaveBytes } from "./hearing.ts"
import * as Lent from "./Lent.ts"
import { afterFin, Linger, reset } from "./Linger.ts"
import { type Settings, timerMillis } from "./settings.ts"
import { Stalls } from "./Stalls.ts"
import * as Sweeper from "./Sweeper.ts"
import * as untilQuiet from "./untilQuiet.ts"

/** Where connections come from: the same for all of a listener, or of a dial. */
export interface Origin {
  readonly side: Subject["side"]
  /** What was dialled: for a server's certificate to bear. */
  readonly host: string
  readonly settings: Settings
  /** Resolves when the listener drains. */
  readonly draining: Effect.Effect<void>
  readonly hub: LifecycleHub
}

/** A handshake under way. */
interface Handshaking {
  /** For those who wait for its end. */
  readonly over: Deferred.Deferred<void>
  /** The connection is over before it. */
  readonly fail: (error: HandshakeError) => void
  cancel: Cancel
}

const nothing = new Uint8Array(0)
const done = Exit.fail(Cause.Done())

const sizeOf = (chunks: ReadonlyArray<Uint8Array>): number => chunks.reduce((sum, chunk) => sum + chunk.length, 0)

export class NodeConnection extends Hearer implements Connection, Sweeper.Waiting, Filler {
  readonly id: number
  readonly local: Address.Address
  readonly remote: Address.Address

  readonly #origin: Origin
  readonly #tcp: Net.Socket
  /** The same, or TLS over it. */
  #socket: Net.Socket
  #released: Deferred.Deferred<ConnectionState.CloseReason> | undefined
  #state = ConnectionState.open
  readonly #inbox = new Inbox(this)
  /** As many bytes as have arrived and wait pause the socket. */
  #readLimit: number
  #reading = false
  /** What send says when it comes too late, and the platform has not failed; else that we have closed. */
  #sendEnd: TransportReason.TransportReason | undefined
  #stalls: Stalls | undefined
  /** Why we gave up: what was waited for in vain, or the handshake. */
  #givenUp: TransportReason.TransportReason | undefined
  #handshaking: Handshaking | undefined
  #session: Session | undefined
  /** What had gone before TLS. */
  #plaintext: Omit<Traffic, "waiting"> | undefined
  /** While closing. */
  #linger: Linger | undefined

  constructor(id: number, socket: Net.Socket, { local, remote }: Ends, origin: Origin) {
    super()
    this.id = id
    this.local = local
    this.remote = remote
    this.#origin = origin
    this.#tcp = socket
    this.#socket = socket
    const { keepAlive, readBuffer, socket: { noDelay } } = origin.settings
    this.#readLimit = readBuffer
    // node:net has told the kernel of one that dials.
    if (noDelay === true && origin.side === "accepted") socket.setNoDelay(true)
    if (keepAlive !== false) socket.setKeepAlive(true, keepAlive.idle, keepAlive.interval, keepAlive.count)
    // node:net listens for sockets that may not be half-open; with us each socket would have a list of two.
    for (const each of socket.listeners("end")) socket.off("end", each)
    this.#listen(socket)
  }

  #listen(socket: Net.Socket): void {
    // Nothing flows before the first receive.
    socket.pause()
    hear(socket, this)
  }

  get side(): Subject["side"] {
    return this.#origin.side
  }

  get receive(): Received {
    return this.#inbox
  }

  get receiveEach(): Each {
    return (handle) => this.#inbox.each(handle, false)
  }

  get lendEach(): Each {
    return (handle) => this.#inbox.each(handle, true)
  }

  // Getters of functions, not methods: `Effect.flatMap(connection.receive, connection.sendAll)` has to work.
  get send() {
    return (bytes: Uint8Array): Effect.Effect<void, SendError> => this.sendAll([bytes])
  }

  get sendAll() {
    return (chunks: ReadonlyArray<Uint8Array>): Effect.Effect<void, SendError> =>
      Effect.suspend(() => this.#send(chunks))
  }

  get sendAllUnsafe() {
    return (chunks: ReadonlyArray<Uint8Array>): Effect.Effect<void, SendError> => this.#send(chunks)
  }

  #send(chunks: ReadonlyArray<Uint8Array>): Effect.Effect<void, SendError> {
    const socket = this.#socket
    if (this.#handshaking !== undefined) return this.#afterHandshake(this.sendAll(chunks))
    if (!socket.writable) return Exit.fail(this.#sendError())
    if (chunks.length === 0) return Effect.void
    const waiting = socket.writableLength
    const limit = this.#origin.settings.maxWriteBuffer
    if (waiting > limit) return Exit.fail(this.#sendError(new TransportReason.WriteBufferExceeded({ waiting, limit })))
    if (Lent.write(socket, chunks)) return Effect.void
    this.#watch()
    return this.#sent
  }

  /** Suspends until what was written is with the kernel. */
  get #sent(): Effect.Effect<void, SendError> {
    return Effect.callback((resume) => {
      // Behind the others: its callback, and not 'drain', comes in every case, also when the socket is destroyed meanwhile.
      this.#socket.write(nothing, (error) => {
        this.#stalls?.wrote()
        resume(error == null ? Effect.void : Effect.fail(this.#sendError()))
      })
    })
  }

  get shutdownWrite(): Effect.Effect<void, SendError> {
    return this.#afterHandshake(Effect.callback((resume) => {
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
    }))
  }

  get shutdownRead(): Effect.Effect<void> {
    return this.#afterHandshake(Effect.callback((resume) => {
      if (this.#inbox.end !== undefined) return resume(Effect.void)
      const socket = this.#socket
      // What waits in the kernel has arrived, too.
      this.#readLimit = this.#inbox.size + untilQuiet.maxBytes
      this.wanted()
      untilQuiet.untilQuiet(socket, () => this.#inbox.end !== undefined, () => {
        // It has ended meanwhile, maybe by our own close, which has to read on.
        if (this.#inbox.end === undefined) {
          this.#reading = false
          socket.pause()
          this.#keepBuffered()
          this.#inbox.finish(done)
        }
        resume(Effect.void)
      })
    }))
  }

  get close() {
    return (options?: { readonly linger?: Duration.Input }): Effect.Effect<ConnectionState.CloseReason> =>
      Effect.suspend(() => {
        if (this.#handshaking !== undefined) return this.abort
        if (this.#state._tag !== "Closing" && this.#state._tag !== "Closed") {
          this.#dispatch({ _tag: "Close" })
          this.#sendEnd = undefined
          this.#inbox.finish(this.#over)
          const { lingerMillis } = this.#origin.settings
          const millis = options?.linger === undefined ? lingerMillis : timerMillis(options.linger)
          this.#linger = new Linger(this.#socket, millis, () => this.#expire())
        }
        return this.closed
      })
  }

  get abort(): Effect.Effect<ConnectionState.CloseReason> {
    return Effect.suspend(() => {
      this.#dispatch({ _tag: "Abort" })
      this.#sendEnd = undefined
      afterFin(this.#socket, () => this.#reset())
      return this.closed
    })
  }

  get upgradeTls() {
    return (tls: Upgrade): Effect.Effect<Session, HandshakeError> =>
      Effect.callback((resume) => {
        const fail = (error: HandshakeError) => resume(Effect.fail(error))
        if (this.#state._tag === "Closing" || this.#state._tag === "Closed") return fail(this.#handshakeError())
        if (this.#state._tag !== "Open" || this.#session !== undefined) {
          const detail = `the connection is ${this.#state._tag === "Open" ? "secured already" : this.#state._tag}`
          return fail(this.#handshakeError(new InvalidTls({ detail })))
        }
        const handshaking: Handshaking = { over: Deferred.makeUnsafe(), fail, cancel: () => {} }
        this.#handshaking = handshaking
        this.#dispatch({ _tag: "HandshakeStarted" })
        const tcp = this.#tcp
        this.#reading = false
        tcp.pause()
        this.#keepBuffered()
        leaveBytes(tcp)

        const onFailed = (reason: TransportReason.TransportReason) => {
          this.#giveUp(reason, this.#handshakeError(reason))
          // The peer may yet hear from TLS why; but not if it is to blame, or is slow.
          if (reason._tag === "TimedOut" || reason._tag === "PlaintextWaiting") this.#reset()
          else tcp.destroy()
        }
        const waiting = this.#inbox.takeAll()
        const received = sizeOf(waiting)
        if (received > 0 && tls.received === undefined) return onFailed(new PlaintextWaiting({ bytes: received }))
        const early = [...tls.received ?? [], ...waiting]
        this.#plaintext = { received: tcp.bytesRead - sizeOf(early), sent: tcp.bytesWritten }

        handshaking.cancel = handshake({
          socket: tcp,
          received: early,
          host: this.#origin.host,
          tls,
          onFailed,
          onSecured: (socket, session) => {
            this.#handshaking = undefined
            this.#session = session
            this.#socket = socket
            this.#listen(socket)
            this.#dispatch({ _tag: "Secured" })
            Deferred.doneUnsafe(handshaking.over, Exit.void)
            if (this.#inbox.isWaiting) this.wanted()
            resume(Effect.succeed(session))
          }
        })
        return this.abort
      })
  }

  get tls(): Effect.Effect<Session | undefined> {
    return Effect.sync(() => this.#session)
  }

  get traffic(): Effect.Effect<Traffic> {
    return Effect.sync(() => {
      const socket = this.#socket
      const { received, sent } = this.#plaintext ?? { received: 0, sent: 0 }
      if (this.#hasHandshake()) return { received, sent, waiting: 0 }
      const unsent = socket.writableLength
      return {
        received: received + socket.bytesRead,
        sent: sent + socket.bytesWritten - unsent,
        waiting: socket.destroyed ? 0 : unsent
      }
    })
  }

  get draining(): Effect.Effect<void> {
    return this.#origin.draining
  }

  get state(): Effect.Effect<ConnectionState.ConnectionState> {
    return Effect.sync(() => this.#state)
  }

  get closed(): Effect.Effect<ConnectionState.CloseReason> {
    return Effect.suspend(() =>
      this.#state._tag === "Closed"
        ? Effect.succeed(this.#state.reason)
        : Deferred.await(this.#released ??= Deferred.makeUnsafe())
    )
  }

  /** For the sweeper, while this waits for something that may never come. */
  sweep(now: number): boolean {
    const { _tag } = this.#state
    if (this.#stalls === undefined || _tag === "Closing" || _tag === "Closed") return false
    const stall = this.#stalls.check(now, this.#socket, this.#tcp, this.#state, this.#isFull(), this.#origin.settings)
    if (typeof stall === "boolean") return stall
    const error = stall.direction === "send" ? this.#sendError(stall.reason) : this.#receiveError(stall.reason)
    this.#giveUp(stall.reason, error)
    afterFin(this.#socket, () => this.#reset())
    return false
  }

  #afterHandshake<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.suspend(() =>
      this.#handshaking === undefined ? effect : Effect.andThen(Deferred.await(this.#handshaking.over), effect)
    )
  }

  #giveUp(reason: TransportReason.TransportReason, error: ConnectionState.Failure): void {
    this.#givenUp = reason
    this.#keepBuffered()
    this.#dispatch({ _tag: "Failed", error })
    this.#inbox.finish(Exit.fail(this.#receiveError(reason)))
  }

  #watch(): void {
    this.#stalls ??= new Stalls()
    Sweeper.watch(this)
  }

  #isFull(): boolean {
    return this.#inbox.end === undefined && this.#inbox.size >= this.#readLimit
  }

  #dispatch(event: ConnectionState.ConnectionEvent): void {
    const from = this.#state
    this.#state = ConnectionState.transition(from, event)
    this.#origin.hub.moved(this, from, this.#state)
    if (this.#state._tag === "WriteClosed") this.#watch()
    // A handshake ends with the connection.
    const handshaking = this.#handshaking
    if (handshaking === undefined || this.#state._tag === "Handshaking" || this.#state._tag === "Open") return
    this.#handshaking = undefined
    handshaking.cancel()
    const given = event._tag === "Failed" && event.error._tag === "HandshakeError"
    const error = given ? event.error : this.#handshakeError()
    // Fibers go on at once, and the socket is not freed yet.
    queueMicrotask(() => {
      handshaking.fail(error)
      Deferred.doneUnsafe(handshaking.over, Exit.void)
    })
  }

  /** The chunk is ours for this call. */
  onRead(chunk: Uint8Array): void {
    if (this.#linger !== undefined) this.#linger.discard(chunk.length)
    else if (!this.#inbox.lend(chunk, Lent.headroom)) this.onData(Buffer.from(chunk))
  }

  onData(chunk: Uint8Array): void {
    if (this.#linger !== undefined) return this.#linger.discard(chunk.length)
    this.#inbox.add(chunk)
    this.#inbox.wake()
    if (this.#isFull()) {
      this.#reading = false
      this.#socket.pause()
      this.#watch()
    }
  }

  // Once TLS stands over it, the socket below says nothing of its own.
  onEnd(socket: Net.Socket): void {
    if (socket !== this.#socket || this.#handshaking !== undefined) return
    this.#dispatch({ _tag: "PeerFin" })
    this.#inbox.finish(done)
  }

  onFinish(socket: Net.Socket): void {
    if (socket === this.#socket) this.#dispatch({ _tag: "SelfFin" })
  }

  onError(socket: Net.Socket, cause: unknown): void {
    if (socket !== this.#socket) return
    this.#keepBuffered()
    const receiveError = this.#receiveError(TransportReason.fromCause(cause))
    // Node's `syscall` says which direction failed, if not more.
    const error = cause instanceof Error && "syscall" in cause && cause.syscall === "write"
      ? this.#sendError()
      : receiveError
    this.#dispatch({ _tag: "Failed", error })
    this.#inbox.finish(Exit.fail(receiveError))
    // node:tls tells of an alert and leaves the socket open.
    socket.destroy()
  }

  onClose(socket: Net.Socket): void {
    if (socket !== this.#socket) return
    this.#linger?.stop()
    if (this.#handshaking !== undefined) {
      const reason = new HandshakeAborted({})
      this.#giveUp(reason, this.#handshakeError(reason))
    }
    this.#keepBuffered()
    this.#dispatch({ _tag: "Released" })
    this.#inbox.finish(this.#over)
    if (this.#state._tag !== "Closed" || this.#released === undefined) return
    Deferred.doneUnsafe(this.#released, Exit.succeed(this.#state.reason))
  }

  /** What the socket has, and counts, is of a handshake under way or one that failed: nothing of the application's. */
  #hasHandshake(): boolean {
    return this.#plaintext !== undefined && this.#socket === this.#tcp
  }

  /** A paused stream still holds what the platform read before: bytes go before the error or the end. */
  #keepBuffered(): void {
    if (this.#inbox.end !== undefined || this.#hasHandshake()) return
    leaveBytes(this.#socket)
    // With nothing there, read() would have the platform read on.
    while (this.#socket.readableLength > 0) this.#inbox.add(this.#socket.read())
    hearBytes(this.#socket)
  }

  /** For the inbox. */
  wanted(): void {
    if (this.#reading || this.#inbox.end !== undefined || this.#socket.destroyed) return
    if (this.#handshaking !== undefined) return
    this.#reading = true
    this.#socket.resume()
  }

  /** The peer did not finish in time. What the kernel has taken it may deliver still; what it has not is lost with RST. */
  #expire(): void {
    this.#dispatch({ _tag: "LingerExpired" })
    if (this.#socket.writableFinished) this.#socket.destroy()
    else this.#reset()
  }

  #reset(): void {
    reset(this.#tcp, Address.isUnix(this.remote))
  }

  #handshakeError(reason = this.#sendFailure()): HandshakeError {
    return new HandshakeError({ reason, local: this.local, remote: this.remote })
  }

  /** How receiving ends where nothing else has ended it. */
  get #over(): Effect.Effect<never, ReceiveError> {
    return Effect.suspend(() => Exit.fail(this.#receiveError()))
  }

  #receiveError(reason: TransportReason.TransportReason = new TransportReason.ConnectionClosed({})): ReceiveError {
    return new ReceiveError({ reason, local: this.local, remote: this.remote })
  }

  #sendError(reason = this.#sendFailure()): SendError {
    return new SendError({ reason, local: this.local, remote: this.remote })
  }

  #sendFailure(): TransportReason.TransportReason {
    if (this.#givenUp !== undefined) return this.#givenUp
    // The stream knows of an error before its event comes.
    const { errored } = this.#socket
    return errored === null
      ? this.#sendEnd ?? new TransportReason.ConnectionClosed({})
      : TransportReason.fromCause(errored)
  }
}
