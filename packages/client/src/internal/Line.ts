// One connection and its requests. The hot path is plain calls: a request is one ticket, a turn of requests one write.
import type { Connection } from "@framewire/core"
import { type Framed, FramingError, type Protocol } from "@framewire/framing"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import {
  AnswersUnread,
  LineClosed,
  LineDraining,
  RequestCancelled,
  RequestError,
  type RequestFailure,
  RequestTimedOut,
  UnexpectedAnswer
} from "../RequestError.ts"
import { beside } from "./beside.ts"
import * as InFlight from "./InFlight.ts"
import { Outgoing } from "./Outgoing.ts"
import type { Owner, Settings } from "./Owner.ts"
import { type Holder, Ticket } from "./Ticket.ts"
import { Timeouts } from "./Timeouts.ts"

export class Line<Req, Res, Err, P> implements Holder<Req, Res, Err> {
  readonly connection: Connection.Connection
  readonly exchange: Protocol.Exchange<Req, Res, Err, P>
  readonly timeouts: Timeouts<Req, Res, Err>
  readonly #framed: Framed.Framed<Protocol.Reply<Res, Err, P>, Protocol.Call<Req>>
  readonly #owner: Owner<Req, Res, Err, P>
  readonly #fork: <E>(effect: Effect.Effect<unknown, E>) => Fiber.Fiber<unknown, E>
  readonly #maxInFlight: number
  readonly #isGoAway: ((push: P) => boolean) | undefined

  readonly #outgoing: Outgoing<Protocol.Call<Req>, Ticket<Req, Res, Err>>
  /** Every request without an answer, sent or not. */
  readonly #pending: InFlight.InFlight<Ticket<Req, Res, Err>>
  /** Those for which `pending` has no place. */
  readonly #waiting = new Set<Ticket<Req, Res, Err>>()
  #ended: RequestFailure | undefined
  #isOver = false
  #isDraining = false
  /** Whose answers wait to be taken, before anything more is read. */
  #heldUpBy: Ticket<Req, Res, Err> | undefined

