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
import * as Semaphore from "effect/Semaphore"
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
 * **Errors**: `ConnectError`, as of `Transport.connect`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const connect = <Req, Res>(
  protocol: Protocol.Protocol<Req, Res>,
  address: Address.Address,
  options: ClientOptions = {}
): Effect.Effect<Client<Req, Res>, TransportError.ConnectError, Transport.Transport | Scope.Scope> =>
  Effect.gen(function*() {
    const { maxInFlight = 1024, ...connectOptions } = options
    const connection = yield* Transport.connect(address, connectOptions)
    const framed = Framed.make(connection, protocol.client)
    const permits = yield* Semaphore.make(maxInFlight)
    const outgoing = ByteWriter.make()
    // Every request without an answer, in order, and those of them that are still in `outgoing`.
    const pending: Array<Pending<Res>> = []
    let unsent: Array<Pending<Res>> = []
    let ended: RequestFailure | undefined
    let wake: (() => void) | undefined

    const end = (failure: RequestFailure) =>
      Effect.suspend(() => {
        ended ??= failure
        const left = pending.splice(0)
        for (const { answer, sent } of left) {
          const error = new RequestError({ delivery: sent ? "MaybeSent" : "NotSent", reason: ended })
          Deferred.doneUnsafe(answer, Exit.fail(error))
        }
        return permits.release(left.length)
      })

    const write = Effect.suspend((): Effect.Effect<void, RequestFailure> => {
      if (ended !== undefined) return Effect.fail(ended)
      if (outgoing.length === 0) {
        return Effect.callback<void>((resume) => {
          wake = () => resume(Effect.void)
        })
      }
      const batch = unsent
      unsent = []
      for (const request of batch) request.sent = true
      return Effect.tapError(connection.sendAll(outgoing.finish()), (error) =>
        Effect.sync(() => {
          for (const request of batch) request.sent = error.retry === "unsafe"
        }))
    })

    /** Gives the first waiting request its answer. */
    const settle = (answer: Exit.Exit<Res, RequestError>): boolean => {
      const first = pending.shift()
      return first !== undefined && Deferred.doneUnsafe(first.answer, answer)
    }

    const read = Effect.matchEffect(framed.receiveAll, {
      onSuccess: (answers): Effect.Effect<number, RequestFailure> => {
        const unexpected = answers.findIndex((answer) => !settle(Exit.succeed(answer)))
        return unexpected < 0
          ? permits.release(answers.length)
          : Effect.andThen(permits.release(unexpected), Effect.fail(new UnexpectedAnswer()))
      },
      onFailure: (error): Effect.Effect<number, RequestFailure> => {
        if (!(error instanceof FramingError.MessageError)) {
          return Effect.fail(Cause.isDone(error) ? new LineClosed({ by: "peer" }) : error)
        }
        return settle(Exit.fail(new RequestError({ delivery: "Answered", reason: error })))
          ? permits.release(1)
          : Effect.fail(new UnexpectedAnswer())
      }
    })

    // Either way the line is of no more use, and the other end may know.
    const untilEnd = (step: Effect.Effect<unknown, RequestFailure>) =>
      Effect.forever(step).pipe(
        Effect.catch(end),
        Effect.andThen(connection.close())
      )
    yield* Effect.forkScoped(untilEnd(read))
    yield* Effect.forkScoped(untilEnd(write))
    yield* Effect.addFinalizer(() => end(new LineClosed({ by: "self" })))

    const refuse = (reason: RequestFailure) =>
      Effect.andThen(permits.release(1), Effect.fail(new RequestError({ delivery: "NotSent", reason })))

    return {
      local: connection.local,
      remote: connection.remote,
      closed: connection.closed,
      request: (request) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(restore(permits.take(1)), () => {
            if (ended !== undefined) return refuse(ended)
            const refused = Codec.write(protocol.client, request, outgoing)
            if (refused !== undefined) return refuse(refused)
            const answer = Deferred.makeUnsafe<Res, RequestError>()
            const entry = { answer, sent: false }
            pending.push(entry)
            unsent.push(entry)
            // In a microtask, so that the requests of one turn become one write.
            if (wake !== undefined) {
              queueMicrotask(wake)
              wake = undefined
            }
            return restore(Deferred.await(answer))
          })
        )
    }
  })
