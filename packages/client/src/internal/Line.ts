// One connection and its requests. The hot path is plain calls: a request is one ticket, a turn of requests one write.
import type { Connection } from "@framewire/core"
import { type Framed, type FramingError, Progress, type Protocol } from "@framewire/framing"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import {
  AnswersUnread,
  LineClosed,
  LineDraining,
  RequestError,
  type RequestFailure,
  RequestTimedOut
} from "../RequestError.ts"
import { beside } from "./beside.ts"
import * as InFlight from "./InFlight.ts"
import { Outgoing } from "./Outgoing.ts"
import type { Owner, Settings } from "./Owner.ts"
import { Replies } from "./Replies.ts"
import { type Holder, Ticket } from "./Ticket.ts"
import { Timeouts } from "./Timeouts.ts"

const maxTurns = 16

export class Line<Req, Res, Err, P> implements Holder<Req, Res, Err> {
  readonly connection: Connection.Connection
  readonly exchange: Protocol.Exchange<Req, Res, Err, P>
  readonly timeouts: Timeouts<Req, Res, Err>
  readonly #framed: Framed.Framed<Protocol.Reply<Res, Err, P>, Protocol.Call<Req>>
  readonly #owner: Owner<Req, Res, Err, P>
  readonly #fork: <E>(effect: Effect.Effect<unknown, E>) => Fiber.Fiber<unknown, E>
  readonly #maxInFlight: number
  readonly #outgoing: Outgoing<Protocol.Call<Req>, Ticket<Req, Res, Err>>
  readonly #replies: Replies<Req, Res, Err, P>
  /** Every request without an answer, sent or not. */
  readonly #pending: InFlight.InFlight<Ticket<Req, Res, Err>>
  /** Those for which `pending` has no place. */
  readonly #waiting = new Set<Ticket<Req, Res, Err>>()
  #ended: RequestFailure | undefined
  #isOver = false
  #isDraining = false

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
        this.#ended ??= failure ?? new LineClosed({ by: "self" })
        // Answers that have arrived are good, as far as they are whole: `shutdownRead` would make one of a part, too.
        this.#fork(Effect.andThen(this.#quiet, Effect.sync(() => this.close())))
      }
    })
    this.#maxInFlight = Math.min(settings.maxInFlight ?? 1024, exchange.maxId)
    const isInOrder = exchange.answers === "in-order"
    this.#pending = (isInOrder ? InFlight.inOrder : InFlight.byId)(exchange.maxId)
    this.timeouts = new Timeouts<Req, Res, Err>(fiber.getRef(Clock.Clock), settings, {
      isOver: () => this.#isOver,
      pending: () => this.#pending.all(),
      waiting: this.#waiting,
      blocks: () => isInOrder || this.#pending.size() >= this.#maxInFlight,
      isHeldUp: () => this.#replies.heldUpBy !== undefined,
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
    const { isGoAway } = settings
    this.#replies = new Replies<Req, Res, Err, P>({
      exchange,
      pending: this.#pending,
      timeouts: this.timeouts,
      pushed: (push) => {
        // It can say when to come back, before anybody does.
        const wait = owner.pushed(push)
        if (isGoAway?.(push) === true) this.drain()
        return wait
      },
      midway: () => this.#outgoing.flush(),
      taken: () => this.#admit()
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

  /** Until two turns of the loop have brought no answer, and not for ever. */
  get #quiet(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      for (let turns = 0, quiet = 0; turns < maxTurns && quiet < 2; turns++) {
        const before = this.#pending.size()
        yield* Effect.yieldNow
        quiet = this.#pending.size() === before ? quiet + 1 : 0
      }
    })
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
    return this.#replies.from(this.#framed).pipe(
      Effect.matchEffect({
        onSuccess: () => Effect.sync(() => this.end(new LineClosed({ by: "peer" }))),
        onFailure: (failure) => Effect.sync(() => this.end(failure))
      }),
      // A codec that throws is a defect of those who wait: nobody else would see it.
      Effect.catchDefect((defect) => Effect.sync(() => this.end(new LineClosed({ by: "self" }), Exit.die(defect)))),
      // Either way the line is of no more use, and the other end may know.
      Effect.andThen(Effect.asVoid(this.connection.close())),
      Effect.provideService(Progress.Progress, {
        id: this.connection.id,
        // A part of a frame is a word of the peer, too.
        took: (frames) => {
          if (frames === 0) this.timeouts.hear()
        },
        gave: () => undefined,
        working: 0
      })
    )
  }

  #expire(ticket: Ticket<Req, Res, Err>, millis: number): void {
    const error = ticket === this.#replies.heldUpBy
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
