/**
 * The bytes of one batch on their way out: small pieces are joined, large ones are passed on as they are.
 *
 * @since 0.1.0
 */
const encoder = new TextEncoder()
const empty = new Uint8Array(0)

// A new buffer is as large as what the batch before copied, within these bounds.
const minBuffer = 1024
const maxBuffer = 262_144

// The rest of a larger one is not kept for the next batch, which may be a long time in coming.
const maxKept = 4096

// From here on passing on a reference is cheaper than copying.
const byReference = 4096

/**
 * Collects what encoders write. One writer serves one batch at a time; `finish` hands the batch over and begins anew.
 *
 * @category models
 * @since 0.1.0
 */
export class ByteWriter {
  /** Bytes written since the last `finish`. */
  length = 0

  #chunks: Array<Uint8Array> = []
  #buffer: Uint8Array = empty
  // What of #buffer is already in #chunks, and how much is written.
  #flushed = 0
  #used = 0
  #copied = 0
  #typical = minBuffer

  /** An unsigned integer of 1 to 8 bytes, 2^53 - 1 at most. It must fit. */
  uint(value: number, width: number, littleEndian: boolean): void {
    this.#reserve(width)
    const at = this.#used
    for (let i = 0; i < width; i++) {
      this.#buffer[littleEndian ? at + i : at + width - 1 - i] = value
      // The shift is three times as fast, and knows 32 bits.
      value = width <= 4 ? value >>> 8 : Math.floor(value / 256)
    }
    this.#advance(width)
  }

  /** One byte. */
  byte(value: number): void {
    this.#reserve(1)
    this.#buffer[this.#used] = value
    this.#advance(1)
  }

  /** Bytes. From 4 KiB on they are not copied: leave them unchanged until the batch is sent. */
  bytes(payload: Uint8Array): void {
    if (payload.length >= byReference) {
      this.#flush()
      this.#chunks.push(payload)
      this.length += payload.length
    } else {
      this.#reserve(payload.length)
      this.#buffer.set(payload, this.#used)
      this.#advance(payload.length)
    }
  }

  /** Forgets what was written after the first `length` bytes. */
  truncate(length: number): void {
    while (this.length > length) {
      const open = this.#used - this.#flushed
      const excess = this.length - length
      if (open > 0) {
        const drop = Math.min(open, excess)
        this.#used -= drop
        this.length -= drop
      } else {
        const last = this.#chunks.pop()!
        this.length -= last.length
        if (last.length > excess) {
          const kept = last.subarray(0, last.length - excess)
          this.#chunks.push(kept)
          this.length += kept.length
        }
      }
    }
  }

  /** The batch, in order and ready for `Connection.sendAll`; the writer is empty afterwards. */
  finish(): ReadonlyArray<Uint8Array> {
    this.#flush()
    this.#typical = Math.max(minBuffer, Math.min(maxBuffer, this.#copied))
    this.#copied = 0
    if (this.#buffer.length > maxKept) {
      this.#buffer = empty
      this.#flushed = 0
      this.#used = 0
    }
    const chunks = this.#chunks
    this.#chunks = []
    this.length = 0
    return chunks
  }

  #advance(size: number): void {
    this.#used += size
    this.#copied += size
    this.length += size
  }

  #flush(): void {
    if (this.#used > this.#flushed) {
      this.#chunks.push(this.#buffer.subarray(this.#flushed, this.#used))
      this.#flushed = this.#used
    }
  }

  // The buffer that is handed over by `finish` is never written again, but its unused rest is.
  #reserve(size: number): void {
    if (this.#buffer.length - this.#used >= size) return
    const open = this.#buffer.subarray(this.#flushed, this.#used)
    const next = new Uint8Array(Math.max(this.#typical, 2 * open.length, open.length + size))
    next.set(open)
    this.#buffer = next
    this.#flushed = 0
    this.#used = open.length
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
