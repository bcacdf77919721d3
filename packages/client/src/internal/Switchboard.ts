// Requests, and the lines on which they can go out. Those for which there is none wait, within limits.
import { ByteWriter, Codec, type Protocol } from "@framewire/framing"
import type * as Clock from "effect/Clock"
import * as Exit from "effect/Exit"
import {
  NotConnected,
  QueueFull,
  QueueTimedOut,
  RequestError,
  type RequestFailure,
  RequestTimedOut
} from "../RequestError.ts"
import { Alarm } from "./Alarm.ts"
import type { Line } from "./Line.ts"
import type { Meter } from "./Meter.ts"
import { type Holder, refuse, type Ticket } from "./Ticket.ts"

export interface Limits {
  /** While no line is there; 0 for none. */
  readonly maxRequests: number
  readonly maxBytes: number
  /** While all lines are full. */
  readonly maxWaiting: number
  readonly maxAge: number
  readonly waitTimeout: number
  readonly requestTimeout: number
  /** A line that said nothing for so long is asked before it has a request. */
  readonly checkAfter: number
}

interface Waiting {
  readonly since: number
  /** When it has waited for so long as it may. */
  readonly due: number
  readonly millis: number
  readonly bytes: number
}

export class Switchboard<Req, Res, Err, P> implements Holder<Req, Res, Err> {
  readonly lines = new Set<Line<Req, Res, Err, P>>()
  /** They take nothing more, and answer what they have. */
  readonly leaving = new Set<Line<Req, Res, Err, P>>()
  readonly alarm: Alarm
  /** Why there is no line. */
  absence: unknown
  /** What tells how large a request is. */
  exchange: Protocol.Exchange<Req, Res, Err, P> | undefined
  /** More lines would be of use. */
  onWaiting: () => void = () => undefined
  readonly #limits: Limits
  readonly #clock: Clock.Clock
  readonly #meter: Meter
  readonly #waiting = new Map<Ticket<Req, Res, Err>, Waiting>()
  readonly #measure = ByteWriter.make()
  #bytes = 0
  #over: RequestFailure | undefined

