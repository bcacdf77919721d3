/**
 * What a server pushes to those who asked for it, beyond the end of a line.
 *
 * ```text
 * line 1   session, subscribe | a | b |                               end
 * line 2                                session, subscribe | d | e
 * events                        a   b                    Gap d   e      c may have been missed
 * ```
 *
 * @since 0.1.0
 */
import type { Address, Transport } from "@framewire/core"
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Client, Requests, Spoken } from "./Client.ts"
import { checkReconnect } from "./internal/checkOptions.ts"
import { keptClient } from "./internal/keptClient.ts"
import { oneLine } from "./internal/oneLine.ts"
import * as Pushes from "./internal/Pushes.ts"
import { type ReconnectOptions, schedule } from "./Reconnect.ts"
import { PushesUnread } from "./RequestError.ts"

/**
 * What a server pushed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Message<out P> {
  readonly _tag: "Message"
  readonly message: P
}

/**
 * There was no subscription for a while: messages may be missing here. Whoever asks for the state now and goes on with what
 * follows has missed nothing; where messages come before the server has said yes there is no line to ask on yet, unless `queue`
 * lets the question wait.
 *
 * @category models
 * @since 0.1.0
 */
export interface Gap {
  readonly _tag: "Gap"
}

/**
 * What a subscription gives.
 *
 * @category models
 * @since 0.1.0
 */
export type Event<P> = Message<P> | Gap

/**
 * How to subscribe, and to connect.
 *
 * @category options
 * @since 0.1.0
 */
export interface SubscriptionOptions<in out Req, in out Res, in out Err = never, in out P = never>
  extends ReconnectOptions<Req, Res, Err, P>
{
  /** Asks for the pushes on each new line, behind `session`, in its time; it ends when the server has said yes. */
  readonly subscribe: (line: Requests<Req, Res, Err>) => Effect.Effect<unknown, unknown>
}

/**
 * A client as of `Reconnect`, whose pushes know of the ends of its lines.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subscription<in Req, out Res, out Err = never, out P = never>
  extends Omit<Client<Req, Res, Err, P>, "pushes">
{
  /** Until the client ends. Several consumers share it: each event goes to one. */
  readonly events: Stream.Stream<Event<P>>
}

/**
 * Subscribes on a line of its own, and again on each that follows. The scope owns it.
 *
 * **Contract**: messages are in the order in which they came. Between those of two lines stands a `Gap`, and one where a
 * new line was subscribed, unless that is the same place. While a line drains its successor pushes too: a message can come
 * twice then.
 *
 * **Limits**: `maxPushes` messages that have not been taken hold up the line; where nobody takes them it ends, and its place
 * is a `Gap`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <Req, Res, Err = never, P = never, Hello = never, Agreed = never, Refusal = never>(
  spoken: Spoken<Hello, Agreed, Refusal, Req, Res, Err, P>,
  endpoints: Address.Address | Arr.NonEmptyReadonlyArray<Address.Address>,
  options: SubscriptionOptions<NoInfer<Req>, NoInfer<Res>, NoInfer<Err>, NoInfer<P>>
): Effect.Effect<Subscription<Req, Res, Err, P>, never, Transport.Transport | Scope.Scope> =>
  Effect.gen(function*() {
    checkReconnect(options)
    const pushes = yield* Pushes.make<Event<P>>(options)
    let last: Event<P> | undefined
    const gap = () => {
      if (last?._tag === "Gap" && !pushes.isEmpty()) return
      pushes.add(last = { _tag: "Gap" })
    }
    let subscribed = false
    // What came before is the former line's: a message that comes before the server has said yes has a gap before it.
    let isNewLine = false
    const session = (line: Requests<Req, Res, Err>) =>
      Effect.gen(function*() {
        const again = subscribed
        subscribed = true
        if (options.session !== undefined) yield* options.session(line)
        isNewLine = again
        yield* options.subscribe(line)
        isNewLine = false
        // Not earlier: who asks for the state at a gap would find no line yet.
        if (again) gap()
      })
    const settings = oneLine(options, options.schedule ?? schedule)
    const client = yield* keptClient(spoken, endpoints, { ...options, session }, settings, {
      offer: (message) => {
        if (isNewLine) {
          isNewLine = false
          gap()
        }
        const event = { _tag: "Message", message } as const
        const wait = pushes.offer(event)
        if (!(wait instanceof PushesUnread)) last = event
        return wait
      },
      end: pushes.end
    })
    return { ...client, events: pushes.stream }
  })
