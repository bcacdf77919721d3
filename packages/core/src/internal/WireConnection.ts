// A Connection on whatever can be pulled from, written to and freed. It trusts the wire with one thing only: that `free`
// frees. A write that never settles, as on a dead socket of Effect's (effect 4.1), is ended here.
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import type { Address } from "../Address.ts"
import type { Connection, ConnectionOptions } from "../Connection.ts"
import * as ConnectionState from "../ConnectionState.ts"
import { InvalidTls } from "../HandshakeReason.ts"
import { HandshakeError, ReceiveError, SendError } from "../TransportError.ts"
import * as TransportReason from "../TransportReason.ts"
import { nextConnectionId } from "./connectionId.ts"
import { type End, Inbox } from "./Inbox.ts"
import type { LifecycleHub, Subject } from "./LifecycleHub.ts"

export interface Wire {
  readonly local: Address
  readonly remote: Address
  /** Which side can end its direction and leave the other open. */
  readonly halfClose: "both" | "self" | "none"
  /** Batches as they come; the peer's clean end is `Cause.Done`. Fails when the wire is freed. */
  readonly pull: Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, TransportReason.TransportReason>
  readonly write: (
    chunks: Arr.NonEmptyReadonlyArray<Uint8Array>
  ) => Effect.Effect<void, TransportReason.TransportReason>
  /** Ends our direction, as far as the wire can. */
  readonly finish: Effect.Effect<void>
  readonly free: (gracefully: boolean) => Effect.Effect<void>
  /** Whether the bytes that it gives may be overwritten when they have been handled. */
  readonly lends?: boolean
}

/** Where a connection comes from. */
export interface Origin {
  readonly side: Subject["side"]
  readonly draining: Effect.Effect<void>
  readonly hub: LifecycleHub | undefined
}

// What close still takes from a peer that keeps sending, before it stops waiting for the peer's end.
const maxDiscard = 65_536

// How long shutdownRead follows a peer that keeps sending.
const maxDrainBytes = 1_048_576
const maxDrainTurns = 16

const sizeOf = (chunks: ReadonlyArray<Uint8Array>): number => chunks.reduce((sum, chunk) => sum + chunk.length, 0)

