/**
 * The bytes of one batch on their way out: small pieces are joined, large ones are passed on as they are.
 *
 * @since 0.1.0
 */
const encoder = new TextEncoder()
const empty = new Uint8Array(0)

// Room for a batch is as much as the batch before copied, within these bounds.
const minRoom = 1024
const maxRoom = 262_144

// All writers take room from one slab, because memory of its own costs a small batch more than what is written to it. A
// writer gives back what it did not use, so that one that waits for its next batch holds nothing.
const slabSize = 65_536
let slab: Uint8Array = empty
let taken = 0

// What a large batch was written to, when nobody reads it any more.
let spare: Uint8Array = empty

// From here on passing on a reference is cheaper than copying.
const byReference = 4096

/**
 * Collects what encoders write. One writer serves one batch at a time; `finish` hands the batch over and begins anew.
 *
 * **Limits**: holds what was written, and nothing between two batches. What a batch copies, up to 16 KiB, is a view of 64 KiB
 * that all writers share: who keeps it for long, transfers it, or gives its `buffer` away, makes a copy first.
 *
 * @category models
 * @since 0.1.0
 */
export class ByteWriter {
  // Made when there is one: what is made at the end of a batch is old when a connection that waits fills it, and then
  // keeps what it was filled with for as long as V8 lets old objects be.
  #chunks: Array<Uint8Array> | undefined
  /** How many bytes are in #chunks, and how many of them were copied. */
  #passed = 0
  #copied = 0
  #buffer: Uint8Array = empty
  // What of #buffer is already in #chunks, how much is written, and where its room ends.
  #flushed = 0
  #used = 0
  #end = 0
  #typical = minRoom
  /** Where the room of this batch begins; below 0 where it took more than one. */
  #start = 0
  /** It is a buffer of its own. */
  #isOwn = false
  // What recycle gives back.
  #sent: Uint8Array = empty
  #sentFrom = 0
  #sentTo = 0
  #sentIsOwn = false

  /** Bytes written since the last `finish`. */
  get length(): number {
    return this.#passed + this.#used - this.#flushed
  }

  /** An unsigned integer of 1 to 8 bytes, 2^53 - 1 at most. It must fit. */
  uint(value: number, width: number, littleEndian: boolean): void {
    this.#reserve(width)
    const buffer = this.#buffer
    const at = this.#used
    this.#used = at + width
    if (width === 4 && !littleEndian) {
      // The most common one, at half the time.
      buffer[at] = value >>> 24
      buffer[at + 1] = value >>> 16
      buffer[at + 2] = value >>> 8
      buffer[at + 3] = value
      return
    }
    for (let i = 0; i < width; i++) {
      buffer[littleEndian ? at + i : at + width - 1 - i] = value
      // The shift is three times as fast, and knows 32 bits.
      value = width <= 4 ? value >>> 8 : Math.floor(value / 256)
    }
  }

  /** One byte. */
  byte(value: number): void {
    this.#reserve(1)
    this.#buffer[this.#used++] = value
  }

  /** Bytes. From 4 KiB on they are not copied: leave them unchanged until the batch is sent. */
  bytes(payload: Uint8Array): void {
    const size = payload.length
    if (size >= byReference) return this.#pass(payload)
    this.#reserve(size)
    this.#buffer.set(payload, this.#used)
    this.#used += size
  }

