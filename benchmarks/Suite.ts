// Peers in turn, round after round, beginning with another one each time.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { BenchError } from "./Child.ts"
import type { Figure, Figures } from "./Figure.ts"
import type { Window } from "./LoadGenerator.ts"
import * as Statistics from "./Statistics.ts"

/** One measurement, in a scope of its own: its processes end with it. */
export type Peer = (window: Window) => Effect.Effect<Figures, BenchError, Scope.Scope>

export interface Case {
  readonly suite: string
  readonly name: string
  /** The peer that the ratios are to. */
  readonly base: string
  readonly peers: Readonly<Record<string, Peer>>
  /** What the table shows. */
  readonly shows: ReadonlyArray<Figure>
  /** Who asks: the load generator when it is answered, or at a rate of its own; or a client that is measured too. */
  readonly asks?: "closed" | "open" | "client"
  /** Peers that are measured in the first round only. */
  readonly once?: ReadonlySet<string>
}

export interface Result {
  readonly suite: string
  readonly name: string
  readonly base: string
  readonly shows: ReadonlyArray<Figure>
  readonly asks: "closed" | "open" | "client"
  /** Of each peer, by round. */
  readonly rounds: Readonly<Record<string, ReadonlyArray<Figures>>>
  /** Peers that did not do what they had to. They are not measured any further. */
  readonly failed: Readonly<Record<string, string>>
}

// A measurement takes its window, some seconds to start, and up to 15 s to answer the last requests.
const patience = 60

/** `progress` is told before each measurement. */
export const run = (
  { asks = "closed", base, name, once = new Set(), peers, shows, suite }: Case,
  rounds: number,
  window: Window,
  progress: (text: string) => Effect.Effect<void>
): Effect.Effect<Result> =>
  Effect.gen(function*() {
    const names = Object.keys(peers)
    const done: Record<string, Array<Figures>> = Object.fromEntries(names.map((peer) => [peer, []]))
    const failed: Record<string, string> = {}
    for (let round = 0; round < rounds; round++) {
      for (const peer of Statistics.rotated(names, round)) {
        if (failed[peer] !== undefined || round > 0 && once.has(peer)) continue
        yield* progress(`${suite} ${name}: ${peer}, round ${round + 1} of ${rounds}`)
        const measured = peers[peer]!(window).pipe(
          Effect.scoped,
          Effect.timeoutOrElse({
            duration: 1000 * (window.warmup + window.seconds + patience),
            orElse: () => Effect.fail(new BenchError({ message: "not done in time" }))
          })
        )
        yield* Effect.match(measured, {
          onSuccess: (figures) => void done[peer]!.push(figures),
          onFailure: ({ message }) => void (failed[peer] = message)
        })
      }
    }
    return { suite, name, base, shows, asks, rounds: done, failed }
  })

export const values = (result: Result, peer: string, figure: Figure): ReadonlyArray<number | undefined> =>
  (result.rounds[peer] ?? []).map((figures) => figures[figure])

/** Of one figure of a peer, to that of another. */
export const ratio = (result: Result, peer: string, base: string, figure: Figure): Statistics.Spread | undefined =>
  Statistics.ratio(values(result, peer, figure), values(result, base, figure))

/** Of one figure of a peer. */
export const spread = (result: Result, peer: string, figure: Figure): Statistics.Spread | undefined =>
  Statistics.spread(values(result, peer, figure).filter((value) => value !== undefined))

/** The middle of one figure of a peer. */
export const median = (result: Result, peer: string, figure: Figure): number | undefined =>
  spread(result, peer, figure)?.median

/** Other processes had its core for so long that only its CPU a million says something. */
export const isHeldUp = (result: Result, peer: string): boolean => (median(result, peer, "heldUp") ?? 0) > 0.05
