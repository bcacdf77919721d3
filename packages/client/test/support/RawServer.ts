// A server on bare node:net that does only what a test tells it to, and keeps what came.
import type { Address } from "@framewire/core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"

export interface RawServer {
  readonly address: Address.Address
  /** Everything that arrived, of all connections. */
  readonly text: () => string
  /** The lines of it. */
  readonly lines: () => ReadonlyArray<string>
  /** How many data events brought it. */
  readonly chunks: () => number
  /** The sockets that were accepted, in order. */
  readonly sockets: ReadonlyArray<Net.Socket>
}

export interface RawServerOptions {
  /** For each accepted socket, which reads unless it is paused here. */
  readonly onConnection?: (socket: Net.Socket) => void
  /** For each line, without its end. */
  readonly onLine?: (line: string, socket: Net.Socket) => void
  /** Leaves everything in the kernel. */
  readonly reads?: boolean
  /** Answers FIN by FIN. Default true. */
  readonly finishes?: boolean
}

/** Listens on a free port. The scope closes it and destroys what it accepted. */
export const make = ({ finishes = true, onConnection, onLine, reads = true }: RawServerOptions = {}): Effect.Effect<
  RawServer,
  never,
  Scope.Scope
> =>
  Effect.acquireRelease(
    Effect.callback<{ readonly server: Net.Server; readonly raw: RawServer }>(
      (resume) => {
        let text = ""
        let chunks = 0
        const sockets: Array<Net.Socket> = []
        const server = Net.createServer(
          { allowHalfOpen: !finishes, noDelay: true, pauseOnConnect: !reads },
          (socket) => {
            sockets.push(socket)
            // A reset is what some tests are about.
            socket.on("error", () => {})
            let unfinished = ""
            if (reads) {
              socket.on("data", (chunk) => {
                chunks++
                text += String(chunk)
                const parts = (unfinished + String(chunk)).split("\n")
                unfinished = parts.pop()!
                for (const part of parts) onLine?.(part, socket)
              })
            }
            onConnection?.(socket)
          }
        )
        server.listen({ host: "127.0.0.1", port: 0 }, () => {
          const { port } = server.address() as Net.AddressInfo
          resume(Effect.succeed({
            server,
            raw: {
              address: { host: "127.0.0.1", port },
              text: () => text,
              lines: () => text.split("\n").slice(0, -1),
              chunks: () => chunks,
              sockets
            }
          }))
        })
      }
    ),
    ({ raw, server }) =>
      Effect.sync(() => {
        for (const socket of raw.sockets) socket.destroy()
        server.close()
      })
  ).pipe(Effect.map(({ raw }) => raw))
