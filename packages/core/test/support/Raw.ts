// The other end, on bare node:net: it does only what a test tells it to, and shares no mistake of ours.
import type { Address } from "@framewire/core"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"

export interface Options {
  /** Read from the start. Default true. */
  readonly reads?: boolean | undefined
}

export interface Peer {
  readonly socket: Net.Socket
  /** What has come, as text. */
  readonly text: () => string
  /** How many bytes have come. */
  readonly size: () => number
  readonly write: (data: string | Uint8Array) => Effect.Effect<void>
  /** Sends FIN. */
  readonly end: Effect.Effect<void>
  /** Sends RST. */
  readonly reset: Effect.Effect<void>
  /** Starts to read. */
  readonly read: Effect.Effect<void>
  readonly receivedBytes: (size: number) => Effect.Effect<string>
  /** The FIN, or the errno that came instead. */
  readonly ended: Effect.Effect<string>
}

const make = (socket: Net.Socket, reads = true): Peer => {
  const chunks: Array<Uint8Array> = []
  let size = 0
  let ended: string | undefined
  const waiting = new Set<() => void>()
  const changed = () => waiting.forEach((check) => check())
  const until = <A>(poll: () => A | undefined): Effect.Effect<A> =>
    Effect.callback((resume) => {
      const check = () => {
        const found = poll()
        if (found === undefined) return
        waiting.delete(check)
        resume(Effect.succeed(found))
      }
      waiting.add(check)
      check()
      return Effect.sync(() => waiting.delete(check))
    })
  const endedBy = (how: string) => {
    ended ??= how
    changed()
  }
  socket.on("end", () => endedBy("FIN"))
  socket.on("error", (error: NodeJS.ErrnoException) => endedBy(error.code ?? error.message))
  socket.on("close", () => endedBy("close"))
  const read = () => {
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk)
      size += chunk.length
      changed()
    })
    socket.resume()
  }
  if (reads) read()
  const text = () => String(Buffer.concat(chunks))
  return {
    socket,
    text,
    size: () => size,
    write: (data) => Effect.sync(() => void socket.write(data)),
    end: Effect.sync(() => void socket.end()),
    reset: Effect.sync(() => void socket.resetAndDestroy()),
    read: Effect.sync(read),
    receivedBytes: (wanted) => until(() => size >= wanted ? text() : undefined),
    ended: until(() => ended)
  }
}

export interface Server {
  readonly address: Address.Address
  readonly next: Effect.Effect<Peer>
}

/** Listens on any free port, or where told. The scope destroys it and everything that it accepted. */
export const listen = (
  options?: Options & { readonly at?: Address.Address; readonly backlog?: number }
): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.gen(function*() {
    const peers = yield* Queue.unbounded<Peer>()
    const open = new Set<Net.Socket>()
    const server = Net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
      open.add(socket)
      socket.on("close", () => open.delete(socket))
      Queue.offerUnsafe(peers, make(socket, options?.reads))
    })
    const at = options?.at ?? { host: "127.0.0.1", port: 0 }
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => {
        server.once("error", (error) => resume(Effect.die(error)))
        server.listen({ ...at, backlog: options?.backlog }, () => resume(Effect.void))
      }),
      () =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const socket of open) socket.destroy()
        })
    )
    const bound = server.address()
    const address = typeof bound === "object" && bound !== null ? { host: bound.address, port: bound.port } : at
    return { address, next: Queue.take(peers) }
  })

/** Connects. The scope destroys it. */
export const connect = (address: Address.Address, options?: Options): Effect.Effect<Peer, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Net.Socket>((resume) => {
      const socket = Net.connect({ ...address, allowHalfOpen: true, noDelay: true })
      const failed = (error: Error) => resume(Effect.die(error))
      socket.once("error", failed)
      socket.once("connect", () => {
        socket.off("error", failed)
        socket.pause()
        resume(Effect.succeed(socket))
      })
    }),
    (socket) => Effect.sync(() => socket.destroy())
  ).pipe(Effect.map((socket) => make(socket, options?.reads)))

/** A port of 127.0.0.1 where nobody listens. */
export const freePort: Effect.Effect<number> = Effect.scoped(
  Effect.map(listen(), ({ address }) => "port" in address ? address.port : -1)
)
