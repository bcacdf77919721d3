// A reader that counts the bytes that a decoder looks at.
import { ByteReader } from "../../ByteReader.ts"

/** Every byte that a method looks at, copies or hands out counts as one visit; skipping is free. */
export class CountingReader extends ByteReader {
  visits = 0
  // What the methods ask of each other is not counted again.
  #inside = false

  override at(index: number): number {
    return this.#count(1, () => super.at(index))
  }

  override uint(index: number, width: number, littleEndian: boolean): number {
    return this.#count(width, () => super.uint(index, width, littleEndian))
  }

  override indexOf(byte: number, from = 0): number {
    return this.#search(from, () => super.indexOf(byte, from))
  }

  override search(from: number, find: (piece: Uint8Array, from: number) => number): number {
    return this.#search(from, () => super.search(from, find))
  }

  // All that is shown counts, whether it is looked at or not.
  override front(look: (piece: Uint8Array, from: number, to: number) => number): void {
    this.#count(0, () =>
      super.front((piece, from, to) => {
        const at = look(piece, from, to)
        this.visits += at - from
        return at
      }))
  }

  override take(size: number): Uint8Array {
    return this.#count(size, () => super.take(size))
  }

  override peek(size: number): Uint8Array {
    return this.#count(Math.min(size, this.length), () => super.peek(size))
  }

  #search(from: number, run: () => number): number {
    const found = this.#count(0, run)
    if (!this.#inside) this.visits += Math.max(0, (found < 0 ? this.length : found + 1) - from)
    return found
  }

  #count<A>(visits: number, run: () => A): A {
    if (this.#inside) return run()
    this.visits += visits
    this.#inside = true
    try {
      return run()
    } finally {
      this.#inside = false
    }
  }
}
