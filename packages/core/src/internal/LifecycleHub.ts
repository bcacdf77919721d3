// Where the connections of one transport tell of their changes, and whoever wants to know hears of them.
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import type { ConnectionState } from "../ConnectionState.ts"
import type { LifecycleEvent } from "../Lifecycle.ts"

// What a slow subscriber may have waiting; then it loses the oldest.
const capacity = 4096

/** Of which connection an event is. */
export type Subject = Pick<LifecycleEvent, "id" | "side" | "local" | "remote">

export interface LifecycleHub {
  readonly moved: (subject: Subject, from: ConnectionState | undefined, to: ConnectionState) => void
  readonly events: Stream.Stream<LifecycleEvent>
}

export const make: Effect.Effect<LifecycleHub> = Effect.gen(function*() {
  const hub = yield* PubSub.sliding<LifecycleEvent>(capacity)
  let sequence = 0
  return {
    moved: ({ id, local, remote, side }, from, to) => {
      if (from === to) return
      sequence++
      const event = { sequence, id, side, local, remote, from, to }
      // What is full slides by the other way alone.
      if (!PubSub.publishUnsafe(hub, event)) Effect.runSync(PubSub.publish(hub, event))
    },
    events: Stream.fromPubSub(hub)
  }
})
