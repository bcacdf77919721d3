// For how long a line waits: for answers, for a word of its peer, for the end of its drain. One alarm for all of it.
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import { HeartbeatMissed, type RequestFailure, RequestTimedOut } from "../RequestError.ts"
import { Alarm } from "./Alarm.ts"
import * as Overdue from "./Overdue.ts"
import type { Settings } from "./Owner.ts"
import { Pulse } from "./Pulse.ts"
import type { Ticket } from "./Ticket.ts"

/** The line. */
export interface Timed<Req, Res, Err> {
  readonly isOver: () => boolean
  /** Sent or about to be. */
  readonly pending: () => ReadonlyArray<Ticket<Req, Res, Err>>
  /** For a place. */
  readonly waiting: ReadonlySet<Ticket<Req, Res, Err>>
  /** Whether the answer of one that is pending holds up others. */
  readonly blocks: () => boolean
  /** Whether nothing is read, for as long as somebody does not take what has come. */
  readonly isHeldUp: () => boolean
  readonly expire: (ticket: Ticket<Req, Res, Err>, millis: number) => void
  readonly kill: (reason: RequestFailure) => void
  readonly drained: () => void
  readonly ping: (request: Req) => void
}

export class Timeouts<Req, Res, Err> {
  readonly alarm: Alarm
  readonly #clock: Clock.Clock
  readonly #line: Timed<Req, Res, Err>
  readonly #request: number
  readonly #drain: number
  readonly #pulse: Pulse | undefined
  /** When something came last, an answer, and when something was asked. */
  #heard: number
  #answered: number
  #asked = 0
  /** When it ends though requests are in flight. */
  #drainedBy = Number.POSITIVE_INFINITY

  constructor(
    clock: Clock.Clock,
    { drainTimeout = "15 seconds", heartbeat, requestTimeout = "30 seconds" }: Settings<Req, never>,
    line: Timed<Req, Res, Err>
  ) {
    this.#clock = clock
    this.#line = line
    this.#request = Duration.toMillis(Duration.fromInputUnsafe(requestTimeout))
    this.#drain = Duration.toMillis(Duration.fromInputUnsafe(drainTimeout))
    const now = this.#heard = this.#answered = clock.currentTimeMillisUnsafe()
    this.#pulse = heartbeat && new Pulse(heartbeat, now, () => line.ping(heartbeat.ping))
    this.alarm = new Alarm(
      clock,
      (now) =>
        line.isOver()
          ? Number.POSITIVE_INFINITY
          : Math.min(this.#expire(now), this.#beat(now), this.#endDrain(now))
    )
  }

  /** For how long nothing was asked or answered. */
  get idleMillis(): number {
    return this.#clock.currentTimeMillisUnsafe() - Math.max(this.#answered, this.#asked)
  }

  /** Whether the peer works, or has spoken for so long; if not, it is asked, and false until it has answered. */
  lives(millis: number, isBusy: boolean): boolean {
    return this.#pulse?.lives(this.#clock.currentTimeMillisUnsafe(), millis, isBusy) ?? true
  }

  /** Its time begins, unless it has. Those that go out together are asked at one time: to look at the clock for each is dear. */
  ask(ticket: Ticket<Req, Res, Err>, isFirst: boolean): void {
    if (this.#request === Number.POSITIVE_INFINITY) return
    if (isFirst) this.#asked = this.#clock.currentTimeMillisUnsafe()
    if (Number.isNaN(ticket.at)) ticket.at = this.#asked
    this.alarm.by(ticket.at + this.#request)
  }

  /** How much of its time is left, where it has one. */
  left({ at }: Ticket<Req, Res, Err>): number | undefined {
    const left = at + this.#request - this.#clock.currentTimeMillisUnsafe()
    return Number.isFinite(left) ? Math.max(0, left) : undefined
  }

  /** Something came. */
  hear(): void {
    this.#heard = this.#clock.currentTimeMillisUnsafe()
    this.#pulse?.hear(this.#heard)
  }

  /** What came is an answer. */
  answer(): void {
    this.#answered = this.#heard
  }

  /** Of this one, and more are to follow, each of which has the whole time. */
  extend(ticket: Ticket<Req, Res, Err>): void {
    if (!Number.isNaN(ticket.at)) ticket.at = this.#heard
  }

  drain(): void {
    this.#drainedBy = this.#clock.currentTimeMillisUnsafe() + this.#drain
    this.alarm.by(this.#drainedBy)
  }

  /** Fails what waits too long, and gives the time of the next that will. */
  #expire(now: number): number {
    if (this.#request === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
    const { expired, next, stands } = Overdue.look({
      pending: this.#line.pending(),
      waiting: this.#line.waiting,
      blocks: this.#line.blocks(),
      answered: this.#answered,
      timeout: this.#request,
      now
    })
    // What is not read cannot be answered.
    if (stands && !this.#line.isHeldUp()) {
      this.#line.kill(new RequestTimedOut({ millis: this.#request }))
      return Number.POSITIVE_INFINITY
    }
    for (const ticket of expired) {
      this.#line.expire(ticket, this.#request)
      ticket.at = Number.NaN
    }
    return next
  }

  #beat(now: number): number {
    if (this.#pulse === undefined) return Number.POSITIVE_INFINITY
    if (this.#line.isHeldUp()) this.#pulse.hear(now)
    const next = this.#pulse.look(now)
    if (next === undefined) this.#line.kill(new HeartbeatMissed({ millis: this.#pulse.silence(now) }))
    return next ?? Number.POSITIVE_INFINITY
  }

  #endDrain(now: number): number {
    if (now < this.#drainedBy) return this.#drainedBy
    this.#line.drained()
    return Number.POSITIVE_INFINITY
  }
}
