/**
 * One message to many connections: encoded once, and each consumer at its own pace.
 *
 * ```text
 * publish -> encode once -+-> kernel takes it at once                              no queue, no fiber
 *                         +-> does not: queue, at most maxBytes and maxMessages    one fiber until it is empty
 *                         '-> queue is full: the consumer's policy
 * ```
 *
 * @since 0.1.0
 */
import { type Connection, InvalidOption } from "@framewire/core"
import { Codec, type FramingError, Progress } from "@framewire/framing"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { Budget, Shared } from "./internal/Budget.ts"
import { Consumer, emptyCounts, type Frame, type Pool, type Publication } from "./internal/Consumer.ts"

/**
 * What becomes of a message for which a consumer has no room:
 *
 * - `suspend`: the publisher waits. One slow consumer then holds up all.
 * - `dropOldest`, `dropNewest`: what has waited longest is dropped for it, or the message itself.
 * - `conflate`: at any time, and not only without room, a message takes the place of the one with the same key that waits;
 *   then as `dropOldest`.
 * - `disconnect`: the consumer is reset.
 *
 * @category models
 * @since 0.1.0
 */
export type Policy<A> =
  | "suspend"
  | "dropOldest"
  | "dropNewest"
  | "disconnect"
  | { readonly conflate: (message: A) => unknown }

/**
 * How a consumer is treated.
 *
 * @category options
 * @since 0.1.0
 */
export interface ConsumerOptions<in A> {
  /** Default `disconnect`. */
  readonly policy?: Policy<A>
  /** Bytes that may wait for it. A message that finds nothing waiting is sent, however large it is. Default 1 MiB. */
  readonly maxBytes?: number | "unbounded"
  /** Messages that may wait for it. Default 1024. */
  readonly maxMessages?: number | "unbounded"
}

/**
 * Why messages did not reach a consumer:
 *
 * - `oldest`, `newest`, `conflated`: by its policy.
 * - `budget`: all consumers together held more than the broadcast may, and it held the most.
 * - `disconnected`: it was reset because it was too slow; those on their way count, and some may have arrived.
 * - `closed`: its connection had ended. `left`: it left while they waited. `interrupted`: the suspended publisher was.
 *
 * @category models
 * @since 0.1.0
 */
export type DropReason =
  | "oldest"
  | "newest"
  | "conflated"
  | "budget"
  | "disconnected"
  | "closed"
  | "left"
  | "interrupted"

/**
 * Messages that did not reach a consumer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Drop {
  readonly connection: Connection.Connection
  readonly reason: DropReason
  readonly messages: number
  readonly bytes: number
}

/**
 * A consumer was reset, because more waited for it than may: than it may have itself, or than all may together.
 *
 * @category errors
 * @since 0.1.0
 */
export class SlowConsumer extends Data.TaggedError("SlowConsumer")<{
  readonly limit: "maxBytes" | "maxMessages" | "budget"
  /** What waited for it. */
  readonly messages: number
  readonly bytes: number
}> {
  override get message(): string {
    return `the consumer is too slow: ${this.messages} messages of ${this.bytes} bytes wait, above ${this.limit}`
  }
}

/**
 * Numbers that add up: `published` is, for each message, how many consumers there were; each is sent, dropped, waits, or
 * is still with a publisher that is suspended.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  readonly published: number
  /** Taken by the kernel. */
  readonly sent: number
  readonly dropped: Readonly<Record<DropReason, number>>
  readonly waiting: number
  readonly waitingBytes: number
}

/**
 * A consumer's membership.
 *
 * @category models
 * @since 0.1.0
 */
export interface Member {
  /** Fails when the consumer is reset for being slow; else it suspends for ever. */
  readonly lost: Effect.Effect<never, SlowConsumer>
  readonly stats: Effect.Effect<Stats>
}

/**
 * How much all consumers may hold, and who is told of drops.
 *
 * @category options
 * @since 0.1.0
 */
export interface BroadcastOptions {
  /**
   * Bytes that may wait for all consumers together, a message counted for each of them. Above it the one that holds the most
   * loses its queue, where its policy drops messages, else its connection; then the next. Default 64 MiB. What joins in the
   * handler of a server is within `ServerOptions.broadcastBudget` as well.
   */
  readonly budget?: number | "unbounded"
  /** Told of each drop when it happens. It must return soon, and not throw. */
  readonly onDrop?: (drop: Drop) => void
}

