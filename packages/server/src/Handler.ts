/**
 * What a server does with one connection.
 *
 * A handler is a function of the connection, in its scope. It ends the connection by ending: success, failure and
 * defect close this connection gracefully, and no other.
 *
 * @since 0.1.0
 */
import type { Connection, TransportError } from "@framewire/core"
import { ByteWriter, Codec, Framed, type FramingError, Greeting, Progress, type Protocol } from "@framewire/framing"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Pull from "effect/Pull"
import { answerById } from "./internal/answerById.ts"

/**
 * Serves one connection. When the server drains, `receive` ends as if the peer had sent FIN; when the deadline of the
 * drain is over, the handler is interrupted.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler<E = never, R = never> = (connection: Connection.Connection) => Effect.Effect<void, E, R>

/**
 * What can fail around the functions that a handler is made of: the network, the framing, one message.
 *
 * @category models
 * @since 0.1.0
 */
export type HandlerError =
  | TransportError.ReceiveError
  | TransportError.SendError
  | FramingError.FrameError
  | FramingError.MessageError

// From here on the answers of a batch go out before more of them are made: a peer that asks and does not read gets this
// much of our memory, and one answer more.
const maxUnsent = 65_536

/**
 * Who asked.
 *
 * @category models
 * @since 0.1.0
 */
export interface Peer<in P> {
  readonly connection: Connection.Connection
  /** Sends a message that answers nothing. A `MessageError` says that nothing was written. */
  readonly push: (push: P) => Effect.Effect<void, TransportError.SendError | FramingError.MessageError>
}

/**
 * How requests are answered.
 *
 * @category options
 * @since 0.1.0
 */
export interface RespondOptions extends Greeting.GreetingOptions {
  /**
   * Requests by id that are answered at a time; while there are as many, nothing is read, neither requests nor what cancels
   * them. Default 1024, as many as our client has in flight.
   */
  readonly concurrency?: number
}

/**
 * Answers each request.
 *
 * In order: one after the other. Requests that arrive together are answered by one write, unless an answer has to wait:
 * then those before it go out. By id: each in a fiber of its own, `concurrency` at a time, unless its answer is there at
 * once; answers that are ready together are one write. A request that the client cancels is interrupted.
 *
 * **Limits**: in order, answers of 64 KiB and one more wait to be sent; then requests wait for the peer to read. By id, a
 * request is over when its answer has been sent.
 *
 * **Errors**: a request or an answer that the codec refuses ends the connection, because the answers after it would no
 * longer stand beside their requests. So does a failure of `answer` where the protocol has no error replies; in an
 * exchange it is the reply. A client that uses an id twice is `DuplicateRequest`, and one that was refused in the greeting
 * the refusal.
 *
 * @category constructors
 * @since 0.1.0
 */
export const respond: {
  <Hello, Agreed, Refusal, Req, Res, Err, P, R = never>(
    greeting: Greeting.Greeting<Hello, Agreed, Refusal, Req, Res, Err, P>,
    answer: (request: Req, peer: Peer<P>) => Effect.Effect<Res, Err, R>,
    options?: RespondOptions
  ): Handler<HandlerError | Protocol.DuplicateRequest | Refusal | Greeting.GreetingError, R>
  <Req, Res, Err, P, R = never>(
    exchange: Protocol.Exchange<Req, Res, Err, P>,
    answer: (request: Req, peer: Peer<P>) => Effect.Effect<Res, Err, R>,
    options?: RespondOptions
  ): Handler<HandlerError | Protocol.DuplicateRequest, R>
  <Req, Res, E = never, R = never>(
    protocol: Protocol.Protocol<Req, Res>,
    answer: (request: Req) => Effect.Effect<Res, E, R>,
    options?: Framed.FramedOptions
  ): Handler<E | HandlerError, R>
} = <Hello, Agreed, Refusal, Req, Res, Err, P, R>(
  protocol:
    | Greeting.Greeting<Hello, Agreed, Refusal, Req, Res, Err, P>
    | Protocol.Exchange<Req, Res, Err, P>
    | Protocol.Protocol<Req, Res>,
  answer: (request: Req, peer: Peer<P>) => Effect.Effect<Res, Err, R>,
  options: RespondOptions = {}
): Handler<Err | HandlerError | Protocol.DuplicateRequest | Refusal | Greeting.GreetingError, R> =>
(connection) => {
  if ("speak" in protocol) {
    return Progress.Progress.pipe(
      // The hello is the first frame: one clock is enough.
      Effect.map((progress) =>
        Progress.isKept(progress) ? { greetingTimeout: Duration.infinity, ...options } : options
      ),
      Effect.flatMap((options) => Greeting.welcome(protocol, connection, options)),
      Effect.flatMap(({ exchange, framed }) => converse(framed, exchange, answer, options))
    )
  }
  if ("answers" in protocol) {
    return converse(Framed.make(connection, protocol.server, options), protocol, answer, options)
  }
  const peer: Peer<P> = { connection, push: () => Effect.die(new Error("this protocol has no pushes")) }
  return inOrder(Framed.make(connection, protocol.server, options), protocol.server, (it) => answer(it, peer))
}

