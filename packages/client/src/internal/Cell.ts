// The status of a client, and its changes.
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import type { Status } from "../Status.ts"

export interface Cell {
  readonly get: () => Status
  /** Nothing follows `Closed`. */
  readonly set: (status: Status) => void
  readonly changes: Stream.Stream<Status>
}

export const make = (first: Status): Effect.Effect<Cell> =>
  // A reader that is slow misses what is past, and never the end.
  Effect.map(PubSub.sliding<Status>({ capacity: 64, replay: 1 }), (changes) => {
    let current = first
    PubSub.publishUnsafe(changes, current)
    return {
      get: () => current,
      set: (status) => {
        if (current._tag === "Closed") return
        current = status
        PubSub.publishUnsafe(changes, status)
      },
      changes: Stream.takeUntil(Stream.fromPubSub(changes), ({ _tag }) => _tag === "Closed")
    }
  })
