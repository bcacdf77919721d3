/**
 * The automaton of Aho and Corasick for a few byte strings: it finds any of them in one pass, one look-up a byte, and
 * knows at each byte how much of one may have begun.
 */
const empty = new Uint8Array(0)

export interface Scan {
  /** The index of the byte at which a delimiter first ends at or after `from`, or -1; goes on where it has stopped. */
  readonly find: (piece: Uint8Array, from: number) => number
  /** The length of the longest delimiter that ended there, or the length of the longest that may have begun. */
  readonly matched: () => number
}

export const automaton = (delimiters: ReadonlyArray<Uint8Array>): () => Scan => {
  const most = delimiters.reduce((sum, { length }) => sum + length, 1)
  // Of each state: the next one by byte, how long the way to it is, and the longest delimiter that ends in it.
  const next = new Uint16Array(most * 256)
  const depth = new Uint16Array(most)
  const ends = new Uint16Array(most)
  let count = 1
  for (const delimiter of delimiters) {
    let state = 0
    for (const byte of delimiter) {
      const at = state * 256 + byte
      if (next[at] === 0) {
        depth[count] = depth[state]! + 1
        next[at] = count++
      }
      state = next[at]!
    }
    ends[state] = delimiter.length
  }

  // Breadth first, so that the state to fall back to, which is less deep, is complete.
  const fallback = new Uint16Array(most)
  const queue = [0]
  for (const state of queue) {
    const other = fallback[state]!
    if (ends[state] === 0) ends[state] = ends[other]!
    for (let byte = 0; byte < 256; byte++) {
      const at = state * 256 + byte
      const child = next[at]!
      const fallen = state === 0 ? 0 : next[other * 256 + byte]!
      if (child === 0) next[at] = fallen
      else {
        fallback[child] = fallen
        queue.push(child)
      }
    }
  }

  // Where all begin with one byte, the platform's search goes from one candidate to the next.
  const [first] = delimiters[0] ?? empty
  const alike = delimiters.every((delimiter) => delimiter[0] === first)

  return () => {
    let state = 0
    let ended = 0
    return {
      find: (piece, from) => {
        const { length } = piece
        ended = 0
        for (let i = from; i < length; i++) {
          if (alike && state === 0) {
            i = piece.indexOf(first!, i)
            if (i < 0) return -1
          }
          state = next[state * 256 + piece[i]!]!
          ended = ends[state]!
          if (ended > 0) {
            state = 0
            return i
          }
        }
        return -1
      },
      matched: () => ended > 0 ? ended : depth[state]!
    }
  }
}
