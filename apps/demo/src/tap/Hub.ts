// Where events are told and heard, and what is so now: for whoever comes when the first events are forgotten.
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import { randomUUID } from "node:crypto"
import type { Seen, Side, TapEvent } from "./TapEvent.ts"

type Of<Tag extends Seen["_tag"]> = Extract<Seen, { _tag: Tag }>

/** A connection that is not closed. */
interface Life extends Of<"Accepted"> {
  readonly open: boolean
  readonly fin: ReadonlyArray<Side>
}

interface Here {
  /** Another one is another process, and its events are counted from 1 again. */
  readonly run: string
  readonly listening: ReadonlyArray<Of<"Listening">>
  readonly lives: ReadonlyArray<Life>
}

export interface Hub {
  readonly tell: (seen: Seen) => void
  /** A slow subscriber loses the oldest of 1024; a new one gets the last 512 first. */
  readonly events: PubSub.PubSub<TapEvent>
  readonly here: () => Here
}

export const make: Effect.Effect<Hub> = Effect.map(
  PubSub.sliding<TapEvent>({ capacity: 1024, replay: 512 }),
  (events) => {
    const run = randomUUID()
    const listening: Array<Of<"Listening">> = []
    const lives = new Map<number, Life>()
    let sequence = 0

    const note = (seen: Seen) => {
      if (seen._tag === "Listening") listening.push(seen)
      if (seen._tag === "Accepted") lives.set(seen.connection, { ...seen, open: false, fin: [] })
      if (seen._tag === "Closed") lives.delete(seen.connection)
      if (seen._tag !== "Dialled" && seen._tag !== "HalfClosed") return
      const life = lives.get(seen.connection)
      if (life === undefined) return
      const change = seen._tag === "Dialled" ? { open: true } : { fin: [...life.fin, seen.by] }
      lives.set(seen.connection, { ...life, ...change })
    }
    return {
      events,
      tell: (seen) => {
        note(seen)
        const event = { ...seen, sequence: ++sequence, time: Date.now() }
        // What is full slides by the other way alone: one who does not read must not keep it from the others.
        if (!PubSub.publishUnsafe(events, event)) Effect.runSync(PubSub.publish(events, event))
      },
      here: () => ({ run, listening, lives: Array.from(lives.values()) })
    }
  }
)
