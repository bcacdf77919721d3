// Answers requests in their order: one after the other, or several at a time, whose answers wait for those in front.
import type { TransportError } from "@framewire/core"
import { type Codec, type Framed, FramingError, Progress } from "@framewire/framing"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import type { HandlerError } from "../Handler.ts"
import { Answers } from "./Answers.ts"
import { type Course, inTurn } from "./inTurn.ts"
import { isDone } from "./isDone.ts"

type WriteError = TransportError.SendError | FramingError.MessageError

interface InOrder<in Req, out Res, out E, out R> {
  readonly answer: (request: Req) => Effect.Effect<Res, E, R>
  /** Requests that are answered at a time. */
  readonly concurrency: number
  /** The answer to what is no request; without it that ends the connection. */
  readonly refuse: ((error: FramingError.MessageError) => Res) | undefined
  /** What is said when the server drains. */
  readonly goodbye: (() => Res) | undefined
}

/** What a handler failed with, which may be of the very type that the codec fails with. */
class Asked<out E> {
  readonly error: E
  constructor(error: E) {
    this.error = error
  }
}

const asked = <A, E, R>(answering: Effect.Effect<A, E, R>): Effect.Effect<A, Asked<E>, R> =>
  isDone(answering) ? answering : Effect.mapError(answering, (error) => new Asked(error))

export const answerInOrder = <Req, Res, E, R>(
  framed: Framed.Framed<Req, Res>,
  codec: Codec.Codec<Req, Res>,
  options: InOrder<Req, Res, E, R>
): Effect.Effect<void, E | HandlerError, R> =>
  options.concurrency === 1 ? oneByOne(framed, codec, options) : severalAtATime(framed, codec, options)

/** Reads on behind each message that is no request, where there is an answer to it. */
const reading = <E, R>(
  serve: Effect.Effect<void, E | Asked<E> | HandlerError, R>,
  refuse: ((error: FramingError.MessageError) => Effect.Effect<void, E | HandlerError, R>) | undefined
): Effect.Effect<void, E | HandlerError, R> => {
  const on: Effect.Effect<void, E | Asked<E> | HandlerError, R> = refuse === undefined
    ? serve
    : Effect.catch(serve, (error) =>
      error instanceof FramingError.MessageError && error.direction === "decode"
        ? Effect.andThen(refuse(error), Effect.suspend(() => on))
        : Effect.fail(error))
  return Effect.mapError(on, (error) => error instanceof Asked ? error.error : error)
}

const oneByOne = <Req, Res, E, R>(
  framed: Framed.Framed<Req, Res>,
  codec: Codec.Codec<Req, Res>,
  { answer, goodbye, refuse }: InOrder<Req, Res, E, R>
): Effect.Effect<void, E | HandlerError, R> =>
  Effect.contextWith((context: Context.Context<R>) => {
    const answers = new Answers(framed.connection, codec, context)
    const flush = () => answers.flush()
    const run = refuse === undefined ? answer : (request: Req) => asked<Res, E, R>(answer(request))
    const course = new OneByOne<Req, Res, E | Asked<E>, R>(run, answers)
    const serve = framed.receiveEach((requests) => inTurn(requests, course))
    const say = refuse &&
      ((error: FramingError.MessageError) => Effect.andThen(course.use(refuse(error)) ?? Effect.void, flush))
    return Effect.tapCause(
      answers.saying(goodbye, reading(serve, say)),
      // Answers in front of a failure are good answers. Whoever is interrupted from outside does not come here.
      () => Effect.ignore(Effect.suspend(flush))
    )
  })

/** No closures: with many connections each of them is one more place in memory to go to for every frame. */
class OneByOne<in Req, in out Res, E, R> implements Course<Req, Res, E | HandlerError, R> {
  readonly run: (request: Req) => Effect.Effect<Res, E | HandlerError, R>
  readonly #answers: Answers<Res>

  constructor(run: (request: Req) => Effect.Effect<Res, E, R>, answers: Answers<Res>) {
    this.run = run
    this.#answers = answers
  }

  use(response: Res): Effect.Effect<void, HandlerError> | undefined {
    const refused = this.#answers.write(response)
    if (refused !== undefined) return refused
    return this.#answers.isFull ? this.#answers.flush() : undefined
  }

