// A peer on bare node:net that does only what a test tells it to: no codec, no FIN of its own.
import type { Address } from "@framewire/core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"

export interface RawClient {
  readonly socket: Net.Socket
  /** What each data event brought. */
  readonly chunks: ReadonlyArray<string>
  readonly write: (text: string) => void
  /** Suspends until so much has come, and gives everything that has. */
  readonly received: (bytes: number) => Effect.Effect<string>
  /** The server's FIN, and everything before it; the errno name where RST comes instead. */
  readonly ended: Effect.Effect<string, string>
  /** Why it was freed: the errno name, or "end". */
  readonly closed: Effect.Effect<string>
}

const codeOf = (error: NodeJS.ErrnoException) => error.code ?? error.message

const wrap = (socket: Net.Socket, reads: boolean): RawClient => {
  const chunks: Array<string> = []
  const waiting = new Set<() => void>()
  let fin = false
  let outcome: string | undefined
  const happened = () => {
    for (const check of waiting) check()
  }
  socket.on("end", () => {
    fin = true
    happened()
  })
  socket.on("error", (error) => {
    outcome = codeOf(error)
  })
  socket.on("close", () => {
    outcome ??= "end"
    happened()
  })
  if (reads) {
    socket.on("data", (chunk) => {
      chunks.push(String(chunk))
      happened()
    })
  }

  const until = <A, E = never>(poll: () => Effect.Effect<A, E> | undefined): Effect.Effect<A, E> =>
    Effect.callback((resume) => {
      const check = () => {
        const found = poll()
        if (found === undefined) return
        waiting.delete(check)
        resume(found)
      }
      waiting.add(check)
      check()
      return Effect.sync(() => waiting.delete(check))
    })
  const text = () => chunks.join("")
  return {
    socket,
    chunks,
    write: (sent) => socket.write(sent),
    received: (bytes) => until(() => text().length >= bytes ? Effect.succeed(text()) : undefined),
    ended: until(() => {
      if (fin) return Effect.succeed(text())
      return outcome === undefined ? undefined : Effect.fail(outcome)
    }),
    closed: until(() => outcome === undefined ? undefined : Effect.succeed(outcome))
  }
}

/**
 * Connects; fails with the errno name. The scope destroys it. `reads: false` leaves everything in the kernel, `finishes`
 * answers FIN by FIN.
 */
export const connect = (
  address: Address.Address,
  { finishes = false, reads = true }: { readonly reads?: boolean; readonly finishes?: boolean } = {}
): Effect.Effect<RawClient, string, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<RawClient, string>((resume) => {
      const socket = Net.connect({ ...address, allowHalfOpen: !finishes, noDelay: true })
      const onError = (error: Error) => resume(Effect.fail(codeOf(error)))
      socket.once("error", onError)
      socket.once("connect", () => {
        socket.off("error", onError)
        resume(Effect.succeed(wrap(socket, reads)))
      })
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )
