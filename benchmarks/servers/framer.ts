// Frames in, frames out, by hand: decoded where they lie, answered in one piece a call. Nothing of framewire is in it.
const limit = 1_048_576

/** Gets what a connection receives, and returns what to write, if anything. */
export const framer = (): (chunk: Uint8Array) => Uint8Array | undefined => {
  let waiting: Array<Uint8Array> = []
  let size = 0
  let need = 4
  return (chunk) => {
    waiting.push(chunk)
    size += chunk.length
    if (size < need) return
    const bytes = waiting.length === 1
      ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
      : Buffer.concat(waiting, size)
    const frames: Array<Buffer> = []
    let at = 0
    let total = 0
    need = 4
    while (bytes.length - at >= 4) {
      const length = bytes.readUInt32BE(at)
      if (length > limit) throw new Error(`a frame of ${length} bytes`)
      need = 4 + length
      if (bytes.length - at < need) break
      frames.push(bytes.subarray(at + 4, at + need))
      at += need
      total += need
      need = 4
    }
    waiting = at < bytes.length ? [bytes.subarray(at)] : []
    size = bytes.length - at
    if (frames.length === 0) return
    const out = Buffer.allocUnsafe(total)
    let end = 0
    for (const frame of frames) {
      out.writeUInt32BE(frame.length, end)
      out.set(frame, end + 4)
      end += 4 + frame.length
    }
    return out
  }
}
