// How a socket is freed: after its peer has finished, or no longer than a linger, or at once with RST.
import type * as Net from "node:net"
import { TLSSocket } from "node:tls"

// What closing still takes from a peer that keeps sending, before it stops waiting for the peer's FIN.
const maxDiscard = 65_536

/**
 * Frees the socket at once, but not in the one turn of the loop in which FIN is being sent: libuv refuses RST then (EINVAL),
 * and node:net forgets the descriptor.
 */
export const afterFin = (socket: Net.Socket, free: () => void): void => {
  const sending = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0
  if (sending && !socket.destroyed) socket.once("finish", free)
  else free()
}

/** RST is TCP's; a Unix domain socket has none, and its peer sees the end. */
export const reset = (tcp: Net.Socket, isUnix: boolean): void => {
  if (isUnix) tcp.destroy()
  else tcp.resetAndDestroy()
}

/** Sends FIN behind what waits, and discards what still comes. */
export class Linger {
  #discarded = 0
  readonly #timer: NodeJS.Timeout | undefined
  readonly #expire: () => void

  /** `onExpired` when the peer has not finished in time, or sends too much. */
  constructor(socket: Net.Socket, millis: number, onExpired: () => void) {
    this.#expire = () => afterFin(socket, onExpired)
    // Nothing depends on the peer any more. TLS has a word of its own to send.
    const isLast = socket.readableEnded && socket.writableLength === 0 && !(socket instanceof TLSSocket)
    socket.end()
    socket.resume()
    if (!isLast) this.#timer = setTimeout(this.#expire, millis)
  }

  discard(bytes: number): void {
    if (this.#discarded > maxDiscard) return
    this.#discarded += bytes
    if (this.#discarded > maxDiscard) this.#expire()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}
