// Clients that ask again as soon as they are answered, come back when the server says goodbye, and count everything.
import type { Address } from "@framewire/core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"
import { eventually } from "./index.ts"

export interface Tally {
  /** Connections that were established. */
  connected: number
  answered: number
  /** The server's end came, or a reset, and a request was without its answer. */
  lost: number
  goodbyes: number
  /** Connections without an answer or a goodbye, by errno. */
  readonly errors: Record<string, number>
}

export interface Regulars {
  readonly tally: Tally
  /** Each asks no more; suspends until all are answered and have left. */
  readonly leave: Effect.Effect<void>
}

/** The scope destroys what is left of them. */
export const come = (address: Address.TcpAddress, count: number): Effect.Effect<Regulars, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const sockets = new Set<Net.Socket>()
        const tally: Tally = { connected: 0, answered: 0, lost: 0, goodbyes: 0, errors: {} }
        let leaving = false

        const visit = (who: number): void => {
          const socket = Net.connect({ ...address, noDelay: true })
          sockets.add(socket)
          let asked: string | undefined
          let count = 0
          let rest = ""
          let over = false
          const ask = () => {
            asked = `${who}:${count++}`
            socket.write(`${asked}\n`)
          }
          const read = (line: string) => {
            if (line === "bye") {
              tally.goodbyes++
              over = true
            } else {
              if (line !== asked) throw new Error(`${asked} was answered by ${line}`)
              tally.answered++
              asked = undefined
            }
            over ||= leaving
            if (asked !== undefined) return
            if (over) socket.end()
            else ask()
          }
          socket.on("connect", () => {
            tally.connected++
            ask()
          })
          socket.on("data", (chunk) => {
            const parts = `${rest}${String(chunk)}`.split("\n")
            rest = parts.pop() ?? ""
            parts.forEach(read)
          })
          socket.on("error", (error: NodeJS.ErrnoException) => {
            const code = error.code ?? error.message
            tally.errors[code] = (tally.errors[code] ?? 0) + 1
          })
          socket.on("close", () => {
            sockets.delete(socket)
            if (asked !== undefined && !socket.connecting) tally.lost++
            if (!leaving) setImmediate(visit, who)
          })
        }
        for (let who = 0; who < count; who++) visit(who)
        const leave = () => {
          leaving = true
        }
        return { tally, sockets, leave }
      }),
      ({ leave, sockets }) =>
        Effect.sync(() => {
          leave()
          for (const socket of sockets) socket.destroy()
        })
    ),
    ({ leave, sockets, tally }) => ({
      tally,
      leave: Effect.andThen(Effect.sync(leave), eventually(() => sockets.size === 0))
    })
  )
