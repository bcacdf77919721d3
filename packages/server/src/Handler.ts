/**
 * What a server does with one connection.
 *
 * A handler is a function of the connection, in its scope. It ends the connection by ending: success, failure and
 * defect close this connection gracefully, and no other.
 *
 * @since 0.1.0
 */
import type { Connection, TransportError } from "@framewire/core"
import { ByteWriter, Codec, Framed, type FramingError, type Protocol } from "@framewire/framing"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Pull from "effect/Pull"

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
 * Answers each request, one after the other, so that answers are in the order of the requests.
 *
 * Requests that arrive together are answered by one write, unless an answer has to wait: then those before it go out.
 *
 * **Limits**: answers of 64 KiB and one more wait to be sent; then requests wait for the peer to read.
 *
 * **Errors**: a request or an answer that the codec refuses ends the connection, because the answers after it would no
 * longer stand beside their requests. A failure of `answer` does, too.
 *
 * @category constructors
 * @since 0.1.0
 */
export const respond = <Req, Res, E = never, R = never>(
  protocol: Protocol.Protocol<Req, Res>,
  answer: (request: Req) => Effect.Effect<Res, E, R>
): Handler<E | HandlerError, R> =>
(connection) =>
  Effect.gen(function*() {
    const framed = Framed.make(connection, protocol.server)
    const context = yield* Effect.context()
    const answers = ByteWriter.make()
    let refused: FramingError.MessageError | undefined
    const write = (response: Res) => {
      refused = Codec.write(protocol.server, response, answers)
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
  run: (message: In, framed: Framed.Framed<In, Out>) => Effect.Effect<void, E, R>
): Handler<E | HandlerError, R> =>
(connection) =>
  Effect.gen(function*() {
    const framed = Framed.make(connection, codec)
    while (true) {
      for (const message of yield* framed.receiveAll) yield* run(message, framed)
    }
  }).pipe(Pull.catchDone(() => Effect.void))