export const make = (wire: Wire, options: ConnectionOptions, origin: Origin): Effect.Effect<Connection> =>
  Effect.gen(function*() {
    const { local, remote } = wire
    const subject = { id: nextConnectionId(), side: origin.side, local, remote }
    const { readBuffer = 65_536, maxWriteBuffer = 1_048_576, linger: defaultLinger = "2 seconds" } = options
    const run = Effect.runForkWith(yield* Effect.context())
    // Owns the pump and the sends, whoever asked for them.
    const scope = Scope.makeUnsafe()
    const sends = yield* Scope.provide(FiberSet.make<void, TransportReason.TransportReason>(), scope)
    const released = Deferred.makeUnsafe<ConnectionState.CloseReason>()
    const room = Latch.makeUnsafe(true)
    // The peer has ended, or sends more than close takes.
    const waited = Latch.makeUnsafe()

    let state = ConnectionState.open
    origin.hub?.moved(subject, undefined, state)
    const inbox = new Inbox({
      wanted: () => {
        room.openUnsafe()
        startPump()
      }
    }, wire.lends)
    let pumping = false
    /** As many bytes as have arrived and wait stop the pump. */
    let readLimit = Math.max(1, readBuffer)
    let pulls = 0
    const traffic = { received: 0, sent: 0 }
    let unsent = 0
    /** Why send comes too late. */
    let sendEnd: TransportReason.TransportReason | undefined
    let finishing: Fiber.Fiber<void, SendError> | undefined
    /** Bytes discarded while closing; below 0, we are not. */
    let discarded = -1
    let freeing = false

    const receiveError = (reason: TransportReason.TransportReason) => new ReceiveError({ reason, local, remote })
    const sendError = (reason = sendEnd ?? new TransportReason.ConnectionClosed({})) =>
      new SendError({ reason, local, remote })

    // `meanwhile` is before anybody hears of the end.
    const endReceive = (end: End, meanwhile?: () => void) => {
      inbox.end ??= end
      meanwhile?.()
      inbox.wake()
    }

    const dispatch = (event: ConnectionState.ConnectionEvent) => {
      const from = state
      state = ConnectionState.transition(from, event)
      origin.hub?.moved(subject, from, state)
      if (freeing || state._tag !== "Closing" || state.reason === undefined) return
      freeing = true
      run(free(state.reason._tag === "Graceful"))
    }
    const free = (gracefully: boolean) =>
      Effect.gen(function*() {
        sendEnd ??= new TransportReason.ConnectionClosed({})
        endReceive(Exit.fail(receiveError(new TransportReason.ConnectionClosed({}))))
        waited.openUnsafe()
        yield* wire.free(gracefully)
        yield* Scope.close(scope, Exit.void)
        dispatch({ _tag: "Released" })
        if (state._tag === "Closed") Deferred.doneUnsafe(released, Exit.succeed(state.reason))
      })

    const fail = (reason: TransportReason.TransportReason, error: ReceiveError | SendError) => {
      if (freeing) return
      sendEnd = reason
      endReceive(Exit.fail(receiveError(reason)), () => dispatch({ _tag: "Failed", error }))
    }

    const push = (chunks: ReadonlyArray<Uint8Array>) => {
      pulls++
      traffic.received += sizeOf(chunks)
      if (discarded < 0) {
        if (inbox.end !== undefined) return
        // A WebSocket has messages of no bytes, a stream of bytes has not.
        for (const chunk of chunks) if (chunk.length > 0) inbox.add(chunk)
        return inbox.wake()
      }
      discarded += sizeOf(chunks)
      if (discarded > maxDiscard) waited.openUnsafe()
    }
    const onPeerEnd = () =>
      endReceive(Exit.fail(Cause.Done()), () => {
        dispatch({ _tag: "PeerFin" })
        waited.openUnsafe()
        // The wire has ended our direction too, so nothing that is sent from now on would settle.
        if (wire.halfClose !== "both") startClose(defaultLinger)
      })
    const pump = Effect.suspend(() => {
      const wanted = inbox.end === undefined && inbox.size < readLimit
      if (wanted || discarded >= 0) return Effect.map(wire.pull, push)
      room.closeUnsafe()
      return room.await
    }).pipe(
      Effect.forever({ disableYield: true }),
      Effect.catchDefect((cause) => Effect.fail(new TransportReason.Unknown({ cause }))),
      Pull.catchDone(() => Effect.sync(onPeerEnd)),
      Effect.catch((reason) => Effect.sync(() => fail(reason, receiveError(reason))))
    )
    const startPump = () => {
      if (pumping) return
      pumping = true
      run(Effect.forkIn(pump, scope, { startImmediately: true }))
    }

    const finish = Effect.suspend(() => {
      finishing ??= run(Effect.andThen(
        FiberSet.awaitEmpty(sends),
        Effect.suspend(() =>
          freeing
            ? Effect.fail(sendError())
            : Effect.andThen(wire.finish, Effect.sync(() => dispatch({ _tag: "SelfFin" })))
        )
      ))
      return Fiber.join(finishing)
    })

    const startClose = (linger: Duration.Input) => {
      if (discarded >= 0) return
      discarded = 0
      sendEnd ??= new TransportReason.ConnectionClosed({})
      dispatch({ _tag: "Close" })
      room.openUnsafe()
      startPump()
      run(
        Effect.exit(finish).pipe(
          Effect.andThen(
            // Nothing shows the peer's end of such a wire but the end of the whole.
            wire.halfClose === "none" ? Effect.sync(() => dispatch({ _tag: "PeerFin" })) : waited.await
          ),
          Effect.timeoutOption(Duration.fromInputUnsafe(linger)),
          Effect.andThen(Effect.sync(() => dispatch({ _tag: "LingerExpired" })))
        )
      )
    }

    const sendAll = (chunks: ReadonlyArray<Uint8Array>): Effect.Effect<void, SendError> =>
      Effect.suspend(() => {
        if (sendEnd !== undefined) return Effect.fail(sendError())
        if (!Arr.isReadonlyArrayNonEmpty(chunks)) return Effect.void
        if (unsent > maxWriteBuffer) {
          const exceeded = new TransportReason.WriteBufferExceeded({ waiting: unsent, limit: maxWriteBuffer })
          return Effect.fail(sendError(exceeded))
        }
        const size = sizeOf(chunks)
        unsent += size
        return wire.write(chunks).pipe(
          Effect.tap(() => Effect.sync(() => traffic.sent += size)),
          Effect.tapError((reason) => Effect.sync(() => fail(reason, sendError(reason)))),
          Effect.ensuring(Effect.sync(() => unsent -= size)),
          // In a fiber of the connection's: interruption stops the waiting, not the sending.
          (write) => FiberSet.run(sends, write),
          Effect.flatMap((fiber) => {
            // Whether the wire still lives, only the pull tells.
            if (fiber.pollUnsafe() === undefined) startPump()
            return Fiber.await(fiber)
          }),
          Effect.flatMap((exit) => Exit.isSuccess(exit) ? Effect.void : Effect.fail(sendError()))
        )
      })

    return {
      id: subject.id,
      local,
      remote,
      receive: inbox,
      receiveEach: (handle) => inbox.each(handle, false),
      lendEach: (handle) => inbox.each(handle, true),
      send: (bytes) => sendAll([bytes]),
      sendAll,
      sendAllUnsafe: (chunks) => {
        // They may be borrowed.
        const fiber = run(sendAll(chunks.map((chunk) => chunk.slice())))
        return fiber.pollUnsafe() ?? Fiber.join(fiber)
      },
      shutdownWrite: Effect.suspend(() => {
        if (wire.halfClose === "none") {
          return Effect.fail(
            sendError(new TransportReason.Unknown({ cause: new Error("this socket has no half-close") }))
          )
        }
        if (finishing === undefined && sendEnd !== undefined) return Effect.fail(sendError())
        sendEnd ??= new TransportReason.WriteSideClosed({})
        return finish
      }),
      shutdownRead: Effect.gen(function*() {
        // What waits in the wire has arrived, too: pull on until two turns bring nothing, or a peer has sent enough.
        readLimit = inbox.size + maxDrainBytes
        room.openUnsafe()
        startPump()
        for (let turns = 0, quiet = 0; turns < maxDrainTurns && quiet < 2 && inbox.end === undefined; turns++) {
          const before = pulls
          yield* Effect.yieldNow
          quiet = pulls === before ? quiet + 1 : 0
        }
        endReceive(Exit.fail(Cause.Done()))
      }),
      close: (how) =>
        Effect.suspend(() => {
          endReceive(Exit.fail(receiveError(new TransportReason.ConnectionClosed({}))))
          if (!freeing) startClose(how?.linger ?? defaultLinger)
          return Deferred.await(released)
        }),
      abort: Effect.suspend(() => {
        sendEnd = new TransportReason.ConnectionClosed({})
        dispatch({ _tag: "Abort" })
        return Deferred.await(released)
      }),
      upgradeTls: () =>
        Effect.fail(
          new HandshakeError({ reason: new InvalidTls({ detail: "the transport has no TLS" }), local, remote })
        ),
      tls: Effect.succeed(undefined),
      traffic: Effect.sync(() => ({ ...traffic, waiting: freeing ? 0 : unsent })),
      draining: origin.draining,
      state: Effect.sync(() => state),
      closed: Deferred.await(released)
    }
  })
