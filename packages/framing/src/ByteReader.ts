/**
 * The bytes of one direction that have arrived and have not been taken yet.
 *
 * The connection owns it and codecs borrow it: what one codec leaves, the next one finds.
 *
 * ```text
 *          offset (in the stream)
 *          |
 * chunks   [ . . . . . . ][ . . . ][ . . . . ]      ended?
 *          0 1 2 3 ...               length - 1
 * ```
 *
 * @since 0.1.0
 */
import { more, type More } from "./internal/more.ts"

const empty = new Uint8Array(0)

// Below this a chunk that has to wait behind others is copied to a common one, so that a peer that sends byte by byte
// can make neither a long list nor a slow search.
const smallChunk = 4096

/**
 * A queue of bytes with positions counted from the first byte not taken.
 *
 * Taking never copies what lies in one chunk: the frame is then a view of the chunk, which belongs to the reader alone.
 *
 * @category models
 * @since 0.1.0
 */
export class ByteReader {
  /** Bytes that wait. */
  length = 0
  /** Bytes taken since the stream began: where the next byte stands in it. */
  offset = 0
  /** No byte will follow those that wait. */
  ended = false
  /** Bytes that the last step asked for, counted from `offset`; 0 where it could not know. */
  needed = 0

  #head: Uint8Array = empty
  #start = 0
  #tail: Array<Uint8Array> = []
  // The last chunk of #tail when it is ours to append to: its buffer, and how much of it is used.
  #spare: Uint8Array = empty
  #used = 0

  /** Adds a chunk at the end. The reader keeps it: do not change it afterwards. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.length += chunk.length
    if (this.#start === this.#head.length && this.#tail.length === 0) {
      this.#head = chunk
      this.#start = 0
    } else if (chunk.length >= smallChunk) {
      this.#tail.push(chunk)
      this.#spare = empty
    } else {
      this.#append(chunk)
    }
  }

  /** Says that the stream is over. */
  end(): void {
    this.ended = true
  }

  /** What a step returns when the bytes do not make a frame yet: at least `total` have to wait, if it can tell. */
  need(total = 0): More {
    this.needed = total
    return more
  }

  /** The byte at `index`, which must be below `length`. */
  at(index: number): number {
    const inHead = this.#start + index
    if (inHead < this.#head.length) return this.#head[inHead]!
    let left = inHead - this.#head.length
    for (const chunk of this.#tail) {
      if (left < chunk.length) return chunk[left]!
      left -= chunk.length
    }
    throw new RangeError(`byte ${index} of ${this.length}`)
  }

  /** The unsigned integer of `width` bytes (1 to 6, so that it is exact) at `index`. */
  uint(index: number, width: number, littleEndian: boolean): number {
    let value = 0
    for (let i = 0; i < width; i++) {
      value = value * 256 + this.at(index + (littleEndian ? width - 1 - i : i))
    }
    return value
  }

  /** Where `byte` is at or after `from`; -1 where it is not. */
  indexOf(byte: number, from = 0): number {
    let before = this.#head.length - this.#start
    if (from < before) {
      const found = this.#head.indexOf(byte, this.#start + from)
      if (found >= 0) return found - this.#start
    }
    for (const chunk of this.#tail) {
      if (from < before + chunk.length) {
        const found = chunk.indexOf(byte, Math.max(0, from - before))
        if (found >= 0) return before + found
      }
      before += chunk.length
    }
    return -1
  }

  /** Takes the next `size` bytes. They belong to the caller. */
  take(size: number): Uint8Array {
    this.#check(size)
    const end = this.#start + size
    if (end <= this.#head.length) {
      const taken = this.#head.subarray(this.#start, end)
      this.#advance(size)
      return taken
    }
    const taken = new Uint8Array(size)
    for (let filled = 0; filled < size;) {
      const part = this.#head.subarray(this.#start, this.#start + size - filled)
      taken.set(part, filled)
      filled += part.length
      this.#advance(part.length)
    }
    return taken
  }

  /** A copy of the next bytes, `size` at most, which stay. */
  peek(size: number): Uint8Array {
    return Uint8Array.from({ length: Math.min(size, this.length) }, (_, index) => this.at(index))
  }

  /** Drops the next `size` bytes. */
  skip(size: number): void {
    this.#check(size)
    for (let left = size; left > 0;) {
      const part = Math.min(left, this.#head.length - this.#start)
      left -= part
      this.#advance(part)
    }
  }

  #check(size: number): void {
    if (size > this.length) throw new RangeError(`${size} bytes asked for, ${this.length} wait`)
  }

  #advance(size: number): void {
    this.#start += size
    this.offset += size
    this.length -= size
    if (this.#start === this.#head.length) {
      this.#head = this.#tail.shift() ?? empty
      this.#start = 0
      // What becomes the head is never appended to again.
      if (this.#tail.length === 0) this.#spare = empty
    }
  }

  #append(chunk: Uint8Array): void {
    if (this.#spare.length - this.#used < chunk.length) {
      // Twice what the last one took, so that the number of chunks grows with the logarithm of the bytes.
      this.#spare = new Uint8Array(Math.max(smallChunk, 2 * this.#spare.length))
      this.#used = 0
      this.#tail.push(empty)
    }
    this.#spare.set(chunk, this.#used)
    this.#used += chunk.length
    this.#tail[this.#tail.length - 1] = this.#spare.subarray(0, this.#used)
  }
}

/**
 * A reader without bytes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (): ByteReader => new ByteReader()
