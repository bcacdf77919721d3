// A request with several answers, as a stream of them.
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { RequestError } from "../RequestError.ts"
import { taking } from "./taking.ts"
import { giveUp, Ticket } from "./Ticket.ts"

export const streamed = <Req, Res, Err>(
  request: Req,
  submit: (ticket: Ticket<Req, Res, Err>) => void,
  maxStreamed: number
): Stream.Stream<Res, RequestError | Err> =>
  Stream.unwrap(Effect.gen(function*() {
    // The latch is its bound: what has come is never refused, but nothing more is read while too much waits.
    const queue = yield* Queue.unbounded<Res, RequestError | Err | Cause.Done>()
    const room = Latch.makeUnsafe(true)
    const ticket = new Ticket<Req, Res, Err>(request, (outcome) => {
      if (Exit.isSuccess(outcome)) {
        Queue.offerUnsafe(queue, outcome.value)
        Queue.endUnsafe(queue)
      } else {
        Queue.failCauseUnsafe(queue, outcome.cause)
      }
      room.openUnsafe()
    })
    ticket.onPart = (response) => {
      Queue.offerUnsafe(queue, response)
      if (Queue.sizeUnsafe(queue) < maxStreamed) return undefined
      room.closeUnsafe()
      return room.await
    }
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        giveUp(ticket)
        room.openUnsafe()
      })
    )
    submit(ticket)
    return taking(queue, () => room.openUnsafe())
  }))
