// One connection of a load: what it has sent, and what has to come back.
import type { Connection } from "@framewire/core"
import { type Codec, Framed } from "@framewire/framing"
import * as Effect from "effect/Effect"
import * as CommandError from "./CommandError.ts"

/** What all connections of a load share. */
export interface Load {
  readonly framing: Codec.Framing
  /** Frame `i` of a connection is this at `i` modulo its length. */
  readonly payloads: ReadonlyArray<Uint8Array>
  /** Frames in flight on one connection. */
  readonly depth: number
  /** Milliseconds of the clock that `now` reads: nothing is sent from then on. */
  readonly until: number
  readonly now: () => number
  /** An answer came at `time` to what was due at `due`. */
  readonly answered: (due: number, time: number) => void
}

const isSame = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0

export const make = (connection: Connection.Connection, load: Load) => {
  const { depth, framing, now, payloads, until } = load
  const framed = Framed.make(connection, framing)
  /** When each frame in flight was due. */
  const dues = new Float64Array(depth)
  let sent = 0
  let back = 0
  let waiting: (() => void) | undefined
  /** Nothing more will be sent. */
  let isOver = () => now() >= until

  const next = (due: number) => {
    dues[sent % depth] = due
    const payload = payloads[sent % payloads.length] ?? new Uint8Array(0)
    sent++
    return payload
  }
  const fresh = (count: number) => {
    const time = now()
    return Array.from({ length: time < until ? count : 0 }, () => next(time))
  }
  const differs = (frame: number) =>
    CommandError.failure({ message: `connection ${connection.id}: frame ${frame} did not come back as it was sent` })

  /** Sees what comes back until the server's FIN, and then does `react`. */
  const receive = (react: (count: number) => Effect.Effect<void, { readonly message: string }>) =>
    framed.lendEach((frames): Effect.Effect<void, { readonly message: string }> => {
      const time = now()
      for (const frame of frames) {
        const expected = payloads[back % payloads.length]
        if (back >= sent || expected === undefined || !isSame(frame, expected)) return Effect.fail(differs(back + 1))
        load.answered(dues[back % depth] ?? time, time)
        back++
      }
      const reaction = react(frames.length)
      // Not before: the clock may not have come to the end when somebody waits for it.
      if (back === sent && isOver()) waiting?.()
      return reaction
    }).pipe(
      Effect.mapError(CommandError.failure),
      Effect.andThen(
        Effect.suspend(() =>
          CommandError.failure({ message: `the server closed a connection; ${sent - back} answers were to come` })
        )
      )
    )

  return {
    /** Closed loop: an answer sends the next one. */
    closed: Effect.suspend(() => {
      const first = framed.sendAllUnsafe(fresh(depth))
      return Effect.raceFirst(
        receive((count) => framed.sendAllUnsafe(fresh(count))),
        Effect.andThen(Effect.mapError(first, CommandError.failure), Effect.never)
      )
    }),
    /** Open loop: frame `i` is due at `dueOf(i)`, and its latency counts from then, whatever the server does. */
    open: (dueOf: (frame: number) => number) => {
      isOver = () => dueOf(sent) >= until
      const send: Effect.Effect<void, { readonly message: string }> = Effect.suspend(() => {
        const time = now()
        const frames: Array<Uint8Array> = []
        const isDue = () => dueOf(sent) <= time && dueOf(sent) < until && sent - back < depth
        while (isDue()) frames.push(next(dueOf(sent)))
        return frames.length > 0 ? framed.sendAll(frames) : Effect.sleep(Math.max(1, Math.min(50, dueOf(sent) - time)))
      })
      return Effect.raceFirst(receive(() => Effect.void), Effect.mapError(Effect.forever(send), CommandError.failure))
    },
    /** Suspends until all that was sent is back. */
    settled: Effect.callback<void>((resume) => {
      if (back === sent && isOver()) resume(Effect.void)
      else waiting = () => resume(Effect.void)
    }),
    get missing(): number {
      return sent - back
    }
  }
}
