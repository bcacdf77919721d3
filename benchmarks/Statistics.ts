// Small samples of a noisy machine: the middle, and how far it goes to either side.

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly count: number
}

/** Undefined of nothing. */
export const spread = (values: ReadonlyArray<number>): Spread | undefined => {
  const sorted = values.toSorted((a, b) => a - b)
  const count = sorted.length
  const [min, max] = [sorted[0], sorted[count - 1]]
  if (min === undefined || max === undefined) return undefined
  const median = (sorted[Math.floor((count - 1) / 2)]! + sorted[Math.ceil((count - 1) / 2)]!) / 2
  return { median, min, max, count }
}

/**
 * How the one compares to the other: of each round, in which they ran right after one another, and only then the middle.
 * What slows the machine down for a while slows both.
 */
export const ratio = (
  values: ReadonlyArray<number | undefined>,
  bases: ReadonlyArray<number | undefined>
): Spread | undefined =>
  spread(values.flatMap((value, round) => {
    const base = bases[round]
    return value === undefined || base === undefined || base === 0 ? [] : [value / base]
  }))

/** The same things, begun `by` places later. */
export const rotated = <A>(items: ReadonlyArray<A>, by: number): ReadonlyArray<A> => {
  const from = items.length === 0 ? 0 : by % items.length
  return [...items.slice(from), ...items.slice(0, from)]
}
