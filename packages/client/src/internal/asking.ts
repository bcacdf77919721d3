// The asking part of a client, from what takes a ticket.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Requests } from "../Client.ts"
import { RequestError } from "../RequestError.ts"
import { streamed } from "./streamed.ts"
import { giveUp, type Outcome, Ticket } from "./Ticket.ts"

export const asking = <Req, Res, Err>(
  submit: (ticket: Ticket<Req, Res, Err>) => void,
  { maxStreamed = 64 }: { readonly maxStreamed?: number }
): Requests<Req, Res, Err> => ({
  request: (request) =>
    Effect.callback((resume) => {
      const ticket = new Ticket<Req, Res, Err>(request, resume)
      submit(ticket)
      return Effect.sync(() => giveUp(ticket))
    }),
  requestStream: (request) => streamed(request, submit, maxStreamed),
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
})
