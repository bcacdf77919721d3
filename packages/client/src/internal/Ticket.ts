// A request on its way to its answer. Whoever holds it (a line, a queue) hands it on or settles it.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Requests } from "../Client.ts"
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

/** The asking part of a client, from what takes a ticket. */
export const asking = <Req, Res, Err>(
  submit: (ticket: Ticket<Req, Res, Err>) => void
): Requests<Req, Res, Err> => {
  const giveUp = (ticket: Ticket<Req, Res, Err>) => ticket.holder?.giveUp(ticket)
  return {
    request: (request) =>
      Effect.callback((resume) => {
        const ticket = new Ticket<Req, Res, Err>(request, resume)
        submit(ticket)
        return Effect.sync(() => giveUp(ticket))
      }),
    requestAll: (requests) =>
      Effect.callback((resume) => {
        const tickets: Array<Ticket<Req, Res, Err>> = []
        const outcomes: Array<Outcome<Res, Err>> = []
        // One for the loop: what settles at once does not end it.
        let open = 1
        const close = () => {
          if (--open === 0) resume(Effect.succeed(outcomes))
        }
        for (const request of requests) {
          const index = open++ - 1
          tickets.push(
            new Ticket<Req, Res, Err>(request, (outcome) => {
              outcomes[index] = outcome
              close()
            })
          )
        }
        for (const ticket of tickets) submit(ticket)
        close()
        return Effect.sync(() => tickets.forEach(giveUp))
      }),
    send: (request) =>
      Effect.callback((resume) => {
        const settle = (outcome: Outcome<Res, Err>) => {
          const error = Exit.isFailure(outcome) ? outcome.cause.reasons[0] : undefined
          if (error?._tag === "Die") resume(Effect.die(error.defect))
          else if (error?._tag !== "Fail") resume(Effect.void)
          // An answer, of whatever kind, says that it was sent.
          else if (!(error.error instanceof RequestError) || error.error.delivery === "Answered") resume(Effect.void)
          else resume(Effect.fail(error.error))
        }
        const ticket = new Ticket<Req, Res, Err>(request, settle, () => resume(Effect.void))
        submit(ticket)
        return Effect.sync(() => giveUp(ticket))
      })
  }
}