  constructor(
    framed: Framed.Framed<Protocol.Reply<Res, Err, P>, Protocol.Call<Req>>,
    exchange: Protocol.Exchange<Req, Res, Err, P>,
    settings: Settings<Req, P>,
    owner: Owner<Req, Res, Err, P>,
    fiber: Fiber.Fiber<unknown, unknown>
  ) {
    this.connection = framed.connection
    this.exchange = exchange
    this.#framed = framed
    this.#owner = owner
    this.#fork = Effect.runForkWith(fiber.context)
    this.#outgoing = new Outgoing(framed.connection, exchange.client, this.#fork, {
      refused: (ticket, refusal) => this.#refuse(ticket, refusal),
      failed: (failure) => {
        // Answers that have arrived are good: the reader takes them, and fails the rest with this failure.
        this.#ended ??= failure ?? new LineClosed({ by: "self" })
        this.#fork(this.connection.shutdownRead)
      }
    })
    this.#maxInFlight = Math.min(settings.maxInFlight ?? 1024, exchange.maxId)
    this.#isGoAway = settings.isGoAway
    const isInOrder = exchange.answers === "in-order"
    this.#pending = (isInOrder ? InFlight.inOrder : InFlight.byId)(exchange.maxId)
    this.timeouts = new Timeouts<Req, Res, Err>(fiber.getRef(Clock.Clock), settings, {
      isOver: () => this.#isOver,
      pending: () => this.#pending.all(),
      waiting: this.#waiting,
      blocks: () => isInOrder || this.#pending.size() >= this.#maxInFlight,
      isHeldUp: () => this.#heldUpBy !== undefined,
      expire: (ticket, millis) => this.#expire(ticket, millis),
      kill: (reason) => {
        this.end(reason)
        this.#fork(this.connection.abort)
      },
      drained: () => this.close(),
      ping: (request) => {
        // Where there is no room for it, there are requests that have to be answered.
        if (this.#ended === undefined && this.#pending.size() < this.#maxInFlight) this.#write(bound(request))
      }
    })
  }

  get ended(): RequestFailure | undefined {
    return this.#ended
  }

  /** It takes requests, and sends them at once. */
  get hasRoom(): boolean {
    return this.#ended === undefined && !this.#isDraining && this.#pending.size() < this.#maxInFlight
  }

  get load(): number {
    return this.#pending.size()
  }

  /** For how long nothing was asked or answered. */
  get idleMillis(): number {
    return this.timeouts.idleMillis
  }

  /** Whether it works, or has spoken for so long; if not, it is asked, and false until it has answered. */
  lives(millis: number): boolean {
    return this.timeouts.lives(millis, this.#pending.size() > 0)
  }

  submit(ticket: Ticket<Req, Res, Err>): void {
    const refusal = this.#ended ?? (this.#isDraining ? new LineDraining() : undefined)
    if (refusal !== undefined) return this.#owner.unsent(ticket, refusal)
    ticket.holder = this
    this.timeouts.ask(ticket, !this.#outgoing.isWoken)
    // Nobody overtakes those who wait for a place.
    if (this.#waiting.size > 0 || !this.hasRoom) this.#waiting.add(ticket)
    else this.#write(ticket)
  }

  giveUp(ticket: Ticket<Req, Res, Err>): void {
    if (this.#waiting.delete(ticket) || ticket.isGivenUp) return
    ticket.isGivenUp = true
    // Behind its request, sent or not; a codec that refuses it has nothing to say.
    if (!this.exchange.cancels || this.#ended !== undefined || !this.#pending.has(ticket.id)) return
    this.#outgoing.add({ _tag: "Cancel", id: ticket.id }, undefined)
  }

  /** No more requests: it ends when those in flight are answered. */
  drain(): void {
    if (this.#isDraining || this.#ended !== undefined) return
    this.#isDraining = true
    this.timeouts.drain()
    this.#owner.draining()
    this.#return(new LineDraining())
    this.#endDrained()
  }

  #endDrained(): void {
    if (this.#isDraining && this.#pending.size() === 0) this.close()
  }

  /** Ends it gracefully, whatever is in flight. */
  close(): void {
    this.end(new LineClosed({ by: "self" }))
    this.#fork(this.connection.close())
  }

  /** Ends every request, each with what is known of it; `died` instead for those that were sent. */
  end(reason: RequestFailure, died?: Exit.Exit<never>): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#outgoing.end()
    const ended = this.#ended ??= reason
    const tickets = this.#pending.all()
    this.#pending.clear()
    this.#owner.ended(ended)
    for (const ticket of tickets) {
      // Nobody waits for it: it is not to be sent elsewhere.
      if (ticket.isGivenUp) continue
      if (!ticket.sent) this.#owner.unsent(ticket, ended)
      else ticket.settle(died ?? Exit.fail(new RequestError({ delivery: "MaybeSent", reason: ended })))
    }
    this.#return(ended)
  }

  /** Reads until the line ends. */
  get reading(): Effect.Effect<void> {
    const read = Effect.suspend(() => this.#framed.receiveEach(this.#take))
    const onward = (error: Framed.FramedError | RequestFailure): Effect.Effect<void, RequestFailure> => {
      // By id nobody can tell whose answer it was.
      if (this.exchange.answers !== "in-order" || !(error instanceof FramingError.MessageError)) {
        return Effect.fail(error)
      }
      this.timeouts.hear()
      this.timeouts.answer()
      const settled = this.#settle(0, answered(error)) ?? Effect.sync(() => this.#admit())
      return Effect.andThen(settled, all)
    }
    const all: Effect.Effect<void, RequestFailure> = Effect.catch(read, onward)
    return all.pipe(
      Effect.matchEffect({
        onSuccess: () => Effect.sync(() => this.end(new LineClosed({ by: "peer" }))),
        onFailure: (failure) => Effect.sync(() => this.end(failure))
      }),
      // A codec that throws is a defect of those who wait: nobody else would see it.
      Effect.catchDefect((defect) => Effect.sync(() => this.end(new LineClosed({ by: "self" }), Exit.die(defect)))),
      // Either way the line is of no more use, and the other end may know.
      Effect.andThen(Effect.asVoid(this.connection.close()))
    )
  }

  #expire(ticket: Ticket<Req, Res, Err>, millis: number): void {
    const error = ticket === this.#heldUpBy
      ? new RequestError({ delivery: "Answered", reason: new AnswersUnread({ millis }) })
      : new RequestError({
        delivery: this.#waiting.has(ticket) ? "NotSent" : "MaybeSent",
        reason: new RequestTimedOut({ millis })
      })
    this.giveUp(ticket)
    ticket.settle(Exit.fail(error))
  }

  #write(ticket: Ticket<Req, Res, Err>): void {
    const id = ticket.id = this.#pending.add(ticket)
    const call = { _tag: "Request", id, request: ticket.request } as const
    const isPlain = ticket.span === undefined && this.exchange.carries.length === 0
    this.#outgoing.add(isPlain ? call : beside(call, ticket, this), ticket)
  }

  /** The codec does not take it: there is room for another. */
  #refuse(ticket: Ticket<Req, Res, Err>, refusal: Exit.Exit<never, FramingError.MessageError>): void {
    this.#pending.remove(ticket.id, ticket)
    ticket.holder = undefined
    ticket.settle(
      Exit.mapError(refusal, (reason) => new RequestError({ delivery: "NotSent", reason }))
    )
    this.#admit()
  }

  readonly #take = (replies: ReadonlyArray<Protocol.Reply<Res, Err, P>>): Effect.Effect<void, RequestFailure> => {
    this.#heldUpBy = undefined
    this.timeouts.hear()
    for (const [index, reply] of replies.entries()) {
      const wait = this.#reply(reply)
      if (wait !== undefined) return Effect.andThen(wait, Effect.suspend(() => this.#take(replies.slice(index + 1))))
    }
    this.#admit()
    return Effect.void
  }

  /** What has to be waited for before the next one. */
  #reply(reply: Protocol.Reply<Res, Err, P>): Effect.Effect<void, RequestFailure> | undefined {
    if (reply._tag === "Push") {
      // It can say when to come back, before anybody does.
      const failure = this.#owner.pushed(reply.push)
      if (this.#isGoAway?.(reply.push) === true) this.drain()
      return failure && Effect.fail(failure)
    }
    this.timeouts.answer()
    if (reply._tag === "Response") {
      const { isLast } = this.exchange
      if (isLast !== undefined && !isLast(reply.response)) return this.#part(reply.id, reply.response)
      return this.#settle(reply.id, Exit.succeed(reply.response))
    }
    return this.#settle(
      reply.id,
      reply._tag === "Failure" ? Exit.fail(reply.error) : answered(new RequestCancelled())
    )
  }

  /** Gives a request one of its answers. */
  #part(id: Protocol.Id, response: Res): Effect.Effect<void, RequestFailure> | undefined {
    const ticket = this.#pending.find(id)
    if (ticket === undefined) return Effect.fail(new UnexpectedAnswer())
    this.timeouts.extend(ticket)
    const wait = ticket.isGivenUp ? undefined : ticket.onPart?.(response)
    if (wait !== undefined) this.#heldUpBy = ticket
    return wait
  }

  /** Gives a request its answer, the last one; fails if there is none. */
  #settle(
    id: Protocol.Id,
    answer: Exit.Exit<Res, RequestError | Err>
  ): Effect.Effect<void, RequestFailure> | undefined {
    const ticket = this.#pending.take(id)
    if (ticket === undefined) return Effect.fail(new UnexpectedAnswer())
    // Its id is another's from now on.
    ticket.holder = undefined
    ticket.settle(answer)
    return undefined
  }

  #admit(): void {
    for (const ticket of this.#waiting) {
      if (!this.hasRoom) break
      this.#waiting.delete(ticket)
      this.#write(ticket)
    }
    this.#endDrained()
    this.#owner.room()
  }

  /** Gives back those who wait for a place. */
  #return(reason: RequestFailure): void {
    for (const ticket of this.#waiting) {
      this.#waiting.delete(ticket)
      this.#owner.unsent(ticket, reason)
    }
  }
}

/** A request that is about this line, and whose answer is nobody's. */
const bound = <Req, Res, Err>(request: Req): Ticket<Req, Res, Err> => {
  const ticket = new Ticket<Req, Res, Err>(request, () => undefined)
  ticket.isBound = true
  return ticket
}

const answered = (reason: RequestFailure) => Exit.fail(new RequestError({ delivery: "Answered", reason }))

/** A line that works for as long as the scope is open; the connection is the caller's. */
export const open = <Req, Res, Err, P>(
  framed: Framed.Framed<Protocol.Reply<Res, Err, P>, Protocol.Call<Req>>,
  exchange: Protocol.Exchange<Req, Res, Err, P>,
  settings: Settings<Req, P>,
  owner: Owner<Req, Res, Err, P>
): Effect.Effect<Line<Req, Res, Err, P>, never, Scope.Scope> =>
  Effect.withFiber((fiber) => {
    const line = new Line(framed, exchange, settings, owner, fiber)
    return Effect.forkScoped(line.reading).pipe(
      Effect.andThen(Effect.forkScoped(line.timeouts.alarm.run)),
      Effect.andThen(Effect.addFinalizer(() => Effect.sync(() => line.end(new LineClosed({ by: "self" }))))),
      Effect.as(line)
    )
  })