  constructor(
    limits: Limits,
    clock: Clock.Clock,
    meter: Meter,
    exchange: Protocol.Exchange<Req, Res, Err, P> | undefined
  ) {
    this.#meter = meter
    this.#limits = limits
    this.#clock = clock
    this.exchange = exchange
    this.alarm = new Alarm(clock, (now) => this.#expire(now))
  }

  get waiting(): number {
    return this.#waiting.size
  }

  submit(ticket: Ticket<Req, Res, Err>, reason?: RequestFailure): void {
    if (this.#over !== undefined) return refuse(ticket, this.#over)
    // Nobody overtakes those who wait.
    const line = this.#waiting.size > 0 ? undefined : this.#choose()
    if (line === undefined) this.#wait(ticket, reason)
    else line.submit(ticket)
  }

  /** A line could not send it. */
  unsent(ticket: Ticket<Req, Res, Err>, reason: RequestFailure): void {
    if (ticket.isBound) refuse(ticket, reason)
    else this.submit(ticket, reason)
  }

  giveUp(ticket: Ticket<Req, Res, Err>): void {
    const waiting = this.#waiting.get(ticket)
    if (waiting === undefined) return
    this.#waiting.delete(ticket)
    this.#bytes -= waiting.bytes
    this.#meter.waits(-1)
  }

  up(line: Line<Req, Res, Err, P>): void {
    this.lines.add(line)
    this.exchange = line.exchange
    this.admit()
  }

  /** It takes nothing more. False if it was not there. */
  down(line: Line<Req, Res, Err, P>, reason: RequestFailure | undefined): boolean {
    const was = this.lines.delete(line)
    if (was && this.lines.size === 0) {
      this.absence = reason
      // While there is none, other limits hold.
      const waiting = [...this.#waiting.keys()]
      for (const ticket of waiting) this.giveUp(ticket)
      for (const ticket of waiting) this.submit(ticket, reason)
    }
    return was
  }

  /** Sends of those that wait as many as there is room for. */
  admit(): void {
    for (const [ticket, { since }] of this.#waiting) {
      const line = this.#choose()
      if (line === undefined) return this.onWaiting()
      this.giveUp(ticket)
      this.#meter.waited(this.#clock.currentTimeMillisUnsafe() - since)
      line.submit(ticket)
    }
  }

  /** Takes nothing more. */
  close(reason: RequestFailure): void {
    this.#over ??= reason
    for (const ticket of this.#waiting.keys()) {
      this.giveUp(ticket)
      refuse(ticket, this.#over)
    }
  }

  /** The one with the fewest requests in flight, of those that have room. */
  #choose(): Line<Req, Res, Err, P> | undefined {
    let best: Line<Req, Res, Err, P> | undefined
    for (const line of this.lines) {
      if (line.hasRoom && (best === undefined || line.load < best.load) && this.#lives(line)) best = line
    }
    return best
  }

  /** False while that is being found out. */
  #lives(line: Line<Req, Res, Err, P>): boolean {
    const { checkAfter } = this.#limits
    return checkAfter === Number.POSITIVE_INFINITY || line.lives(checkAfter)
  }

  #wait(ticket: Ticket<Req, Res, Err>, reason: RequestFailure | undefined): void {
    const { maxAge, maxBytes, maxRequests, maxWaiting, requestTimeout, waitTimeout } = this.#limits
    const isOffline = this.lines.size === 0
    const most = isOffline ? maxRequests : maxWaiting
    if (this.#waiting.size >= most) {
      if (most > 0) return refuse(ticket, new QueueFull({ limit: isOffline ? "maxRequests" : "maxWaiting" }))
      return refuse(ticket, reason ?? new NotConnected({ cause: this.absence }))
    }
    const bytes = isOffline && maxBytes !== Number.POSITIVE_INFINITY ? this.#sizeOf(ticket) : 0
    if (bytes === undefined) return
    if (this.#bytes + bytes > maxBytes) return refuse(ticket, new QueueFull({ limit: "maxBytes" }))
    const now = this.#clock.currentTimeMillisUnsafe()
    const millis = isOffline ? maxAge : waitTimeout
    if (Number.isNaN(ticket.at)) ticket.at = now
    ticket.holder = this
    this.#bytes += bytes
    this.#waiting.set(ticket, { since: now, due: now + millis, millis, bytes })
    this.#meter.waits(1)
    this.alarm.by(Math.min(now + millis, ticket.at + requestTimeout))
    this.onWaiting()
  }

  /** In bytes; undefined where it was refused. */
  #sizeOf(ticket: Ticket<Req, Res, Err>): number | undefined {
    if (this.exchange === undefined) {
      refuse(ticket, new NotConnected({ cause: this.absence }))
      return undefined
    }
    try {
      const refused = Codec.write(
        this.exchange.client,
        { _tag: "Request", id: 1, request: ticket.request },
        this.#measure
      )
      const { length } = this.#measure
      this.#measure.finish()
      if (refused === undefined) return length
      refuse(ticket, refused)
    } catch (defect) {
      ticket.settle(Exit.die(defect))
    }
    return undefined
  }

  #expire(now: number): number {
    const { requestTimeout } = this.#limits
    let next = Number.POSITIVE_INFINITY
    for (const [ticket, { due, millis }] of this.#waiting) {
      const first = Math.min(due, ticket.at + requestTimeout)
      if (first > now) {
        next = Math.min(next, first)
      } else {
        this.giveUp(ticket)
        this.#meter.timedOut()
        const reason = due <= now
          ? new QueueTimedOut({ millis })
          : new RequestTimedOut({ millis: requestTimeout })
        ticket.settle(Exit.fail(new RequestError({ delivery: "NotSent", reason })))
      }
    }
    return next
  }
}
