/**
 * One line to a server: many requests in flight, each with its own answer.
 *
 * ```text
 * request --+                                 +-- answer
 * request --+--> one write a batch ---> server +-- answer      in the order of the requests, or by id
 * request --+                                 +-- answer
 * ```
 *
 * @since 0.1.0
 */
import { type Address, type ConnectionState, Transport, type TransportError } from "@framewire/core"
import { ByteWriter, Codec, Framed, FramingError, Greeting, Protocol } from "@framewire/framing"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as InFlight from "./internal/InFlight.ts"
import {
  LineClosed,
  PushesUnread,
  RequestCancelled,
  RequestError,
  type RequestFailure,
  UnexpectedAnswer
} from "./RequestError.ts"

/**
 * A client of a protocol. Any number of fibers may use it. `Err` is the protocol's own error, `P` what its server pushes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Client<in Req, out Res, out Err = never, out P = never> {
  readonly local: Address.Address
  readonly remote: Address.Address

  /**
   * Sends a request and suspends until its answer is there. Requests of the same turn go out in one write.
   *
   * Interruption gives up waiting, and tells the server so if the protocol can; the answer, when it comes, is dropped and no
   * other is mistaken for it. Until then the request is in flight.
   *
   * **Errors**: the protocol's own; `RequestError`, which says whether the request was sent. When the line ends, every waiting request fails.
   */
  readonly request: (request: Req) => Effect.Effect<Res, RequestError | Err>

  /** What the server says that answers nothing, until the line ends. Several consumers share it. */
  readonly pushes: Stream.Stream<P>

  /** Suspends until the line has ended. */
  readonly closed: Effect.Effect<ConnectionState.CloseReason>
}

/**
 * How to connect and what to have in flight.
 *
 * @category options
 * @since 0.1.0
 */
export interface ClientOptions extends Transport.ConnectOptions, Greeting.GreetingOptions {
  /** Requests without an answer at a time; more wait. Default 1024. */
  readonly maxInFlight?: number
  /** Pushes that nobody has taken yet; one more ends the line with `PushesUnread`. Default 1024. */
  readonly maxPushes?: number
}

interface Pending<Res, Err> extends InFlight.Sendable {
  readonly answer: Deferred.Deferred<Res, RequestError | Err>
}

