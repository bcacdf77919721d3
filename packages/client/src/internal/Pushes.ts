// What the server has said of its own and nobody has taken yet.
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { ClientOptions } from "../Client.ts"
import { PushesUnread } from "../RequestError.ts"
import * as defaults from "./defaults.ts"

export interface Pushes<P> {
  /** A failure where nobody takes them. */
  readonly offer: (push: P) => PushesUnread | undefined
  readonly end: () => void
  readonly stream: Stream.Stream<P>
}

export const make = <P>(
  { maxPushes = defaults.maxPushes }: Pick<ClientOptions, "maxPushes">
): Effect.Effect<Pushes<P>> =>
  Effect.map(Queue.make<P, Cause.Done>({ capacity: maxPushes, strategy: "dropping" }), (queue) => ({
    offer: (push) => Queue.offerUnsafe(queue, push) ? undefined : new PushesUnread({ limit: maxPushes }),
    end: () => Queue.endUnsafe(queue),
    stream: Stream.fromQueue(queue)
  }))
