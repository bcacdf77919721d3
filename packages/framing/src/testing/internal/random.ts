/** Numbers from 0 to below `below`, the same ones for the same seed: a 32-bit xorshift. */
export const random = (seed: number): (below: number) => number => {
  // Zero would stay zero.
  let state = Math.imul(seed + 1, 0x9e3779b9) | 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return Math.floor((state >>> 0) / 2 ** 32 * below)
  }
}