/**
 * Connects to a server of the protocol. The scope owns the line; when it closes, every waiting request fails.
 *
 * **Errors**: `ConnectError`, and with `tls` `HandshakeError`, as of `Transport.connect`; with a greeting its refusal, or
 * `GreetingError`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const connect: {
  <Hello, Agreed, Refusal, Req, Res, Err, P>(
    greeting: Greeting.Greeting<Hello, Agreed, Refusal, Req, Res, Err, P>,
    address: Address.Address,
    options?: ClientOptions
  ): Effect.Effect<
    Client<Req, Res, Err, P>,
    TransportError.ConnectError | TransportError.HandshakeError | Refusal | Greeting.GreetingError,
    Transport.Transport | Scope.Scope
  >
  <Req, Res, Err, P>(
    exchange: Protocol.Exchange<Req, Res, Err, P>,
    address: Address.Address,
    options?: ClientOptions
  ): Effect.Effect<
    Client<Req, Res, Err, P>,
    TransportError.ConnectError | TransportError.HandshakeError,
    Transport.Transport | Scope.Scope
  >
  <Req, Res, Err = never, P = never>(
    protocol: Protocol.Protocol<Req, Res>,
    address: Address.Address,
    options?: ClientOptions
  ): Effect.Effect<
    Client<Req, Res, Err, P>,
    TransportError.ConnectError | TransportError.HandshakeError,
    Transport.Transport | Scope.Scope
  >
} = <Hello, Agreed, Refusal, Req, Res, Err, P>(
  protocol:
    | Greeting.Greeting<Hello, Agreed, Refusal, Req, Res, Err, P>
    | Protocol.Exchange<Req, Res, Err, P>
    | Protocol.Protocol<Req, Res>,
  address: Address.Address,
  options: ClientOptions = {}
): Effect.Effect<
  Client<Req, Res, Err, P>,
  TransportError.ConnectError | TransportError.HandshakeError | Refusal | Greeting.GreetingError,
  Transport.Transport | Scope.Scope
> =>
  Effect.flatMap(Transport.connect(address, options), (connection) => {
    if ("speak" in protocol) {
      return Effect.flatMap(
        // Nobody waits for this connection any more, and the scope may be a long one.
        Effect.onError(Greeting.greet(protocol, connection, options), () => connection.close({ linger: 0 })),
        ({ exchange, framed }) => open(exchange, framed, options)
      )
    }
    const exchange = "answers" in protocol ? protocol : Protocol.toExchange<Req, Res, Err, P>(protocol)
    return open(exchange, Framed.make(connection, exchange.client, options), options)
  })

const open = <Req, Res, Err, P>(
  exchange: Protocol.Exchange<Req, Res, Err, P>,
  framed: Framed.Framed<Protocol.Reply<Res, Err, P>, Protocol.Call<Req>>,
  { maxInFlight: asked = 1024, maxPushes = 1024 }: ClientOptions
): Effect.Effect<Client<Req, Res, Err, P>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { connection } = framed
    const maxInFlight = Math.min(asked, exchange.maxId)
    const pushes = yield* Queue.make<P, Cause.Done>({ capacity: maxPushes, strategy: "dropping" })
    const outgoing = ByteWriter.make()
    // Every request without an answer, and those of them that are still in `outgoing`.
    const isInOrder = exchange.answers === "in-order"
    const pending: InFlight.InFlight<Pending<Res, Err>> = isInOrder ? InFlight.inOrder() : InFlight.byId()
    let unsent: Array<Pending<Res, Err>> = []
    let lastId = 0
    // Those for which `pending` has no place. A place is all that a request takes, so there is nothing to give back.
    const waiting = new Set<() => void>()
    let ended: RequestFailure | undefined
    let wake: (() => void) | undefined

    const isFull = () => ended === undefined && pending.size() >= maxInFlight
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
        for (const { answer, sent } of pending.takeAll()) {
          const error = new RequestError({ delivery: sent ? "MaybeSent" : "NotSent", reason })
          Deferred.doneUnsafe(answer, sent && exit !== undefined ? exit : Exit.fail(error))
        }
        Queue.endUnsafe(pushes)
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

    /** Gives a request its answer; false if nobody waits for it. */
    const settle = (id: Protocol.Id, answer: Exit.Exit<Res, RequestError | Err>): boolean => {
      const request = pending.take(id)
      return request !== undefined && Deferred.doneUnsafe(request.answer, answer)
    }
    const answered = (reason: RequestFailure) => Exit.fail(new RequestError({ delivery: "Answered", reason }))
    const take = (reply: Protocol.Reply<Res, Err, P>): RequestFailure | undefined => {
      if (reply._tag === "Push") {
        return Queue.offerUnsafe(pushes, reply.push) ? undefined : new PushesUnread({ limit: maxPushes })
      }
      const exit = reply._tag === "Response"
        ? Exit.succeed(reply.response)
        : reply._tag === "Failure"
        ? Exit.fail(reply.error)
        : answered(new RequestCancelled())
      return settle(reply.id, exit) ? undefined : new UnexpectedAnswer()
    }
    const settled = (failure: RequestFailure | undefined): Effect.Effect<void, RequestFailure> => {
      if (failure !== undefined) return Effect.fail(failure)
      admit()
      return Effect.void
    }
    const read = Effect.matchEffect(framed.receiveAll, {
      onSuccess: (replies) => {
        for (const reply of replies) {
          const failure = take(reply)
          if (failure !== undefined) return settled(failure)
        }
        return settled(undefined)
      },
      onFailure: (error) => {
        // By id nobody can tell whose answer it was.
        if (isInOrder && error instanceof FramingError.MessageError) {
          return settled(settle(0, answered(error)) ? undefined : new UnexpectedAnswer())
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

    // In a microtask, so that the requests of one turn become one write.
    const wakeWriter = () => {
      if (wake === undefined) return
      queueMicrotask(wake)
      wake = undefined
    }
    const nextId = () => {
      do lastId = lastId >= exchange.maxId ? 1 : lastId + 1
      while (pending.has(lastId))
      return lastId
    }
    const submit = (request: Req): Effect.Effect<Res, RequestError | Err> => {
      if (isFull()) return Effect.flatMap(place, () => submit(request))
      const id = nextId()
      const reason = ended ?? Codec.write(exchange.client, { _tag: "Request", id, request }, outgoing)
      if (reason !== undefined) return Effect.fail(new RequestError({ delivery: "NotSent", reason }))
      const entry: Pending<Res, Err> = { answer: Deferred.makeUnsafe(), sent: false }
      pending.add(id, entry)
      unsent.push(entry)
      wakeWriter()
      const answer = Deferred.await(entry.answer)
      if (!exchange.cancels) return answer
      return Effect.onInterrupt(answer, () =>
        Effect.sync(() => {
          // Behind its request, sent or not; a codec that refuses it has nothing to say.
          if (ended !== undefined || !pending.has(id)) return
          Codec.write(exchange.client, { _tag: "Cancel", id }, outgoing)
          wakeWriter()
        }))
    }

    return {
      local: connection.local,
      remote: connection.remote,
      closed: connection.closed,
      pushes: Stream.fromQueue(pushes),
      // Nobody overtakes those who wait for a place.
      request: (request) =>
        Effect.suspend(() => waiting.size > 0 ? Effect.flatMap(place, () => submit(request)) : submit(request))
    }
  })
