// What a connection could wait for without end, and since when it does.
import type * as Net from "node:net"
import type { ConnectionState } from "../../ConnectionState.ts"
import * as TransportReason from "../../TransportReason.ts"
import type { Settings } from "./settings.ts"

/** Which direction a wait was for, and why it is over. */
export interface Stall {
  readonly direction: "send" | "receive"
  readonly reason: TransportReason.TimedOut
}

const stall = (direction: Stall["direction"], afterMillis: number, waitedFor: string): Stall => ({
  direction,
  reason: new TransportReason.TimedOut({ afterMillis, waitedFor })
})

/**
 * Bytes of the write under way that the kernel has not taken. Only the handle knows: `writableLength` stands still until
 * the whole write is done. A private field of node:net, as its own timeouts use it; without it, whole writes are progress.
 */
const queued = (tcp: Net.Socket): number => {
  const handle: unknown = Reflect.get(tcp, "_handle")
  const size: unknown = typeof handle === "object" && handle !== null ? Reflect.get(handle, "writeQueueSize") : 0
  return typeof size === "number" ? size : 0
}

/** The three waits of a connection, looked at from time to time. A time of 0 says that it does not wait. */
export class Stalls {
  #writing = 0
  #unsent = 0
  #queued = 0
  #halfClosed = 0
  #received = 0
  #full = 0

  /** A write is done: what waits now began to wait anew. */
  wrote(): void {
    this.#writing = 0
  }

  /** A wait that is over, or whether there is one at all. `isFull`: nothing is read because nobody receives. */
  check(
    now: number,
    socket: Net.Socket,
    tcp: Net.Socket,
    state: ConnectionState,
    isFull: boolean,
    settings: Settings
  ): Stall | boolean {
    const unsent = socket.writableLength
    if (unsent > 0) {
      const waiting = queued(tcp)
      if (this.#writing === 0 || unsent < this.#unsent || waiting < this.#queued) this.#writing = now
      this.#unsent = unsent
      this.#queued = waiting
      if (now - this.#writing >= settings.writeMillis) {
        return stall("send", settings.writeMillis, "the peer to take a byte")
      }
    } else this.#writing = 0

    if (state._tag === "WriteClosed" && !isFull) {
      if (this.#halfClosed === 0 || socket.bytesRead > this.#received) this.#halfClosed = now
      this.#received = socket.bytesRead
      if (now - this.#halfClosed >= settings.halfCloseMillis) {
        return stall("receive", settings.halfCloseMillis, "the peer's FIN")
      }
    } else this.#halfClosed = 0

    if (isFull) {
      if (this.#full === 0) this.#full = now
      if (now - this.#full >= settings.readStallMillis) {
        return stall("receive", settings.readStallMillis, "somebody to receive")
      }
    } else this.#full = 0

    return unsent > 0 || state._tag === "WriteClosed" || isFull
  }
}
