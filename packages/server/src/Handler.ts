/**
 * What a server does with one connection.
 *
 * A handler is a function of the connection, in its scope. It ends the connection by ending: success, failure and
 * defect close this connection gracefully, and no other.
 *
 * @since 0.1.0
 */
import { type Connection, InvalidOption, type TransportError } from "@framewire/core"
import { type Codec, Framed, type FramingError, Greeting, Progress, type Protocol } from "@framewire/framing"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { answerById } from "./internal/answerById.ts"
import { answerInOrder } from "./internal/answerInOrder.ts"
import { type Course, inTurn } from "./internal/inTurn.ts"

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
 * What a client is told when the server drains, so that it sends no more, reads its answers and leaves: as GOAWAY of HTTP/2,
 * 421 of SMTP.
 *
 * @category options
 * @since 0.1.0
 */
export interface GoodbyeOptions<out Out> {
  /**
   * Sent once, as soon as the connection knows that the server drains, between two messages: answers that are still being
   * made follow it. `ServerOptions.goodbye` says for how long its requests are read after that. Default: nothing is said.
   *
   * **Errors**: one that the codec refuses ends the connection with its `MessageError`.
   */
  readonly goodbye?: () => Out
}

/**
 * How requests are answered; `Refused` is what is said to one that cannot be read.
 *
 * @category options
 * @since 0.1.0
 */
export interface AnswerOptions<out Refused> {
  /**
   * Requests that are answered at a time; while there are as many, nothing is read, neither requests nor what cancels them.
   * Default: by id 1024, as many as our client has in flight; in order 1. In order an answer waits for those in front of it.
   */
  readonly concurrency?: number
  /**
   * In order: the answer to a message that the codec refuses, in its place; the connection goes on behind it. By id nobody
   * knows whose it would be. Default: it ends the connection.
   */
  readonly refuse?: (error: FramingError.MessageError) => Refused
}

/**
 * How requests of an exchange are answered. What says goodbye is a push, what is said to a bad request an error reply.
 *
 * @category options
 * @since 0.1.0
 */
export interface RespondOptions<out P = never, out Err = never>
  extends Greeting.GreetingOptions, GoodbyeOptions<P>, AnswerOptions<Err>
{}

/** What nobody sees: the answer of a plain protocol has one argument. */
const noCall: Protocol.Request<never> = {
  _tag: "Request",
  id: 0,
  get request(): never {
    throw new Error("this protocol has nothing beside its requests")
  }
}

/**
 * Answers each request.
 *
 * In order: one after the other, or `concurrency` at a time. Requests that arrive together are answered by one write,
 * unless an answer has to wait: then those before it go out. By id: each in a fiber of its own, `concurrency` at a time,
 * unless its answer is there at once; answers that are ready together are one write. A request that the client cancels
 * is interrupted. `call` has what came beside the request (`carries`): the time for which the client waits, and its span.
 *
 * An answer that is there at once (`Effect.succeed`, an `Exit`) costs no fiber. Of a generator let `Effect.fn` be made
 * once; with `Effect.gen` in the handler a generator function is made for each request, which costs more than all else.
 *
 * **Limits**: in order, answers of 64 KiB and 16 more wait to be sent, and with `concurrency` as many that wait for the one
 * in front; then requests wait for the peer to read. By id, a request is over when its answer has been sent.
 *
 * **Errors**: an answer that the codec refuses ends the connection, because the answers after it would no longer stand
 * beside their requests; so does a request that it refuses, unless `refuse` has an answer to it, and a failure of `answer`
 * where the protocol has no error replies; in an exchange it is the reply. A client that uses an id twice is
 * `DuplicateRequest`, and one that was refused in the greeting the refusal.
 *
 * @category constructors
 * @since 0.1.0
 */
export function respond<Hello, Agreed, Refusal, Req, Res, Err, P, R = never>(
  greeting: Greeting.Greeting<Hello, Agreed, Refusal, Req, Res, Err, P>,
  answer: (request: Req, peer: Peer<P>, call: Protocol.Request<Req>) => Effect.Effect<Res, Err, R>,
  options?: RespondOptions<NoInfer<P>, NoInfer<Err>>
): Handler<HandlerError | Protocol.DuplicateRequest | Refusal | Greeting.GreetingError, R>
/**
 * Answers each request of an exchange.
 *
 * @category constructors
 * @since 0.1.0
 */
