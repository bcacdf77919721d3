/**
 * One line to a server: many requests in flight, each with its own answer.
 *
 * ```text
 * request --+                                 +-- answer
 * request --+--> one write a batch ---> server +-- answer      in the order of the requests
 * request --+                                 +-- answer
 * ```
 *
 * @since 0.1.0
 */
import { type Address, type ConnectionState, Transport, type TransportError } from "@framewire/core"
import { ByteWriter, Codec, Framed, FramingError, type Protocol } from "@framewire/framing"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { LineClosed, RequestError, type RequestFailure, UnexpectedAnswer } from "./RequestError.ts"

/**
 * A client of a protocol. Any number of fibers may use it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Client<in Req, out Res> {
  readonly local: Address.Address
  readonly remote: Address.Address

  /**
   * Sends a request and suspends until its answer is there. Requests of the same turn go out in one write.
   *
   * Interruption gives up waiting; the answer, when it comes, is dropped and no other is mistaken for it.
   *
   * **Errors**: `RequestError`, which says whether the request was sent. When the line ends, every waiting request fails.
   */
  readonly request: (request: Req) => Effect.Effect<Res, RequestError>

  /** Suspends until the line has ended. */
  readonly closed: Effect.Effect<ConnectionState.CloseReason>
}

/**
 * How to connect and what to have in flight.
 *
 * @category options
 * @since 0.1.0
 */
export interface ClientOptions extends Transport.ConnectOptions {
  /** Requests without an answer at a time; more wait. Default 1024. */
  readonly maxInFlight?: number
}

interface Pending<Res> {
  readonly answer: Deferred.Deferred<Res, RequestError>
  sent: boolean
}

/**
 * Connects to a server of the protocol. The scope owns the line; when it closes, every waiting request fails.
 *
 * **Errors**: `ConnectError`, and with `tls` `HandshakeError`, as of `Transport.connect`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const connect = <Req, Res>(
  protocol: Protocol.Protocol<Req, Res>,
  address: Address.Address,
  options: ClientOptions = {}
): Effect.Effect<
  Client<Req, Res>,
  TransportError.ConnectError | TransportError.HandshakeError,
  Transport.Transport | Scope.Scope
> =>
  Effect.gen(function*() {
    const { maxInFlight = 1024, ...connectOptions } = options
    const connection = yield* Transport.connect(address, connectOptions)
    const framed = Framed.make(connection, protocol.client)
    const outgoing = ByteWriter.make()
    // Every request without an answer, in order, and those of them that are still in `outgoing`.
    const pending: Array<Pending<Res>> = []
    let unsent: Array<Pending<Res>> = []
    // Those for which `pending` has no place. A place is all that a request takes, so there is nothing to give back.
    const waiting = new Set<() => void>()
    let ended: RequestFailure | undefined
    let wake: (() => void) | undefined

    const isFull = () => ended === undefined && pending.length >= maxInFlight
    const place = Effect.callback<void>((resume) => {
      if (ended !== undefined || waiting.size === 0 && !isFull()) return resume(Effect.void)
      const enter = () => resume(Effect.void)
      waiting.add(enter)
      return Effect.sync(() => waiting.delete(enter))
    })
    const admit = () => {
      for (const enter of waiting) {
        if (isFull()) return
        waiting.delete(enter)
        enter()
      }
    }

    /** Ends every request: as `exit` says if it was sent, else as one that can be sent elsewhere. */
    const fail = (failure: RequestFailure, exit?: Exit.Exit<never>) =>
      Effect.sync(() => {
        const reason = ended ??= failure
        for (const { answer, sent } of pending.splice(0)) {
          const error = new RequestError({ delivery: sent ? "MaybeSent" : "NotSent", reason })
          Deferred.doneUnsafe(answer, sent && exit !== undefined ? exit : Exit.fail(error))
        }
        admit()
      })

    const write = Effect.suspend((): Effect.Effect<void, RequestFailure> => {
      if (ended !== undefined) return Effect.fail(ended)
      const batch = unsent
      unsent = []
      for (const request of batch) request.sent = true
      return Effect.tapError(connection.sendAll(outgoing.finish()), (error) =>
        Effect.sync(() => {
          for (const request of batch) request.sent = error.retry === "unsafe"
        }))
    })
    const writing = Effect.callback<void>((resume) => {
      // In one step with the look at `outgoing`: a request between the two would wake nobody.
      if (outgoing.length > 0) resume(Effect.void)
      else wake = () => resume(Effect.void)
    }).pipe(
      Effect.andThen(write),
      Effect.forever({ disableYield: true }),
      // Answers that have arrived are good: the reader takes them, and fails the rest with this failure.
      Effect.catch((failure) => {
        ended ??= failure
        return connection.shutdownRead
      })
    )

    /** Gives the first request its answer; false if it cannot be that one's. */
    const settle = (answer: Exit.Exit<Res, RequestError>): boolean => {
      // Nobody answers what was not sent yet.
      if (pending[0]?.sent !== true) return false
      return Deferred.doneUnsafe(pending.shift()!.answer, answer)
    }
    const settled = (expected: boolean): Effect.Effect<void, RequestFailure> => {
      if (!expected) return Effect.fail(new UnexpectedAnswer())
      admit()
      return Effect.void
    }
    const read = Effect.matchEffect(framed.receiveAll, {
      onSuccess: (answers) => settled(answers.every((answer) => settle(Exit.succeed(answer)))),
      onFailure: (error) => {
        if (error instanceof FramingError.MessageError) {
          return settled(settle(Exit.fail(new RequestError({ delivery: "Answered", reason: error }))))
        }
        return Effect.fail(Cause.isDone(error) ? new LineClosed({ by: "peer" }) : error)
      }
    })
    const reading = Effect.forever(read, { disableYield: true }).pipe(
      Effect.catch((failure) => fail(failure)),
      // A codec that throws is a defect of those who wait: nobody else would see it.
      Effect.catchDefect((defect) => fail(new LineClosed({ by: "self" }), Exit.die(defect))),
      // Either way the line is of no more use, and the other end may know.
      Effect.andThen(connection.close())
    )

    yield* Effect.forkScoped(reading)
    yield* Effect.forkScoped(writing)
    yield* Effect.addFinalizer(() => fail(new LineClosed({ by: "self" })))

    const submit = (request: Req): Effect.Effect<Res, RequestError> => {
      if (isFull()) return Effect.flatMap(place, () => submit(request))
      const reason = ended ?? Codec.write(protocol.client, request, outgoing)
      if (reason !== undefined) return Effect.fail(new RequestError({ delivery: "NotSent", reason }))
      const entry: Pending<Res> = { answer: Deferred.makeUnsafe(), sent: false }
      pending.push(entry)
      unsent.push(entry)
      // In a microtask, so that the requests of one turn become one write.
      if (wake !== undefined) {
        queueMicrotask(wake)
        wake = undefined
      }
      return Deferred.await(entry.answer)
    }

    return {
      local: connection.local,
      remote: connection.remote,
      closed: connection.closed,
      // Nobody overtakes those who wait for a place.
      request: (request) =>
        Effect.suspend(() => waiting.size > 0 ? Effect.flatMap(place, () => submit(request)) : submit(request))
    }
  })
