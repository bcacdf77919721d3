// TCP by node:net alone, for the other end of the command: it must not share our mistakes.
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { randomInt } from "node:crypto"
import * as net from "node:net"
import * as Progress from "./Progress.ts"

export interface Ended {
  readonly text: string
  /** How the peer ended it: by FIN, or by an error such as ECONNRESET. */
  readonly by: string
}

export interface Socket {
  readonly localPort: number
  readonly write: (data: string | Uint8Array) => Effect.Effect<void>
  /** Sends FIN; what the peer still sends is received. */
  readonly end: Effect.Effect<void>
  /** Sends RST. */
  readonly reset: Effect.Effect<void>
  /** What has been received, once it is `size` bytes or more. */
  readonly received: (size: number) => Effect.Effect<string>
  readonly ended: Effect.Effect<Ended>
}

const make = (socket: net.Socket): Socket => {
  const chunks: Array<Buffer> = []
  let size = 0
  let by: string | undefined
  const text = () => Buffer.concat(chunks).toString()
  const progress = Progress.make({ over: () => by && `ended by ${by}`, soFar: text })
  const endedBy = (how: string) => {
    by ??= how
    progress.look()
  }
  socket.on("data", (chunk: Buffer) => {
    chunks.push(chunk)
    size += chunk.length
    progress.look()
  })
  socket.on("end", () => endedBy("FIN"))
  socket.on("error", (error: NodeJS.ErrnoException) => endedBy(error.code ?? error.message))
  socket.on("close", () => endedBy("close"))
  return {
    localPort: socket.localPort ?? -1,
    write: (data) => Effect.sync(() => void socket.write(data)),
    end: Effect.sync(() => void socket.end()),
    reset: Effect.sync(() => void socket.resetAndDestroy()),
    received: (wanted) => progress.until(`${wanted} bytes`, () => size >= wanted ? text() : undefined),
    ended: progress.until("the end", () => by === undefined ? undefined : { text: text(), by })
  }
}

const bind = (port: number, serve: (socket: net.Socket) => void): Effect.Effect<number, string, Scope.Scope> =>
  Effect.suspend(() => {
    const open = new Set<net.Socket>()
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      open.add(socket)
      socket.on("close", () => open.delete(socket))
      // The command may reset the connection: what it says about that is what the test looks at.
      socket.on("error", () => {})
      serve(socket)
    })
    return Effect.acquireRelease(
      Effect.callback<number, string>((resume) => {
        server.on("error", (error: NodeJS.ErrnoException) => resume(Effect.fail(error.code ?? error.message)))
        server.listen(port, "127.0.0.1", () => resume(Effect.succeed((server.address() as net.AddressInfo).port)))
      }),
      () =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const socket of open) socket.destroy()
        })
    )
  })

/** Connects to a port of 127.0.0.1; fails with the errno. */
export const connect = (port: number): Effect.Effect<Socket, string, Scope.Scope> =>
  Effect.callback<net.Socket, string>((resume) => {
    const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true })
    const refused = (error: NodeJS.ErrnoException) => resume(Effect.fail(error.code ?? error.message))
    socket.once("error", refused)
    socket.once("connect", () => {
      socket.off("error", refused)
      resume(Effect.succeed(socket))
    })
  }).pipe(
    (socket) => Effect.acquireRelease(socket, (socket) => Effect.sync(() => socket.destroy())),
    Effect.map(make)
  )

/** Listens on a free port of 127.0.0.1, and gives every connection to the function. */
export const listen = (serve: (socket: net.Socket) => void): Effect.Effect<number, never, Scope.Scope> =>
  Effect.orDie(bind(0, serve))

/** Takes a free port below those that connections get, so that it is free as long as nobody asks for it. */
export const reserve: Effect.Effect<number, never, Scope.Scope> = Effect.suspend(() =>
  bind(10_000 + randomInt(20_000), () => {})
).pipe(Effect.retry({ times: 100 }), Effect.orDie)

/** A port of 127.0.0.1 that refuses, and that nobody can take meanwhile: a connection has it, and does not listen. */
export const refusing: Effect.Effect<number, never, Scope.Scope> = listen(() => {}).pipe(
  Effect.flatMap(connect),
  Effect.map(({ localPort }) => localPort),
  Effect.orDie
)

/** Suspends until nobody listens on the port, without a connection to who does. */
export const closed = (port: number): Effect.Effect<void> =>
  Effect.scoped(bind(port, () => {})).pipe(
    Effect.retry(Schedule.spaced("20 millis")),
    Effect.timeout("10 seconds"),
    Effect.orDie,
    Effect.asVoid
  )

/** A port that was free a moment ago: the examples have to be told one. */
export const freePort: Effect.Effect<number> = Effect.callback((resume) => {
  const server = net.createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})
