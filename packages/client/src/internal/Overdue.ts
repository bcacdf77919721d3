// The requests that have waited for their answers for too long.
import type { Ticket } from "./Ticket.ts"

export interface Overdue<Req, Res, Err> {
  readonly expired: ReadonlyArray<Ticket<Req, Res, Err>>
  /** When the next one will be. */
  readonly next: number
  /** Nothing was answered in all that time, so that nothing behind it will be: the line stands still. */
  readonly stands: boolean
}

export interface Look<Req, Res, Err> {
  /** Sent or about to be. */
  readonly pending: Iterable<Ticket<Req, Res, Err>>
  /** For a place. */
  readonly waiting: Iterable<Ticket<Req, Res, Err>>
  /** Whether the answer of one that is pending holds up others. */
  readonly blocks: boolean
  /** When the last answer came. */
  readonly answered: number
  readonly timeout: number
  readonly now: number
}

export const look = <Req, Res, Err>(
  { answered, blocks, now, pending, timeout, waiting }: Look<Req, Res, Err>
): Overdue<Req, Res, Err> => {
  const expired: Array<Ticket<Req, Res, Err>> = []
  let next = Number.POSITIVE_INFINITY
  let stands = false
  const at = (ticket: Ticket<Req, Res, Err>, holdsUp: boolean) => {
    const due = ticket.at + timeout
    if (due > now) {
      next = Math.min(next, due)
    } else if (due <= now) {
      // Not one that has expired: that has no time any more.
      expired.push(ticket)
      stands ||= holdsUp && answered <= ticket.at
    }
  }
  for (const ticket of pending) at(ticket, blocks)
  for (const ticket of waiting) at(ticket, true)
  return { expired, next, stands }
}