const converse = <Req, Res, Err, P, R>(
  framed: Framed.Framed<Protocol.Call<Req>, Protocol.Reply<Res, Err, P>>,
  exchange: Protocol.Exchange<Req, Res, Err, P>,
  answer: (request: Req, peer: Peer<P>) => Effect.Effect<Res, Err, R>,
  { concurrency = 1024 }: RespondOptions
): Effect.Effect<void, HandlerError | Protocol.DuplicateRequest, R> => {
  if (exchange.answers === "by-id") return answerById(framed, exchange.server, answer, concurrency)
  const { connection } = framed
  const peer: Peer<P> = { connection, push: (push) => framed.send({ _tag: "Push", push }) }
  return inOrder(
    framed,
    exchange.server,
    (call): Effect.Effect<Protocol.Reply<Res, Err, P>, never, R> => {
      if (call._tag === "Cancel") return Effect.die(new Error("answers in order have no cancel"))
      const { id, request } = call
      return Effect.matchEager(answer(request, peer), {
        onSuccess: (response) => ({ _tag: "Response", id, response }),
        onFailure: (error) => ({ _tag: "Failure", id, error })
      })
    }
  )
}

const inOrder = <Req, Res, E, R>(
  framed: Framed.Framed<Req, Res>,
  codec: Codec.Codec<Req, Res>,
  answer: (request: Req) => Effect.Effect<Res, E, R>
): Effect.Effect<void, E | HandlerError, R> =>
  Effect.gen(function*() {
    const { connection } = framed
    const context = yield* Effect.context()
    const answers = ByteWriter.make()
    let refused: FramingError.MessageError | undefined
    const write = (response: Res) => {
      refused = Codec.write(codec, response, answers)
    }

    const send = Effect.suspend(() => answers.length === 0 ? Effect.void : connection.sendAll(answers.finish()))
    const sendAll = Effect.whileLoop({ while: () => answers.length > 0, body: () => send, step: () => undefined })
    // What is sent while an answer waits. One send at a time: a second one could be refused, and an answer be missing.
    let behind: Fiber.Fiber<void, TransportError.SendError> | undefined
    const sendBehind = () => {
      if (answers.length === 0) return
      const exit = behind?.pollUnsafe()
      if (behind === undefined || exit !== undefined && Exit.isSuccess(exit)) {
        behind = Effect.runForkWith(context)(sendAll)
      }
    }
    const flush = Effect.suspend(() => behind === undefined ? send : Effect.andThen(Fiber.join(behind), send))

    const batch = Effect.gen(function*() {
      for (const request of yield* framed.receiveAll) {
        const answering = Effect.mapEager(answer(request), write)
        // An answer that is there already costs no turn of the runtime.
        if (!Exit.isExit(answering) || Exit.isFailure(answering)) {
          // The microtask runs when this fiber leaves the stack: when the answer has to wait.
          if (answers.length > 0) queueMicrotask(sendBehind)
          yield* answering
        }
        if (refused !== undefined) return yield* Effect.fail(refused)
        if (answers.length >= maxUnsent) yield* flush
      }
      yield* flush
    })
    // A batch waits for its bytes: no need to yield as well.
    return yield* Effect.forever(batch, { disableYield: true }).pipe(
      // Answers in front of a failure are good answers.
      Effect.tapCause((cause) => Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.ignore(flush)),
      Pull.catchDone(() => Effect.void)
    )
  })

/**
 * Runs a function for each message, one after the other; it answers, if it does, through `framed`.
 *
 * **Errors**: what the codec refuses, and a failure of `run`, ends the connection.
 *
 * @category constructors
 * @since 0.1.0
 */
export const forEach = <In, Out, E = never, R = never>(
  codec: Codec.Codec<In, Out>,
  run: (message: In, framed: Framed.Framed<In, Out>) => Effect.Effect<void, E, R>,
  options?: Framed.FramedOptions
): Handler<E | HandlerError, R> =>
(connection) =>
  Effect.gen(function*() {
    const framed = Framed.make(connection, codec, options)
    while (true) {
      for (const message of yield* framed.receiveAll) yield* run(message, framed)
    }
  }).pipe(Pull.catchDone(() => Effect.void))
