// What a hub tells from now on, to the event that is the last.
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"

/** Nothing where the last one was told already: it is asked once nothing is missed any more. */
export const eventsOf = <A>(
  hub: PubSub.PubSub<A>,
  { isLast, isOver }: { readonly isLast: (event: A) => boolean; readonly isOver: () => boolean }
): Stream.Stream<A> =>
  Stream.unwrap(
    Effect.map(PubSub.subscribe(hub), (subscription) =>
      isOver() ? Stream.empty : Stream.takeUntil(Stream.fromSubscription(subscription), isLast))
  )