export function respond<Req, Res, Err, P, R = never>(
  exchange: Protocol.Exchange<Req, Res, Err, P>,
  answer: (request: Req, peer: Peer<P>, call: Protocol.Request<Req>) => Effect.Effect<Res, Err, R>,
  options?: RespondOptions<NoInfer<P>, NoInfer<Err>>
): Handler<HandlerError | Protocol.DuplicateRequest, R>
/**
 * Answers each request of a protocol that has nothing but requests and answers: what says goodbye is of the answers' type.
 *
 * @category constructors
 * @since 0.1.0
 */
export function respond<Req, Res, E = never, R = never>(
  protocol: Protocol.Protocol<Req, Res>,
  answer: (request: Req) => Effect.Effect<Res, E, R>,
  options?: Framed.FramedOptions & GoodbyeOptions<NoInfer<Res>> & AnswerOptions<NoInfer<Res>>
): Handler<E | HandlerError, R>
export function respond<Hello, Agreed, Refusal, Req, Res, Err, P, R>(
  protocol:
    | Greeting.Greeting<Hello, Agreed, Refusal, Req, Res, Err, P>
    | Protocol.Exchange<Req, Res, Err, P>
    | Protocol.Protocol<Req, Res>,
  answer: (request: Req, peer: Peer<P>, call: Protocol.Request<Req>) => Effect.Effect<Res, Err, R>,
  options: RespondOptions<P, Err> & GoodbyeOptions<Res> & AnswerOptions<Res> = {}
): Handler<Err | HandlerError | Protocol.DuplicateRequest | Refusal | Greeting.GreetingError, R> {
  InvalidOption.check(options, { concurrency: InvalidOption.whole(1) })
  return (connection) => {
    if ("speak" in protocol) {
      return Progress.Progress.pipe(
        // The hello is the first frame: one clock is enough.
        Effect.map((progress) =>
          Progress.isKept(Progress.of(progress, connection))
            ? { greetingTimeout: Duration.infinity, ...options }
            : options
        ),
        Effect.flatMap((options) => Greeting.welcome(protocol, connection, options)),
        Effect.flatMap(({ exchange, framed }) => converse(framed, exchange, answer, options))
      )
    }
    if ("answers" in protocol) {
      return converse(Framed.make(connection, protocol.server, options), protocol, answer, options)
    }
    const peer: Peer<P> = { connection, push: () => Effect.die(new Error("this protocol has no pushes")) }
    const framed = Framed.make(connection, protocol.server, options)
    const { concurrency = 1, goodbye, refuse } = options
    return answerInOrder(framed, protocol.server, {
      answer: (it) => answer(it, peer, noCall),
      concurrency,
      goodbye,
      refuse
    })
  }
}

const converse = <Req, Res, Err, P, R>(
  framed: Framed.Framed<Protocol.Call<Req>, Protocol.Reply<Res, Err, P>>,
  exchange: Protocol.Exchange<Req, Res, Err, P>,
  answer: (request: Req, peer: Peer<P>, call: Protocol.Request<Req>) => Effect.Effect<Res, Err, R>,
  { concurrency, goodbye, refuse }: RespondOptions<P, Err>
): Effect.Effect<void, HandlerError | Protocol.DuplicateRequest, R> => {
  const say = goodbye === undefined ? undefined : () => ({ _tag: "Push", push: goodbye() }) as const
  if (exchange.answers === "by-id") {
    return answerById(framed, exchange.server, answer, concurrency ?? 1024, say)
  }
  const { connection } = framed
  const peer: Peer<P> = { connection, push: (push) => framed.send({ _tag: "Push", push }) }
  return answerInOrder(framed, exchange.server, {
    answer: (call): Effect.Effect<Protocol.Reply<Res, Err, P>, never, R> => {
      if (call._tag === "Cancel") return Effect.die(new Error("answers in order have no cancel"))
      const { id, request } = call
      return Effect.matchEager(answer(request, peer, call), {
        onSuccess: (response) => ({ _tag: "Response", id, response }),
        onFailure: (error) => ({ _tag: "Failure", id, error })
      })
    },
    concurrency: concurrency ?? 1,
    goodbye: say,
    // Their ids are places, and this is the place.
    refuse: refuse && ((error) => ({ _tag: "Failure", id: 0, error: refuse(error) } as const))
  })
}

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
(connection) => {
  const framed = Framed.make(connection, codec, options)
  const course: Course<In, void, E, R> = {
    run: (message) => run(message, framed),
    use: () => undefined,
    last: () => Effect.void
  }
  return framed.receiveEach((messages) => inTurn(messages, course))
}
