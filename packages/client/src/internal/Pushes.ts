// What the server has said of its own and nobody has taken yet.
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { ClientOptions } from "../Client.ts"
import { PushesUnread } from "../RequestError.ts"
import * as defaults from "./defaults.ts"
import { taking } from "./taking.ts"

export interface Pushes<P> {
  /** Gives what a line has to wait for before it reads on; a failure where nobody takes them, and then this one is not kept. */
  readonly offer: (push: P) => Effect.Effect<void, PushesUnread> | undefined
  /** Keeps it, though there may be too many. */
  readonly add: (push: P) => void
  readonly isEmpty: () => boolean
  readonly end: () => void
  readonly stream: Stream.Stream<P>
}

export const make = <P>(
  { maxPushes = defaults.maxPushes, requestTimeout = defaults.requestTimeout }: Pick<
    ClientOptions,
    "maxPushes" | "requestTimeout"
  >
): Effect.Effect<Pushes<P>> =>
  Effect.gen(function*() {
    const queue = yield* Queue.unbounded<P, Cause.Done>()
    const clock = yield* Clock.Clock
    // The latch is its bound, as long as there is a consumer.
    const room = Latch.makeUnsafe(true)
    let consumers = 0
    const unread = () => new PushesUnread({ limit: maxPushes })
    const longest = Duration.toMillis(requestTimeout)
    let lastTaken = Number.NEGATIVE_INFINITY
    const taken = (millis: number): Effect.Effect<void, PushesUnread> =>
      Effect.timeoutOrElse(room.await, {
        duration: millis,
        orElse: () => {
          // One that was taken makes no room yet, but is a sign of life.
          const left = lastTaken + longest - clock.currentTimeMillisUnsafe()
          return left > 0 ? taken(left) : Effect.fail(unread())
        }
      })
    const consumer = Effect.acquireRelease(
      Effect.sync(() => consumers++),
      () =>
        Effect.sync(() => {
          if (--consumers === 0) room.openUnsafe()
        })
    )
    return {
      offer: (push) => {
        if (consumers === 0 && Queue.sizeUnsafe(queue) >= maxPushes) return unread()
        Queue.offerUnsafe(queue, push)
        if (consumers === 0 || Queue.sizeUnsafe(queue) < maxPushes) return undefined
        room.closeUnsafe()
        return taken(longest)
      },
      add: (push) => void Queue.offerUnsafe(queue, push),
      isEmpty: () => Queue.sizeUnsafe(queue) === 0,
      end: () => Queue.endUnsafe(queue),
      stream: Stream.unwrap(
        Effect.as(
          consumer,
          taking(queue, () => {
            if (room.isOpen()) return
            lastTaken = clock.currentTimeMillisUnsafe()
            // Not for each one: to wait costs more than to take.
            if (Queue.sizeUnsafe(queue) <= maxPushes / 2) room.openUnsafe()
          })
        )
      )
    }
  })
