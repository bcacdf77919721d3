// A request on its way to its answer. Whoever holds it (a line, a queue) hands it on or settles it.
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Tracer from "effect/Tracer"
import { RequestError, type RequestFailure } from "../RequestError.ts"

export type Outcome<Res, Err> = Exit.Exit<Res, RequestError | Err>

export interface Holder<in Req, out Res, out Err> {
  /** Nobody waits for it any more. */
  readonly giveUp: (ticket: Ticket<Req, Res, Err>) => void
}

export class Ticket<out Req, in Res, in Err> {
  readonly request: Req
  readonly settle: (outcome: Outcome<Res, Err>) => void
  /** The kernel has it: all that who sends one way waits for. */
  readonly onSent: (() => void) | undefined
  /** Takes an answer that others follow, and gives what has to be waited for before any more is read. */
  onPart: ((response: Res) => Effect.Effect<void> | undefined) | undefined
  /** What it is traced by. */
  span: Tracer.Span | undefined
  /** Its bytes were handed to the connection. */
  sent = false
  /** What tells its answer, on its line. */
  id = 0
  /** Nobody waits for its answer any more, which is still to come. */
  isGivenUp = false
  /** It belongs to one line, and to no other. */
  isBound = false
  /** When it was asked first. */
  at = Number.NaN
  holder: Holder<Req, Res, Err> | undefined

  constructor(request: Req, settle: (outcome: Outcome<Res, Err>) => void, onSent?: () => void) {
    this.request = request
    this.settle = settle
    this.onSent = onSent
  }
}

/** Where nobody else could send it. */
export const refuse = <Req, Res, Err>(ticket: Ticket<Req, Res, Err>, reason: RequestFailure): void =>
  ticket.settle(Exit.fail(new RequestError({ delivery: "NotSent", reason })))

export const giveUp = <Req, Res, Err>(ticket: Ticket<Req, Res, Err>): void => ticket.holder?.giveUp(ticket)
