const empty = new Uint8Array(0)

/**
 * Memory for bytes that have to wait. It serves again once they were copied elsewhere as a whole: who has taken a part of them
 * has a view of it.
 */
export class Store {
  #memory: Uint8Array = empty
  #held: Uint8Array | undefined

  /** A copy of the bytes, where the last ones were if that is free. */
  hold(bytes: Uint8Array): Uint8Array {
    if (this.#held !== undefined || this.#memory.length < bytes.length) this.#memory = new Uint8Array(bytes.length)
    this.#memory.set(bytes)
    return this.#held = this.#memory.subarray(0, bytes.length)
  }

  /** If it is these that are held, nobody needs them any more. */
  free(bytes: Uint8Array): void {
    if (this.#held === bytes) this.#held = undefined
  }
}
