// What the server has said of its own and nobody has taken yet.
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { ClientOptions } from "../Client.ts"
import { PushesUnread } from "../RequestError.ts"
import * as defaults from "./defaults.ts"

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
  Effect.map(Queue.unbounded<P, Cause.Done>(), (queue) => {
    // The latch is its bound, as long as there is a consumer.
    const room = Latch.makeUnsafe(true)
    let consumers = 0
    const unread = () => new PushesUnread({ limit: maxPushes })
    const taken = Effect.timeoutOrElse(room.await, {
      duration: requestTimeout,
      orElse: () => Effect.fail(unread())
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
        return taken
      },
      add: (push) => void Queue.offerUnsafe(queue, push),
      isEmpty: () => Queue.sizeUnsafe(queue) === 0,
      end: () => Queue.endUnsafe(queue),
      stream: Stream.unwrap(
        Effect.as(consumer, Stream.fromPull(Effect.succeed(Effect.tap(Queue.takeAll(queue), () => room.open))))
      )
    }
  })
