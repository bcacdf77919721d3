// Happy Eyeballs, RFC 8305, section 5: the starts of the attempts are staggered, and the first that connects wins.
import type * as Net from "node:net"
import type * as Address from "../../Address.ts"
import type { Attempt } from "../../TransportError.ts"
import * as TransportReason from "../../TransportReason.ts"

/** What a race needs of its caller. */
export interface Course {
  /** At least one, in the order of their starts. */
  readonly remotes: ReadonlyArray<Address.Address>
  readonly delayMillis: number
  /** Begins to connect. It must not throw; the error comes as an event. */
  readonly open: (remote: Address.Address) => Net.Socket
  /** The first that connected; every other one is destroyed. */
  readonly onWinner: (socket: Net.Socket, remote: Address.Address) => void
  /** All have failed. */
  readonly onLost: (attempts: ReadonlyArray<Attempt>) => void
}

export interface Race {
  /** Destroys every socket and gives what was tried so far; `pending` is the reason of those that had not ended. */
  readonly cancel: (pending: TransportReason.TransportReason) => ReadonlyArray<Attempt>
}

interface Runner {
  readonly remote: Address.Address
  readonly socket: Net.Socket
  reason: TransportReason.TransportReason | undefined
}

export const race = ({ delayMillis, onLost, onWinner, open, remotes }: Course): Race => {
  const runners: Array<Runner> = []
  let next: NodeJS.Timeout | undefined
  let over = false

  const attempts = (pending: TransportReason.TransportReason): ReadonlyArray<Attempt> =>
    runners.map(({ reason = pending, remote }) => ({ remote, reason }))

  const end = (winner?: Net.Socket) => {
    over = true
    clearTimeout(next)
    for (const { socket } of runners) if (socket !== winner) socket.destroy()
  }

  const start = () => {
    clearTimeout(next)
    const remote = remotes[runners.length]
    if (remote === undefined) return
    const runner: Runner = { remote, socket: open(remote), reason: undefined }
    runners.push(runner)
    // From this start, not the first: one that was brought forward by a failure has its whole delay, too.
    if (runners.length < remotes.length) next = setTimeout(start, delayMillis)
    const { socket } = runner
    const onError = (cause: unknown) => {
      if (over) return
      runner.reason = TransportReason.fromCause(cause)
      if (runners.length < remotes.length) return start()
      if (runners.some(({ reason }) => reason === undefined)) return
      end()
      onLost(attempts(runner.reason))
    }
    socket.on("error", onError)
    socket.once("connect", () => {
      if (over) return
      end(socket)
      socket.off("error", onError)
      onWinner(socket, remote)
    })
  }
  start()

  return {
    cancel: (pending) => {
      end()
      return attempts(pending)
    }
  }
}
