// What a line is told by whoever opens it, and whom it tells what becomes of it.
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Heartbeat } from "../Heartbeat.ts"
import type { RequestFailure } from "../RequestError.ts"
import type { Ticket } from "./Ticket.ts"

export interface Settings<out Req, in P> {
  readonly maxInFlight?: number
  readonly requestTimeout?: Duration.Input
  readonly drainTimeout?: Duration.Input
  readonly heartbeat?: Heartbeat<Req> | undefined
  readonly isGoAway?: ((push: P) => boolean) | undefined
}

/** Who opened a line. */
export interface Owner<Req, Res, Err, P> {
  /** A request that was not sent comes back. */
  readonly unsent: (ticket: Ticket<Req, Res, Err>, reason: RequestFailure) => void
  /** Gives what has to be waited for before any more is read; a failure ends the line. */
  readonly pushed: (push: P) => Effect.Effect<void, RequestFailure> | undefined
  /** Requests were answered: there may be room. */
  readonly room: () => void
  /** It takes no more requests. */
  readonly draining: () => void
  readonly ended: (reason: RequestFailure) => void
}
