// What waits in a queue, as a stream that takes one when it is wanted, and not before.
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"

/**
 * Who takes all at once looks for as long as it is busy with them as if it took nothing, has them where other consumers
 * do not find them, and loses them if it leaves.
 */
export const taking = <A, E>(
  queue: Queue.Dequeue<A, E>,
  taken: () => void
): Stream.Stream<A, Pull.ExcludeDone<E>> =>
  Stream.fromPull(Effect.succeed(Effect.map(Queue.take(queue), (one) => {
    taken()
    return [one]
  })))
