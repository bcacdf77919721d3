// What a server says on a line, and whom it concerns: a request that is in flight, or nobody.
import { type Framed, FramingError, type Protocol } from "@framewire/framing"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { RequestCancelled, RequestError, type RequestFailure, UnexpectedAnswer } from "../RequestError.ts"
import type { InFlight } from "./InFlight.ts"
import type { Ticket } from "./Ticket.ts"
import type { Timeouts } from "./Timeouts.ts"

/** The line. */
export interface Reading<Req, Res, Err, P> {
  readonly exchange: Protocol.Exchange<Req, Res, Err, P>
  readonly pending: InFlight<Ticket<Req, Res, Err>>
  readonly timeouts: Timeouts<Req, Res, Err>
  readonly pushed: (push: P) => Effect.Effect<void, RequestFailure> | undefined
  /** A part of a batch was taken. */
  readonly midway: () => void
  /** A batch was taken: there may be room. */
  readonly taken: () => void
}

// Of a batch, so many answers are taken before what their askers ask next goes out: the server works while the rest is taken.
const portion = 16

type Wait = Effect.Effect<void, RequestFailure> | undefined

const answered = (reason: RequestFailure) => Exit.fail(new RequestError({ delivery: "Answered", reason }))

export class Replies<Req, Res, Err, P> {
  /** Whose answers wait to be taken, before anything more is read; or pushes do. */
  heldUpBy: Ticket<Req, Res, Err> | "pushes" | undefined
  readonly #line: Reading<Req, Res, Err, P>

  constructor(line: Reading<Req, Res, Err, P>) {
    this.#line = line
  }

  /** Reads until the peer's FIN. */
  from(framed: Framed.Framed<Protocol.Reply<Res, Err, P>, never>): Effect.Effect<void, RequestFailure> {
    const { exchange, taken, timeouts } = this.#line
    // Otherwise nobody can tell whose answer it was, or whether more of them follow.
    const isOne = exchange.answers === "in-order" && exchange.isLast === undefined
    const onward = (error: Framed.FramedError | RequestFailure): Effect.Effect<void, RequestFailure> => {
      if (!isOne || !(error instanceof FramingError.MessageError)) return Effect.fail(error)
      timeouts.hear()
      timeouts.answer()
      return Effect.andThen(this.#settle(0, answered(error)) ?? Effect.sync(taken), all)
    }
    const all: Effect.Effect<void, RequestFailure> = Effect.catch(
      Effect.suspend(() => framed.receiveEach(this.#take)),
      onward
    )
    return all
  }

  readonly #take = (replies: ReadonlyArray<Protocol.Reply<Res, Err, P>>) => this.#takeFrom(replies, 0)

  #takeFrom(replies: ReadonlyArray<Protocol.Reply<Res, Err, P>>, first: number): Effect.Effect<void, RequestFailure> {
    this.heldUpBy = undefined
    this.#line.timeouts.hear()
    for (let index = first; index < replies.length; index++) {
      if (index > first && index % portion === 0) this.#line.midway()
      const wait = this.#reply(replies[index]!)
      if (wait !== undefined) return Effect.andThen(wait, Effect.suspend(() => this.#takeFrom(replies, index + 1)))
    }
    this.#line.taken()
    return Effect.void
  }

  /** What has to be waited for before the next one. */
  #reply(reply: Protocol.Reply<Res, Err, P>): Wait {
    const { exchange: { isLast }, pushed, timeouts } = this.#line
    if (reply._tag === "Push") {
      const wait = pushed(reply.push)
      if (wait !== undefined) this.heldUpBy = "pushes"
      return wait
    }
    timeouts.answer()
    if (reply._tag === "Failure") return this.#settle(reply.id, Exit.fail(reply.error))
    if (reply._tag === "Cancelled") return this.#settle(reply.id, answered(new RequestCancelled()))
    if (isLast === undefined || isLast(reply.response)) return this.#settle(reply.id, Exit.succeed(reply.response))
    return this.#part(reply.id, reply.response)
  }

  /** Gives a request one of its answers. */
  #part(id: Protocol.Id, response: Res): Wait {
    const ticket = this.#line.pending.find(id)
    if (ticket === undefined) return Effect.fail(new UnexpectedAnswer())
    this.#line.timeouts.extend(ticket)
    const wait = ticket.isGivenUp ? undefined : ticket.onPart?.(response)
    if (wait !== undefined) this.heldUpBy = ticket
    return wait
  }

  /** Gives a request its answer, the last one; fails if there is none. */
  #settle(id: Protocol.Id, answer: Exit.Exit<Res, RequestError | Err>): Wait {
    const ticket = this.#line.pending.take(id)
    if (ticket === undefined) return Effect.fail(new UnexpectedAnswer())
    // Its id is another's from now on.
    ticket.holder = undefined
    ticket.settle(answer)
    return undefined
  }
}
