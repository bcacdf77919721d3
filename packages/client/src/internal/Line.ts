// One connection and its requests. The hot path is plain calls: a request is one ticket, a turn of requests one write.
import type { Connection } from "@framewire/core"
import { type Framed, FramingError, type Protocol } from "@framewire/framing"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import {
  HeartbeatMissed,
  LineClosed,
  LineDraining,
  RequestCancelled,
  RequestError,
  type RequestFailure,
  RequestTimedOut,
  UnexpectedAnswer
} from "../RequestError.ts"
import { Alarm } from "./Alarm.ts"
import * as InFlight from "./InFlight.ts"
import { Outgoing } from "./Outgoing.ts"
import * as Overdue from "./Overdue.ts"
import type { Owner, Settings } from "./Owner.ts"
import { Pulse } from "./Pulse.ts"
import { type Holder, Ticket } from "./Ticket.ts"

export class Line<Req, Res, Err, P> implements Holder<Req, Res, Err> {
  readonly connection: Connection.Connection
  readonly exchange: Protocol.Exchange<Req, Res, Err, P>
  readonly alarm: Alarm
  readonly #framed: Framed.Framed<Protocol.Reply<Res, Err, P>, Protocol.Call<Req>>
  readonly #owner: Owner<Req, Res, Err, P>
  readonly #clock: Clock.Clock
  readonly #fork: <E>(effect: Effect.Effect<unknown, E>) => Fiber.Fiber<unknown, E>
  readonly #maxInFlight: number
  readonly #timeout: number
  readonly #drainTimeout: number
  readonly #pulse: Pulse | undefined

  readonly #isGoAway: ((push: P) => boolean) | undefined

  readonly #outgoing: Outgoing<Protocol.Call<Req>, Ticket<Req, Res, Err>>
  /** Every request without an answer, sent or not. */
  readonly #pending: InFlight.InFlight<Ticket<Req, Res, Err>>
  /** Those for which `pending` has no place. */
  readonly #waiting = new Set<Ticket<Req, Res, Err>>()
  #ended: RequestFailure | undefined
  #isOver = false
  #isDraining = false
  /** When the last answer came, and the last request. */
  #answered: number
  #asked = 0
  /** When it ends though requests are in flight. */
  #drainedBy = Number.POSITIVE_INFINITY

