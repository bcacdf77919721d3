// Waiting for what the kernel still holds for a socket that reads.
import type * as Net from "node:net"

/** How many bytes a peer that keeps sending is followed for. Of TLS a turn of the loop brings up to 2 MiB (libuv). */
export const maxBytes = 1_048_576
const maxTurns = 16

/**
 * Calls `then` when two turns of the loop, and so one whole poll of the kernel, have brought nothing, when a peer that never
 * stops has been followed for long enough, or when it is over.
 */
export const untilQuiet = (socket: Net.Socket, isOver: () => boolean, then: () => void): void => {
  let turns = 0
  let quiet = 0
  let before = socket.bytesRead
  const turn = () => {
    quiet = socket.bytesRead === before ? quiet + 1 : 0
    before = socket.bytesRead
    if (isOver() || ++turns >= maxTurns || quiet >= 2) then()
    else setImmediate(turn)
  }
  setImmediate(turn)
}
