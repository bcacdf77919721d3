// Latencies in microseconds, in fixed memory: 32 classes an octave, so that a percentile is at most 3.2 % too high.
const perOctave = 32
const octaves = 40

export interface Row {
  readonly upTo: number
  readonly count: number
}

export class BenchHistogram {
  count = 0
  max = 0
  readonly #classes = new Float64Array(perOctave * octaves)

  add(micros: number): void {
    this.count++
    if (micros > this.max) this.max = micros
    const at = micros < 1 ? 0 : Math.min(this.#classes.length - 1, Math.floor(Math.log2(micros) * perOctave))
    this.#classes[at] = (this.#classes[at] ?? 0) + 1
  }

  /** What this share of all is not above: by the nearest rank, and the upper end of its class. */
  percentile(share: number): number {
    let left = Math.max(1, Math.ceil(share * this.count))
    if (this.count === 0) return 0
    for (const [at, count] of this.#classes.entries()) {
      left -= count
      if (left <= 0) return Math.min(this.max, 2 ** ((at + 1) / perOctave))
    }
    return this.max
  }

  /** By octaves, from the first that has some to the last. */
  get rows(): ReadonlyArray<Row> {
    const rows = Array.from({ length: octaves }, (_, octave) => ({
      upTo: 2 ** (octave + 1),
      count: this.#classes.subarray(octave * perOctave, (octave + 1) * perOctave).reduce((sum, count) => sum + count, 0)
    }))
    const used = rows.flatMap(({ count }, index) => count > 0 ? [index] : [])
    return used.length === 0 ? [] : rows.slice(used[0], (used.at(-1) ?? 0) + 1)
  }
}
