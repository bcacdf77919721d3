// Answers requests as their answers are ready, each with the id of its request.
import type { TransportError } from "@framewire/core"
import { type Codec, type Framed, type FramingError, Progress, Protocol } from "@framewire/framing"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import type { HandlerError, Peer } from "../Handler.ts"
import { Answers } from "./Answers.ts"
import { type Course, inTurn } from "./inTurn.ts"
import { isDone } from "./isDone.ts"

type WriteError = TransportError.SendError | FramingError.MessageError

/** A request without a reply. */
interface Running {
  cancelled: boolean
  fiber?: Fiber.Fiber<void, WriteError>
}

export const answerById = <Req, Res, Err, P, R>(
  framed: Framed.Framed<Protocol.Call<Req>, Protocol.Reply<Res, Err, P>>,
  codec: Codec.Codec<Protocol.Call<Req>, Protocol.Reply<Res, Err, P>>,
  answer: (request: Req, peer: Peer<P>, call: Protocol.Request<Req>) => Effect.Effect<Res, Err, R>,
  concurrency: number,
  goodbye: (() => Protocol.Reply<Res, Err, P>) | undefined
): Effect.Effect<void, HandlerError | Protocol.DuplicateRequest, R> =>
  Effect.gen(function*() {
    const { connection } = framed
    const progress = Progress.of(yield* Progress.Progress, framed.connection)
    const fibers = yield* FiberSet.make<void, WriteError>()
    const context = yield* Effect.context<R>()
    const fork = Effect.runForkWith(context)
    const running = new Map<Protocol.Id, Running>()
    const room = Latch.makeUnsafe(true)
    const answers = new Answers(connection, codec, context)
    const flush = Effect.suspend(() => answers.flush())
    const write = (said: Protocol.Reply<Res, Err, P>): Effect.Effect<void, WriteError> =>
      answers.write(said) ?? Effect.void
    const send = (said: Protocol.Reply<Res, Err, P>) =>
      // A turn later, so that what is ready in one turn is one write.
      Effect.andThen(Effect.suspend(() => write(said)), Effect.andThen(Effect.yieldNow, flush))
    const peer: Peer<P> = { connection, push: (push) => send({ _tag: "Push", push }) }

    /** The one reply of a request. */
    const reply = (
      id: Protocol.Id,
      exit: Exit.Exit<Res, Err>,
      entry: Running | undefined,
      say: (said: Protocol.Reply<Res, Err, P>) => Effect.Effect<void, WriteError>
    ): Effect.Effect<void, WriteError> => {
      if (Exit.isSuccess(exit)) return say({ _tag: "Response", id, response: exit.value })
      const failed = exit.cause.reasons.find(Cause.isFailReason)
      if (failed !== undefined) return say({ _tag: "Failure", id, error: failed.error })
      if (!Cause.hasInterruptsOnly(exit.cause)) return Effect.die(Cause.squash(exit.cause))
      // Else the connection is over; where it is not, this ends it, as a defect does: nobody would be told.
      return entry?.cancelled === true ? say({ _tag: "Cancelled", id }) : Effect.interrupt
    }

    const run = (id: Protocol.Id, entry: Running, answering: Effect.Effect<Res, Err, R>) =>
      Effect.flatMap(Effect.exit(Effect.interruptible(answering)), (exit) => reply(id, exit, entry, send)).pipe(
        Effect.ensuring(Effect.sync(() => {
          running.delete(id)
          progress.working--
          room.openUnsafe()
        }))
      )

    const start = (
      call: Protocol.Request<Req>
    ): Effect.Effect<void, HandlerError | Protocol.DuplicateRequest, R> => {
      const { id, request } = call
      if (running.has(id)) return Effect.fail(new Protocol.DuplicateRequest({ id }))
      if (running.size >= concurrency) {
        room.closeUnsafe()
        // What is answered already does not wait for room.
        return Effect.andThen(Effect.andThen(flush, room.await), Effect.suspend(() => start(call)))
      }
      const answering = answer(request, peer, call)
      if (isDone(answering)) {
        // It costs no fiber.
        const said = reply(id, answering, undefined, write)
        return isDone(said) && answers.isFull ? answers.flush() : said
      }
      const entry: Running = { cancelled: false }
      running.set(id, entry)
      progress.working++
      // Uninterruptible from its first step on: one that is cancelled before it began has its reply, too.
      entry.fiber = fork(run(id, entry, answering), { uninterruptible: true })
      FiberSet.addUnsafe(fibers, entry.fiber, { propagateInterruption: true })
      return Effect.void
    }
    const cancel = (entry: Running | undefined) => {
      if (entry === undefined) return
      entry.cancelled = true
      entry.fiber?.interruptUnsafe()
    }

    const take = (call: Protocol.Call<Req>) => {
      if (call._tag === "Request") return start(call)
      cancel(running.get(call.id))
      return Effect.void
    }
    const course: Course<Protocol.Call<Req>, void, HandlerError | Protocol.DuplicateRequest, R> = {
      run: take,
      use: () => undefined,
      last: () => answers.flush()
    }
    const reading = framed.receiveEach((calls) => inTurn(calls, course)).pipe(
      // Requests in front of the end, and of a bad one, are good requests; not where the connection itself is broken.
      Effect.tapError((error) =>
        error._tag === "ReceiveError" || error._tag === "SendError"
          ? Effect.void
          : Effect.andThen(Effect.ignore(flush), FiberSet.awaitEmpty(fibers))
      ),
      Effect.andThen(FiberSet.awaitEmpty(fibers))
    )
    // What ends it may come between an answer and its flush.
    const serve = answers.saying(goodbye, Effect.raceFirst(reading, FiberSet.join(fibers)))
    yield* Effect.tapCause(serve, () => Effect.ignore(flush))
  }).pipe(Effect.scoped)