  /** A text as UTF-8. A lone surrogate becomes U+FFFD, as in every encoder of the platform. */
  text(text: string): void {
    this.#reserve(text.length)
    let rest = text
    for (;;) {
      const { read, written } = encoder.encodeInto(rest, this.#buffer.subarray(this.#used, this.#end))
      this.#used += written
      if (read === rest.length) return
      rest = rest.slice(read)
      this.#reserve(3 * rest.length)
    }
  }

  /** Forgets what was written after the first `length` bytes. */
  truncate(length: number): void {
    const open = this.#used - this.#flushed
    if (open > 0 && this.length > length) this.#used -= Math.min(open, this.length - length)
    while (this.length > length) {
      const last = this.#chunks!.pop()!
      this.#passed -= last.length
      const kept = length - this.#passed
      if (kept > 0) this.#push(last.subarray(0, kept))
    }
  }

  /** The batch, in order and ready for `Connection.sendAll`; the writer is empty afterwards. */
  finish(): ReadonlyArray<Uint8Array> {
    this.#flush()
    this.#typical = Math.max(minRoom, Math.min(maxRoom, this.#copied))
    if (this.#buffer === slab && taken === this.#end) taken = this.#used
    this.#sent = this.#start < 0 ? empty : this.#buffer
    this.#sentFrom = this.#start
    this.#sentTo = this.#used
    this.#sentIsOwn = this.#isOwn
    this.#buffer = empty
    this.#flushed = 0
    this.#used = 0
    this.#end = 0
    const chunks = this.#chunks ?? []
    this.#chunks = undefined
    this.#passed = 0
    this.#copied = 0
    return chunks
  }

  /**
   * Says that nobody reads any more what the last `finish` handed over, so that its memory may be used again: by whichever
   * writer is next.
   */
  recycle(): void {
    const sent = this.#sent
    this.#sent = empty
    if (this.#sentIsOwn) {
      if (sent.length > spare.length && sent.length <= maxRoom) spare = sent
    } else if (sent === slab && taken === this.#sentTo) taken = this.#sentFrom
  }

  #push(chunk: Uint8Array): void {
    // Most batches are one chunk, and an array that has grown has room for 17.
    if (this.#chunks === undefined) this.#chunks = [chunk]
    else this.#chunks.push(chunk)
    this.#passed += chunk.length
  }

  #pass(chunk: Uint8Array): void {
    this.#flush()
    this.#push(chunk)
  }

  #flush(): void {
    const open = this.#used - this.#flushed
    if (open === 0) return
    this.#push(this.#buffer.subarray(this.#flushed, this.#used))
    this.#flushed = this.#used
    this.#copied += open
  }

  #reserve(size: number): void {
    if (this.#end - this.#used < size) this.#move(size)
  }

  #move(size: number): void {
    const open = this.#used === this.#flushed ? empty : this.#buffer.subarray(this.#flushed, this.#used)
    const room = Math.max(this.#typical, 2 * open.length, open.length + size)
    // The last room of the slab is given back, and grows where it is if it can.
    if (this.#buffer === slab && taken === this.#end) taken = this.#flushed
    this.#isOwn = room > slabSize / 4
    if (this.#isOwn) {
      this.#buffer = spare.length < room ? new Uint8Array(room) : spare
      if (this.#buffer === spare) spare = empty
      this.#flushed = 0
      this.#end = this.#buffer.length
    } else {
      if (slab.length - taken < room) {
        slab = new Uint8Array(slabSize)
        taken = 0
      }
      this.#buffer = slab
      this.#flushed = taken
      taken += room
      this.#end = taken
    }
    // What it gave of rooms before cannot be given back with this one.
    this.#start = this.#copied === 0 ? this.#flushed : -1
    if (open !== empty) this.#buffer.set(open, this.#flushed)
    this.#used = this.#flushed + open.length
  }
}

/**
 * A writer without bytes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (): ByteWriter => new ByteWriter()

// An array of more than 64 bytes has memory of its own, which costs the platform five times what a view does.
const poolSize = 8192
let pool = new Uint8Array(0)

/**
 * The UTF-8 bytes of a text. A lone surrogate becomes U+FFFD, as in every encoder of the platform.
 *
 * **Limits**: those of a short text are a view, which keeps 8 KiB in memory.
 *
 * @category encoding
 * @since 0.1.0
 */
export const utf8 = (text: string): Uint8Array => {
  const most = 3 * text.length
  if (most > poolSize / 8) return encoder.encode(text)
  if (most > pool.length) pool = new Uint8Array(poolSize)
  const { written } = encoder.encodeInto(text, pool)
  const bytes = pool.subarray(0, written)
  pool = pool.subarray(written)
  return bytes
}
