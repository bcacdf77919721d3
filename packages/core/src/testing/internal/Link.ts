// Two pipes, one each way, and the two ends that a Connection stands on.
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Address from "../../Address.ts"
import type { Wire } from "../../internal/WireConnection.ts"
import * as TransportReason from "../../TransportReason.ts"
import type { Medium } from "./Medium.ts"
import { Pipe } from "./Pipe.ts"

export interface End {
  readonly wire: Wire
  /** RST, at once. */
  readonly abort: () => void
  /** No byte, FIN or RST goes either way any more, and neither end is told. */
  readonly vanish: () => void
}

export interface Addresses {
  readonly dialler: Address.Address
  readonly listener: Address.Address
}

const reset = () => new TransportReason.ConnectionReset({ code: "ECONNRESET" })

/** `resetAfter`: bytes of both directions that arrive before it breaks. */
export const make = (
  medium: Medium,
  name: string,
  addresses: Addresses,
  resetAfter: number
): Effect.Effect<{ readonly dialler: End; readonly listener: End }> =>
  Effect.gen(function*() {
    const isUnix = Address.isUnix(addresses.listener)
    const freed = { dialler: false, listener: false }
    let left = resetAfter

    type Side = keyof typeof freed
    const other = (side: Side): Side => side === "dialler" ? "listener" : "dialler"

    const breakDown = () => {
      for (const pipe of [pipes.dialler, pipes.listener]) {
        pipe.discard()
        pipe.break(reset())
        pipe.finish(reset())
      }
    }
    /** What comes to this side. */
    const receiver = (side: Side) => ({
      onBytes: (bytes: Uint8Array) => {
        // The socket is gone: TCP answers with RST, and who writes to a Unix socket gets EPIPE.
        if (freed[side]) return pipes[side].reset(isUnix ? new TransportReason.BrokenPipe({ code: "EPIPE" }) : reset())
        const incoming = pipes[other(side)]
        if (bytes.length < left) {
          left -= bytes.length
          return incoming.push(bytes)
        }
        const last = bytes.subarray(0, left)
        left = Infinity
        incoming.push(last)
        breakDown()
      },
      onReset: (reason: TransportReason.TransportReason) => {
        pipes[side].discard()
        pipes[side].break(reason)
      }
    })

    /** By who writes into it. */
    const pipes = {
      dialler: new Pipe(medium, yield* medium.random(`${name}/out`), receiver("listener")),
      listener: new Pipe(medium, yield* medium.random(`${name}/in`), receiver("dialler"))
    }

    const free = (side: Side, gracefully: boolean) => {
      if (freed[side]) return
      freed[side] = true
      const incoming = pipes[other(side)]
      const outgoing = pipes[side]
      const unread = incoming.arrived.length > 0
      incoming.arrived = []
      // Once FIN is on the wire, the kernel goes on without us.
      if (gracefully || outgoing.finSent && !unread) return
      if (isUnix && !unread) outgoing.fin()
      else outgoing.reset(reset())
    }
    const pull = (incoming: Pipe): Wire["pull"] =>
      Effect.suspend(() => {
        if (incoming.arrived.length > 0) {
          const batch = incoming.take()
          if (Arr.isArrayNonEmpty(batch)) return Effect.succeed(batch)
        }
        if (incoming.end === "fin") return Effect.fail(Cause.Done())
        if (incoming.end !== undefined) return Effect.fail(incoming.end)
        return Effect.andThen(readable(incoming), pull(incoming))
      })
    const readable = (incoming: Pipe) =>
      Effect.callback<void>((resume) => {
        // The runtime may have yielded since somebody looked.
        if (incoming.arrived.length > 0 || incoming.end !== undefined) return resume(Effect.void)
        incoming.onReadable = () => {
          incoming.onReadable = undefined
          resume(Effect.void)
        }
        return Effect.sync(() => incoming.onReadable = undefined)
      })
    const endOf = (side: Side): End => ({
      wire: {
        local: addresses[side],
        remote: addresses[other(side)],
        halfClose: "both",
        lends: true,
        pull: pull(pipes[other(side)]),
        write: (chunks) =>
          Effect.callback((resume) => {
            const stop = pipes[side].write(
              chunks,
              (failure) => resume(failure === undefined ? Effect.void : Effect.fail(failure))
            )
            return Effect.sync(stop)
          }),
        finish: Effect.sync(() => pipes[side].fin()),
        free: (gracefully) => Effect.sync(() => free(side, gracefully))
      },
      abort: () => free(side, false),
      vanish: () => {
        pipes.dialler.dead = true
        pipes.listener.dead = true
      }
    })
    return { dialler: endOf("dialler"), listener: endOf("listener") }
  })
