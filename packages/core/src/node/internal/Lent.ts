// What every socket of this thread reads into, lent to whoever handles the bytes at once. With a buffer a read, as node:net
// has it, V8 marks the whole heap each time that they add up to its limit for memory outside of it.
import type * as Net from "node:net"

// Four times what node:net reads at a time: large frames lie whole in it more often, which halves what they cost. It is also what a
// peer can make us hold beyond the high-water mark, so it is no larger.
const size = 262_144

/** Bytes in front of what is read, for who it is lent to: the rest of a frame in front of a whole read. */
export const headroom = size

const buffer = Buffer.allocUnsafeSlow(headroom + size).subarray(headroom)

/** Whether the next read of any socket changes it. */
const isLent = (chunk: Uint8Array): boolean => chunk.buffer === buffer.buffer

/** For a socket to read into it. */
export const onread = (callback: (this: Net.Socket, size: number, buffer: Uint8Array) => boolean): Net.OnReadOpts => ({
  buffer,
  callback
})

// Twice the headroom and a read: all that can be lent at once, and as much beside it.
const room = 2 * (headroom + size)

// Where bytes stand that are copied to be sent: lent ones, and small ones beside others. What the kernel has taken at once is free
// for the next; the rest stays.
let sending = Buffer.allocUnsafeSlow(room)
let used = 0

// To copy a smaller chunk costs less than a piece of its own.
const byReference = 4096

/** The same bytes in as few pieces as can be, and none that is lent. */
const joined = (chunks: ReadonlyArray<Uint8Array>): ReadonlyArray<Uint8Array> => {
  const pieces: Array<Uint8Array> = []
  let from = used
  const end = () => {
    if (used > from) pieces.push(sending.subarray(from, used))
    from = used
  }
  for (const chunk of chunks) {
    if (chunk.length >= byReference && !isLent(chunk)) {
      end()
      pieces.push(chunk)
      continue
    }
    if (used + chunk.length > room) {
      end()
      sending = Buffer.allocUnsafeSlow(room)
      used = 0
      from = 0
    }
    sending.set(chunk, used)
    used += chunk.length
  }
  end()
  return pieces
}

/** Writes the chunks as one, and none that is lent. Whether the kernel has taken them all. */
export const write = (socket: Net.Socket, chunks: ReadonlyArray<Uint8Array>): boolean => {
  const before = sending
  const free = used
  const pieces = chunks.length === 1 && !isLent(chunks[0]!) ? chunks : joined(chunks)
  if (pieces.length === 1) socket.write(pieces[0]!)
  else {
    socket.cork()
    for (const piece of pieces) socket.write(piece)
    socket.uncork()
  }
  // A write that failed at once leaves nothing waiting either, but its error.
  const isTaken = socket.writableLength === 0 && socket.errored === null
  if (isTaken) used = sending === before ? free : 0
  return isTaken
}
