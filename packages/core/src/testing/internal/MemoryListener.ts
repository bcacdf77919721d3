// A Listener whose queue is an array: what the kernel's would hold waits here.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Address } from "../../Address.ts"
import type { Connection } from "../../Connection.ts"
import type { Listener, ListenOptions } from "../../Listener.ts"
import { ListenError } from "../../TransportError.ts"
import * as TransportReason from "../../TransportReason.ts"
import type { End } from "./Link.ts"

export interface MemoryListener extends Listener {
  /** A connection has come. */
  readonly offer: (end: End) => void
  /** Who waits in accept looks again. */
  readonly wake: () => void
  readonly stop: () => void
}

export const make = (
  address: Address,
  options: ListenOptions,
  hooks: {
    readonly connect: (end: End, draining: Effect.Effect<void>) => Effect.Effect<Connection>
    readonly takeError: () => TransportReason.TransportReason | undefined
    /** False where the address is in use. */
    readonly bind: () => boolean
    readonly unbind: () => void
  }
): MemoryListener => {
  const backlog = options.backlog ?? 511
  const waiting: Array<End> = []
  const news = Latch.makeUnsafe()
  const draining = Latch.makeUnsafe()
  let stopped = false
  let accepted = 0
  let shed = 0
  const stop = () => {
    stopped = true
    hooks.unbind()
    news.openUnsafe()
  }
  // Waiting can be interrupted, taking cannot: no connection is lost between.
  const accept: Listener["accept"] = Effect.uninterruptibleMask((restore) => {
    const next: Listener["accept"] = Effect.suspend(() => {
      const reason = hooks.takeError()
      if (reason !== undefined) return Effect.fail(new ListenError({ reason, local: address }))
      const end = waiting.shift()
      if (end !== undefined) {
        return Effect.tap(
          hooks.connect(end, draining.await),
          (connection) => Effect.addFinalizer(() => connection.close())
        )
      }
      if (stopped) return Effect.fail(Cause.Done())
      news.closeUnsafe()
      return Effect.andThen(restore(news.await), next)
    })
    return next
  })
  return {
    address,
    accept,
    suspend: Effect.sync(hooks.unbind),
    resume: Effect.suspend(() => {
      if (stopped || hooks.bind()) return Effect.void
      const reason = new TransportReason.AddressInUse({ code: "EADDRINUSE" })
      return Effect.fail(new ListenError({ reason, local: address }))
    }),
    drain: Effect.sync(() => {
      draining.openUnsafe()
      stop()
    }),
    counters: Effect.sync(() => ({ accepted, shed })),
    offer: (end) => {
      if (waiting.length >= backlog) {
        shed++
        end.abort()
        return options.onShed?.({ _tag: "AcceptShed", reason: "backlog", remote: end.wire.remote })
      }
      accepted++
      waiting.push(end)
      news.openUnsafe()
    },
    wake: () => news.openUnsafe(),
    stop: () => {
      stop()
      for (const end of waiting.splice(0)) end.abort()
    }
  }
}
