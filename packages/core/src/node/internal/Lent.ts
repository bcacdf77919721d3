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

// Where lent bytes stand while they are sent. What the kernel has taken at once is free for the next; the rest stays.
let sending = Buffer.allocUnsafeSlow(size)
let used = 0

const kept = (chunk: Uint8Array): Uint8Array => {
  if (!isLent(chunk)) return chunk
  if (used + chunk.length > size) {
    sending = Buffer.allocUnsafeSlow(size)
    used = 0
  }
  sending.set(chunk, used)
  used += chunk.length
  return sending.subarray(used - chunk.length, used)
}

/** Writes the chunks as one, and none that is lent. Whether the kernel has taken them all. */
export const write = (socket: Net.Socket, chunks: ReadonlyArray<Uint8Array>): boolean => {
  const before = sending
  const free = used
  if (chunks.length === 1) socket.write(kept(chunks[0]!))
  else {
    socket.cork()
    for (const chunk of chunks) socket.write(kept(chunk))
    socket.uncork()
  }
  // A write that failed at once leaves nothing waiting either, but its error.
  const isTaken = socket.writableLength === 0 && socket.errored === null
  if (isTaken) used = sending === before ? free : 0
  return isTaken
}
