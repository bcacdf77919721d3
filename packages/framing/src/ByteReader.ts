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
import { type More, more } from "./internal/more.ts"
import { Store } from "./internal/Store.ts"

const empty = new Uint8Array(0)

// Below this a chunk that has to wait behind others is copied to a common one, so that a peer that sends byte by byte
// can make neither a long list nor a slow search.
const smallChunk = 4096

/** A chunk that waits behind the head. */
interface Link {
  bytes: Uint8Array
  /** Where it begins in the stream. */
  readonly from: number
  next: Link | undefined
}

/**
 * A queue of bytes with positions counted from the first byte not taken.
 *
 * Taking never copies what lies in one chunk: the frame is then a view of the chunk, which belongs to the reader alone.
 *
 * **Limits**: it holds what was pushed and not taken; who pushes bounds it. Nothing is allocated for bytes that have not
 * come, but for the room behind joined small chunks, which is as much again at most, and 4 KiB at least.
 *
 * @category models
 * @since 0.1.0
 */
export class ByteReader {
  /** Bytes that wait. */
  length = 0
  /** No byte will follow those that wait. */
  ended = false
  /** Bytes that were discarded since the stream began. */
  discarded = 0
  /** Bytes that the last step asked for, counted from `offset`; 0 where it could not know. */
  needed = 0
  /**
   * Frames that were taken since the stream began, refused ones among them. `Decoder.run` counts them;
   * `Decoder.visit` does not, and leaves NaN.
   */
  frames = 0
  /** What waits is of a frame that is too long and goes by: nobody waits for its end. A step that skips says so. */
  skipping = false
  /** Frames that the fast form of a step may try at once: one after a frame that it could not take, then twice as many. */
  window = Number.POSITIVE_INFINITY
  /** The `offset` at which a step has asked for more. */
  stalled = -1

  #received = 0
  #head: Uint8Array = empty
  #start = 0
  #first: Link | undefined
  #last: Link | undefined
  // The farthest chunk that was looked into: a search that goes on where it stopped does not walk the list again.
  #farthest: Link | undefined
  // From here on in the stream the bytes are lent.
  #lentFrom = Number.POSITIVE_INFINITY
  // What `keep` copies a large head to; none where nothing waits: most connections are idle.
  #store: Store | undefined
  // The buffer behind the last chunk when it is ours to append to, and how much of it is used.
  #spare: Uint8Array = empty
  #used = 0

  /** Bytes taken since the stream began: where the next byte stands in it. */
  get offset(): number {
    return this.#received - this.length
  }