  constructor(
    framed: Framed.Framed<Protocol.Reply<Res, Err, P>, Protocol.Call<Req>>,
    exchange: Protocol.Exchange<Req, Res, Err, P>,
    settings: Settings<Req, P>,
    owner: Owner<Req, Res, Err, P>,
    fiber: Fiber.Fiber<unknown, unknown>
  ) {
    const { drainTimeout = "15 seconds", heartbeat, maxInFlight = 1024, requestTimeout = "30 seconds" } = settings
    this.connection = framed.connection
    this.exchange = exchange
    this.#framed = framed
    this.#owner = owner
    this.#clock = fiber.getRef(Clock.Clock)
    this.#fork = Effect.runForkWith(fiber.context)
    this.#outgoing = new Outgoing(framed.connection, exchange.client, this.#fork, {
      refused: (ticket, refusal) => this.#refuse(ticket, refusal),
      failed: (failure) => {
        // Answers that have arrived are good: the reader takes them, and fails the rest with this failure.
        this.#ended ??= failure ?? new LineClosed({ by: "self" })
        this.#fork(this.connection.shutdownRead)
      }
    })
    this.#maxInFlight = Math.min(maxInFlight, exchange.maxId)
    this.#timeout = Duration.toMillis(Duration.fromInputUnsafe(requestTimeout))
    this.#drainTimeout = Duration.toMillis(Duration.fromInputUnsafe(drainTimeout))
    this.alarm = new Alarm(this.#clock, (now) => Math.min(this.#expire(now), this.#beat(now), this.#endDrain(now)))
    this.#isGoAway = settings.isGoAway
    this.#pending = (exchange.answers === "in-order" ? InFlight.inOrder : InFlight.byId)(exchange.maxId)
    const now = this.#answered = this.#clock.currentTimeMillisUnsafe()
    this.#pulse = heartbeat && new Pulse(heartbeat, now, () => {
      // Where there is no room for it, there are requests that have to be answered.
      if (this.#ended === undefined && this.#pending.size() < this.#maxInFlight) this.#write(bound(heartbeat.ping))
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
    return this.#clock.currentTimeMillisUnsafe() - Math.max(this.#answered, this.#asked)
  }

  /** Whether it works, or has spoken for so long; if not, it is asked, and false until it has answered. */
  lives(millis: number): boolean {
    return this.#pulse?.lives(this.#clock.currentTimeMillisUnsafe(), millis, this.#pending.size() > 0) ?? true
  }

  submit(ticket: Ticket<Req, Res, Err>): void {
    const refusal = this.#ended ?? (this.#isDraining ? new LineDraining() : undefined)
    if (refusal !== undefined) return this.#owner.unsent(ticket, refusal)
    ticket.holder = this
    if (this.#timeout !== Number.POSITIVE_INFINITY) {
      // Those that go out together are asked at one time: to look at the clock for each is dear.
      if (!this.#outgoing.isWoken) this.#asked = this.#clock.currentTimeMillisUnsafe()
      if (Number.isNaN(ticket.at)) ticket.at = this.#asked
      this.alarm.by(ticket.at + this.#timeout)
    }
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
    this.#drainedBy = this.#clock.currentTimeMillisUnsafe() + this.#drainTimeout
    this.alarm.by(this.#drainedBy)
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
      this.#hear()
      return Effect.andThen(this.#settled(this.#settle(0, answered(error)) ? undefined : new UnexpectedAnswer()), all)
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

  /** Fails what waits too long, and gives the time of the next that will. */
  #expire(now: number): number {
    if (this.#timeout === Number.POSITIVE_INFINITY || this.#isOver) return Number.POSITIVE_INFINITY
    const reason = new RequestTimedOut({ millis: this.#timeout })
    const { expired, next, stands } = Overdue.look({
      pending: this.#pending.all(),
      waiting: this.#waiting,
      blocks: this.exchange.answers === "in-order" || this.#pending.size() >= this.#maxInFlight,
      answered: this.#answered,
      timeout: this.#timeout,
      now
    })
    if (stands) {
      this.#kill(reason)
      return Number.POSITIVE_INFINITY
    }
    for (const ticket of expired) {
      const delivery = this.#waiting.has(ticket) ? "NotSent" : "MaybeSent"
      this.giveUp(ticket)
      ticket.at = Number.NaN
      ticket.settle(Exit.fail(new RequestError({ delivery, reason })))
    }
    return next
  }

  #beat(now: number): number {
    if (this.#pulse === undefined || this.#isOver) return Number.POSITIVE_INFINITY
    const next = this.#pulse.look(now)
    if (next === undefined) this.#kill(new HeartbeatMissed({ millis: this.#pulse.silence(now) }))
    return next ?? Number.POSITIVE_INFINITY
  }

  #endDrain(now: number): number {
    if (this.#isOver || now < this.#drainedBy) return this.#isOver ? Number.POSITIVE_INFINITY : this.#drainedBy
    this.close()
    return Number.POSITIVE_INFINITY
  }

  #kill(reason: RequestFailure): void {
    this.end(reason)
    this.#fork(this.connection.abort)
  }

  #write(ticket: Ticket<Req, Res, Err>): void {
    ticket.id = this.#pending.add(ticket)
    this.#outgoing.add({ _tag: "Request", id: ticket.id, request: ticket.request }, ticket)
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

  #hear(): void {
    this.#answered = this.#clock.currentTimeMillisUnsafe()
    this.#pulse?.hear(this.#answered)
  }

  readonly #take = (replies: ReadonlyArray<Protocol.Reply<Res, Err, P>>): Effect.Effect<void, RequestFailure> => {
    const before = this.#answered
    this.#hear()
    let isAnswered = false
    for (const reply of replies) {
      const failure = this.#reply(reply)
      if (failure !== undefined) return Effect.fail(failure)
      isAnswered ||= reply._tag !== "Push"
    }
    if (!isAnswered) this.#answered = before
    return this.#settled(undefined)
  }

  #reply(reply: Protocol.Reply<Res, Err, P>): RequestFailure | undefined {
    if (reply._tag === "Push") {
      // It can say when to come back, before anybody does.
      const failure = this.#owner.pushed(reply.push)
      if (this.#isGoAway?.(reply.push) === true) this.drain()
      return failure
    }
    const exit = reply._tag === "Response"
      ? Exit.succeed(reply.response)
      : reply._tag === "Failure"
      ? Exit.fail(reply.error)
      : answered(new RequestCancelled())
    return this.#settle(reply.id, exit) ? undefined : new UnexpectedAnswer()
  }

  /** Gives a request its answer; false if there is none. */
  #settle(id: Protocol.Id, answer: Exit.Exit<Res, RequestError | Err>): boolean {
    const ticket = this.#pending.take(id)
    if (ticket === undefined) return false
    // Its id is another's from now on.
    ticket.holder = undefined
    ticket.settle(answer)
    return true
  }

  #settled(failure: RequestFailure | undefined): Effect.Effect<void, RequestFailure> {
    if (failure !== undefined) return Effect.fail(failure)
    this.#admit()
    return Effect.void
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
      Effect.andThen(Effect.forkScoped(line.alarm.run)),
      Effect.andThen(Effect.addFinalizer(() => Effect.sync(() => line.end(new LineClosed({ by: "self" }))))),
      Effect.as(line)
    )
  })