/**
 * Sends messages to all its members.
 *
 * **Contract**
 *
 * 1. A member gets the messages that are published while it is one, in the order of the calls, but for those dropped.
 * 2. No member waits for another, unless one has the policy `suspend`.
 * 3. A member costs no fiber while its peer takes what is sent, and one while it does not.
 *
 * @category models
 * @since 0.1.0
 */
export interface Broadcast<in out A> {
  /**
   * The connection is a member until the scope closes, or it ends. It stays the caller's, who may send on it, too. In the
   * handler of a server it is the server, too, that tells of drops: by `Dropped` events and in its metrics.
   */
  readonly join: (
    connection: Connection.Connection,
    options?: ConsumerOptions<A>
  ) => Effect.Effect<Member, never, Scope.Scope>
  /** Suspends only while a member with the policy `suspend` has no room. A message that is refused goes to nobody. */
  readonly publish: (message: A) => Effect.Effect<void, FramingError.MessageError>
  /** The same for several, by one write to each member where it can be. */
  readonly publishAll: (messages: Iterable<A>) => Effect.Effect<void, FramingError.MessageError>
  /** How many members there are. */
  readonly members: Effect.Effect<number>
  /** Of all members, those that left as well. */
  readonly stats: Effect.Effect<Stats>
}

const { check, orUnbounded, whole } = InvalidOption
const bytes = orUnbounded(whole(0))

const bound = (limit: number | "unbounded"): number => limit === "unbounded" ? Infinity : limit

/**
 * A broadcast without members.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A>(
  codec: Codec.Codec<unknown, A>,
  options: BroadcastOptions = {}
): Effect.Effect<Broadcast<A>> =>
  Effect.map(Effect.context(), (context) => {
    check(options, { budget: bytes })
    const members = new Set<Consumer<A>>()
    const budget = new Budget(options.budget ?? 67_108_864)
    const pool: Pool<A> = {
      run: Effect.runForkWith(context),
      tooSlow: (what) => new SlowConsumer(what),
      left: (consumer) => members.delete(consumer),
      counts: emptyCounts()
    }

    const publishAll = (messages: Iterable<A>): Effect.Effect<void, FramingError.MessageError> =>
      Effect.suspend(() => {
        const frames: Array<Frame<A>> = []
        for (const message of messages) {
          const encoded = Codec.encodeAll(codec, [message])
          if (Result.isFailure(encoded)) return Effect.fail(encoded.failure)
          const chunks = encoded.success
          frames.push({ message, chunks, size: chunks.reduce((sum, { length }) => sum + length, 0) })
        }
        const publication: Publication = { waiting: 0, cancelled: false, settled: () => {} }
        for (const member of members) member.offer(frames, publication)
        if (publication.waiting === 0) return Effect.void
        return Effect.callback<void>((resume) => {
          // The fiber may have yielded before it came here.
          if (publication.waiting === 0) return resume(Effect.void)
          publication.settled = () => resume(Effect.void)
          return Effect.sync(() => {
            publication.cancelled = true
            for (const member of members) member.forget()
          })
        })
      })

    return {
      join: (connection, how = {}) =>
        Effect.map(
          Effect.acquireRelease(
            Effect.zipWith(Shared, Progress.Progress, (server, progress) => {
              check(how, { maxBytes: bytes, maxMessages: bytes })
              const consumer = new Consumer<A>(connection, pool, {
                policy: how.policy ?? "disconnect",
                maxBytes: bound(how.maxBytes ?? 1_048_576),
                maxMessages: bound(how.maxMessages ?? 1024),
                progress: Progress.of(progress, connection),
                budgets: server === undefined ? [budget] : [budget, server.budget],
                onDrop: [options.onDrop, server?.dropped].filter((tell) => tell !== undefined)
              })
              members.add(consumer)
              return consumer
            }),
            (consumer) => Effect.sync(() => consumer.end("left"))
          ),
          (consumer) => ({
            lost: Deferred.await(consumer.lost),
            stats: Effect.sync(() => ({ ...consumer.counts, dropped: { ...consumer.counts.dropped } }))
          })
        ),
      publish: (message) => publishAll([message]),
      publishAll,
      members: Effect.sync(() => members.size),
      stats: Effect.sync(() => ({ ...pool.counts, dropped: { ...pool.counts.dropped } }))
    }
  })