  /** Adds a chunk at the end. The reader keeps it: do not change it afterwards. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    if (this.length === 0) {
      this.#head = chunk
    } else if (chunk.length >= smallChunk) {
      this.#append(chunk)
      this.#spare = empty
    } else {
      this.#join(chunk)
    }
    this.length += chunk.length
    this.#received += chunk.length
  }

  /**
   * Adds a chunk until `keep`: what is taken of it meanwhile is a view of it, and changes with it. So many bytes in front of
   * it, its `headroom`, are in its buffer and may be overwritten until then: what waits moves there, if that is little work,
   * and lies in one piece with it.
   */
  lend(chunk: Uint8Array, headroom = 0): void {
    if (this.#fits(chunk, headroom)) return this.#lendBehind(chunk)
    const isJoined = this.length > 0 && chunk.length < smallChunk
    // What is joined is copied already, and once is enough.
    if (!isJoined) this.#lentFrom = Math.min(this.#lentFrom, this.#received)
    this.push(chunk)
  }

  /** Copies what still waits of the chunks that were lent. */
  keep(): void {
    const from = this.#lentFrom
    this.#lentFrom = Number.POSITIVE_INFINITY
    if (this.length === 0) this.#store = undefined
    if (this.length === 0 || this.#received <= from) return
    const isHeadLent = this.offset - this.#start >= from
    if (isHeadLent) {
      const head = this.#head.subarray(this.#start)
      // New memory costs a small one less than a view does.
      this.#head = head.length < smallChunk ? new Uint8Array(head) : (this.#store ??= new Store()).hold(head)
      this.#start = 0
    }
    const index = from - this.offset
    let link = index < this.#head.length - this.#start || this.#first === undefined ? this.#first : this.#seek(index)
    for (; link !== undefined; link = link.next) link.bytes = new Uint8Array(link.bytes)
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
    const position = this.#start + index
    if (index >= 0 && position < this.#head.length) return this.#head[position]!
    const link = this.#seek(index)
    return link.bytes[this.offset + index - link.from]!
  }

  /** The unsigned integer of `width` bytes (1 to 8) at `index`: exact up to 2^53 - 1, rounded above. */
  uint(index: number, width: number, littleEndian: boolean): number {
    const position = this.#start + index
    const head = this.#head
    const inHead = index >= 0 && position + width <= head.length
    let value = 0
    for (let i = 0; i < width; i++) {
      const place = littleEndian ? width - 1 - i : i
      value = value * 256 + (inHead ? head[position + place]! : this.at(index + place))
    }
    return value
  }

  /** Where `byte` is at or after `from`; -1 where it is not. */
  indexOf(byte: number, from = 0): number {
    const inHead = this.#head.length - this.#start
    if (from < inHead) {
      const found = this.#head.indexOf(byte, this.#start + from)
      if (found >= 0) return found - this.#start
      if (this.#first === undefined) return -1
    }
    return this.#indexBehind(byte, Math.max(from, inHead))
  }

  /**
   * Where `find` finds something at or after `from`; -1 where it does not. It gets the bytes piece by piece, in order,
   * each with the index to begin at, and returns an index in the piece or -1; what lies across pieces is for it to
   * remember.
   */
  search(from: number, find: (piece: Uint8Array, from: number) => number): number {
    if (from >= this.length) return -1
    const inHead = this.#head.length - this.#start
    if (from < inHead) {
      const found = find(this.#head, this.#start + from)
      if (found >= 0) return found - this.#start
      if (this.#first === undefined) return -1
    }
    const offset = this.offset
    for (let link: Link | undefined = this.#seek(Math.max(from, inHead)); link !== undefined; link = link.next) {
      const found = find(link.bytes, Math.max(0, offset + from - link.from))
      if (found >= 0) return link.from + found - offset
    }
    return -1
  }

  /**
   * Takes the next `size` bytes. They belong to the caller.
   *
   * **Limits**: a view keeps its whole chunk in memory, 64 KiB as a rule. Who keeps a small frame for long keeps a copy
   * of it, `frame.slice()`.
   */
  take(size: number): Uint8Array {
    this.#check(size)
    const head = this.#head
    const start = this.#start
    let taken: Uint8Array
    if (start + size <= head.length) {
      // Not subarray: that of Node's Buffer makes a Buffer, whose slice does not copy.
      taken = new Uint8Array(head.buffer, head.byteOffset + start, size)
    } else {
      taken = this.peek(size)
    }
    this.#advance(size)
    return taken
  }

  /**
   * Shows the piece that the next byte lies in, from where to where it has bytes that wait, and drops those before the
   * position that `look` returns.
   */
  front(look: (piece: Uint8Array, from: number, to: number) => number): void {
    const start = this.#start
    const size = look(this.#head, start, this.#head.length) - start
    this.#check(size)
    if (size > 0) this.#advance(size)
  }

  /** A copy of the next bytes, `size` at most, which stay. */
  peek(size: number): Uint8Array {
    const copy = new Uint8Array(Math.min(size, this.length))
    this.#copy(copy, copy.length)
    return copy
  }

  /** Drops the next `size` bytes. */
  skip(size: number): void {
    this.#check(size)
    this.#advance(size)
  }

  /** Drops the next `size` bytes, which belong to no frame that will come out: a step may do so and ask for more. */
  discard(size: number): void {
    this.skip(size)
    this.discarded += size
  }

  // Apart, because a function that makes another costs more to call.
  #indexBehind(byte: number, from: number): number {
    return this.search(from, (piece, at) => piece.indexOf(byte, at))
  }

  #check(size: number): void {
    if (!(Number.isInteger(size) && size >= 0 && size <= this.length)) {
      throw new RangeError(`${size} bytes asked for, ${this.length} wait`)
    }
  }

  #advance(size: number): void {
    this.#start += size
    this.length -= size
    if (this.#start >= this.#head.length) this.#nextHead()
  }

  #nextHead(): void {
    let link = this.#first
    while (link !== undefined && this.#start >= this.#head.length) {
      this.#start -= this.#head.length
      this.#head = link.bytes
      if (this.#farthest === link) this.#farthest = undefined
      link = link.next
    }
    this.#first = link
    if (link === undefined) {
      this.#last = undefined
      // What becomes the head is never appended to again.
      this.#spare = empty
    }
    if (this.length === 0) {
      this.#head = empty
      this.#start = 0
    }
  }

  /** The chunk behind the head that has the byte at `index`. */
  #seek(index: number): Link {
    const position = this.offset + index
    const farthest = this.#farthest
    let link = farthest !== undefined && position >= farthest.from ? farthest : this.#first
    while (link !== undefined && position >= link.from + link.bytes.length) link = link.next
    if (index < 0 || link === undefined) throw new RangeError(`byte ${index} of ${this.length}`)
    if (farthest === undefined || link.from > farthest.from) this.#farthest = link
    return link
  }

  /** Copies the next `size` bytes to the front of `to`. */
  #copy(to: Uint8Array, size: number): void {
    let part = this.#head.subarray(this.#start, this.#start + size)
    to.set(part)
    let filled = part.length
    for (let link = this.#first; link !== undefined && filled < size; link = link.next) {
      part = link.bytes.subarray(0, size - filled)
      to.set(part, filled)
      filled += part.length
    }
  }

  /** Whether what waits can lie in front of the chunk, for no more work than the chunk has bytes, and makes it of use. */
  #fits(chunk: Uint8Array, headroom: number): boolean {
    const { length } = this
    return length > 0 && length <= Math.min(headroom, chunk.length) && length + chunk.length >= this.needed
  }

  #lendBehind(chunk: Uint8Array): void {
    const waiting = this.length
    const joined = new Uint8Array(chunk.buffer, chunk.byteOffset - waiting, waiting + chunk.length)
    this.#copy(joined, waiting)
    if (this.#start === 0) this.#store?.free(this.#head)
    this.#lentFrom = this.offset
    this.#head = joined
    this.#start = 0
    this.#first = undefined
    this.#last = undefined
    this.#farthest = undefined
    this.#spare = empty
    this.length += chunk.length
    this.#received += chunk.length
  }

  #append(bytes: Uint8Array): void {
    const link: Link = { bytes, from: this.#received, next: undefined }
    if (this.#last === undefined) this.#first = link
    else this.#last.next = link
    this.#last = link
  }

  #join(chunk: Uint8Array): void {
    if (this.#spare.length - this.#used < chunk.length) {
      // Twice what the last one took, so that the number of chunks grows with the logarithm of the bytes.
      this.#spare = new Uint8Array(Math.max(smallChunk, 2 * this.#spare.length))
      this.#used = 0
      this.#append(empty)
    }
    this.#spare.set(chunk, this.#used)
    this.#used += chunk.length
    this.#last!.bytes = this.#spare.subarray(0, this.#used)
  }
}

/**
 * A reader without bytes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (): ByteReader => new ByteReader()
