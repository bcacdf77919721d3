// The queue of an inherited descriptor belongs to whoever passed it; a worker that is the last has to empty it itself.
import { type Listener, Transport } from "@framewire/core"
import * as Effect from "effect/Effect"

// As core bounds it for a port of its own: each turn of the loop accepts one connection (libuv).
const maxTurns = 4096
const maxMillis = 250

/** Suspends until a whole turn of the loop accepts nobody; what follows it synchronously comes before the next client. */
const quiet = ({ counters }: Listener.Listener): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const deadline = performance.now() + maxMillis
    const turn = (before: number, turns: number) => {
      const { accepted, shed } = Effect.runSync(counters)
      const now = accepted + shed
      const isEmpty = turns > 1 && now === before
      if (isEmpty || turns > maxTurns || performance.now() > deadline) resume(Effect.void)
      else setImmediate(() => turn(now, turns + 1))
    }
    turn(-1, 0)
  })

/** Its listeners, where nobody comes after them, empty the kernel's queue before they let go of it. */
export const emptying = (transport: Transport.Transport["Service"], isLast: () => boolean) =>
  Transport.Transport.of({
    ...transport,
    listen: (local, options) =>
      Effect.map(transport.listen(local, options), (listener) => ({
        ...listener,
        drain: Effect.suspend(() => isLast() ? Effect.andThen(quiet(listener), listener.drain) : listener.drain)
      }))
  })