  pause(): void {
    this.#answers.flushSoon()
  }

  last(): Effect.Effect<void, HandlerError> {
    return this.#answers.flush()
  }
}

/** What it throws is the defect of its own place, and not of those in front of it. */
const orDefect = <A, E, R>(begin: () => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  try {
    return begin()
  } catch (defect) {
    return Exit.die(defect)
  }
}

/** The place of a request among the answers. */
interface Place<out Res, out E> {
  exit: Exit.Exit<Res, E> | undefined
}

const severalAtATime = <Req, Res, E, R>(
  framed: Framed.Framed<Req, Res>,
  codec: Codec.Codec<Req, Res>,
  { answer, concurrency, goodbye, refuse }: InOrder<Req, Res, E, R>
): Effect.Effect<void, E | HandlerError, R> =>
  Effect.gen(function*() {
    const progress = Progress.of(yield* Progress.Progress, framed.connection)
    const fibers = yield* FiberSet.make<void, E | WriteError>()
    const context = yield* Effect.context<R>()
    const fork = Effect.runForkWith(context)
    const answers = new Answers(framed.connection, codec, context)
    const flush = Effect.suspend(() => answers.flush())
    /** Of the requests whose answers are not written yet, the oldest first. */
    const places: Array<Place<Res, E>> = []
    const room = Latch.makeUnsafe(true)

    /** Writes the answers that wait for nobody. */
    const settle = (): Effect.Effect<void, E | WriteError> => {
      while (places[0]?.exit !== undefined) {
        const { exit } = places[0]
        if (Exit.isFailure(exit)) return Exit.failCause(exit.cause)
        places.shift()
        const refused = answers.write(exit.value)
        if (refused !== undefined) return refused
      }
      room.openUnsafe()
      return Effect.void
    }

    const run = (place: Place<Res, E>, answering: Effect.Effect<Res, E, R>) =>
      Effect.flatMap(Effect.exit(answering), (exit) => {
        place.exit = exit
        // A turn later, so that what is ready in one turn is one write.
        return Effect.andThen(settle(), Effect.andThen(Effect.yieldNow, flush))
      }).pipe(Effect.ensuring(Effect.sync(() => progress.working--)))

    const start = (begin: () => Effect.Effect<Res, E, R>): Effect.Effect<void, E | WriteError, R> => {
      if (places.length >= concurrency) {
        room.closeUnsafe()
        // What is answered already does not wait for room.
        return Effect.andThen(Effect.andThen(flush, room.await), Effect.suspend(() => start(begin)))
      }
      const answering = orDefect(begin)
      if (isDone(answering)) {
        places.push({ exit: answering })
        const settled = settle()
        return isDone(settled) && answers.isFull ? answers.flush() : settled
      }
      const place: Place<Res, E> = { exit: undefined }
      places.push(place)
      progress.working++
      FiberSet.addUnsafe(fibers, fork(run(place, answering)), { propagateInterruption: true })
      return Effect.void
    }

    const course: Course<Req, void, Asked<E | WriteError>, R> = {
      run: (request) => asked(start(() => answer(request))),
      use: () => undefined,
      last: () => asked(answers.flush())
    }
    const serve = framed.receiveEach((requests) => inTurn(requests, course))
    const say = refuse &&
      ((error: FramingError.MessageError) => Effect.andThen(start(() => Effect.succeed(refuse(error))), flush))
    const read = reading(serve, say).pipe(
      // Requests in front of the end, and of a bad one, are good requests; not where the connection itself is broken.
      Effect.tapError((error) =>
        error instanceof FramingError.MessageError || error instanceof FramingError.FrameError
          ? Effect.andThen(Effect.ignore(flush), FiberSet.awaitEmpty(fibers))
          : Effect.void
      ),
      Effect.andThen(FiberSet.awaitEmpty(fibers))
    )
    yield* Effect.tapCause(
      answers.saying(goodbye, Effect.raceFirst(read, FiberSet.join(fibers))),
      () => Effect.ignore(flush)
    )
  }).pipe(Effect.scoped)
