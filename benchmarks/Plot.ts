// Plots as SVG: text stays text, colours follow the reader's light or dark, and the picture is as large as what is in it.
import type { Spread } from "./Statistics.ts"

/** A measurement: its middle, and from its least to its most. */
export interface Row {
  readonly name: string
  readonly value: Spread | undefined
  readonly isOurs: boolean
  /** What was to be reached. */
  readonly wanted?: number | undefined
}

/** Measurements one below the other, on a scale of powers. */
export interface Dots {
  readonly title: string
  readonly axis: string
  /** Where the others are compared with. */
  readonly base?: number
  readonly groups: ReadonlyArray<{ readonly title: string; readonly rows: ReadonlyArray<Row> }>
}

/** The same over steps of something, a line each. */
export interface Lines {
  readonly title: string
  readonly axis: string
  readonly base?: number
  readonly steps: ReadonlyArray<string>
  readonly series: ReadonlyArray<{ readonly name: string; readonly values: ReadonlyArray<Spread | undefined> }>
}

const style = `text{font:12px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600;font-size:14px}.dim{fill:#59636e}
line,path{stroke-width:1.5}path{fill:none!important}.grid{stroke:#d1d9e0;stroke-width:1}.base{stroke:#59636e;stroke-dasharray:4 3}
.wanted{stroke:#1f2328;stroke-width:2.5}
.c0{stroke:#0969da;fill:#0969da}.c1{stroke:#bc4c00;fill:#bc4c00}.c2{stroke:#1a7f37;fill:#1a7f37}
.c3{stroke:#8250df;fill:#8250df}.c4{stroke:#9a6700;fill:#9a6700}.other{stroke:#818b98;fill:#818b98}text[class^=c]{stroke:none}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.dim{fill:#9198a1}.grid{stroke:#3d444d}.base{stroke:#9198a1}
.wanted{stroke:#f0f6fc}.c0{stroke:#4493f8;fill:#4493f8}.c1{stroke:#f0883e;fill:#f0883e}.c2{stroke:#3fb950;fill:#3fb950}
.c3{stroke:#ab7df8;fill:#ab7df8}.c4{stroke:#d29922;fill:#d29922}.other{stroke:#9198a1;fill:#9198a1}}`

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const n = (value: number): string => String(Math.round(value * 10) / 10)

// No character of the fonts that are meant is wider on average, at 12 and 14 pixels.
const widthOf = (text: string, kind = ""): number => text.length * (kind === "title" ? 8.4 : 7)

class Canvas {
  readonly #parts: Array<string> = []
  #right = 0
  #bottom = 0

  #reach(x: number, y: number): void {
    this.#right = Math.max(this.#right, x)
    this.#bottom = Math.max(this.#bottom, y)
  }

  text(x: number, y: number, text: string, kind = "", anchor: "start" | "middle" | "end" = "start"): void {
    const width = widthOf(text, kind)
    this.#reach(x + (anchor === "start" ? width : anchor === "middle" ? width / 2 : 0), y + 4)
    const how = `${kind && ` class="${kind}"`}${anchor === "start" ? "" : ` text-anchor="${anchor}"`}`
    this.#parts.push(`<text x="${n(x)}" y="${n(y)}"${how}>${escaped(text)}</text>`)
  }

  line(x1: number, y1: number, x2: number, y2: number, kind: string): void {
    this.#reach(Math.max(x1, x2), Math.max(y1, y2))
    this.#parts.push(`<line x1="${n(x1)}" y1="${n(y1)}" x2="${n(x2)}" y2="${n(y2)}" class="${kind}"/>`)
  }

  path(points: ReadonlyArray<readonly [x: number, y: number]>, kind: string): void {
    this.#parts.push(`<path d="M${points.map(([x, y]) => `${n(x)} ${n(y)}`).join("L")}" class="${kind}"/>`)
  }

  dot(x: number, y: number, kind: string): void {
    this.#reach(x + 4, y + 4)
    this.#parts.push(`<circle cx="${n(x)}" cy="${n(y)}" r="3.5" class="${kind}" style="stroke:none"/>`)
  }

  svg(title: string): string {
    const [width, height] = [Math.ceil(this.#right + 12), Math.ceil(this.#bottom + 10)]
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
      `role="img">`,
      `<title>${escaped(title)}</title>`,
      `<style>${style}</style>`,
      ...this.#parts,
      "</svg>",
      ""
    ].join("\n")
  }
}

/** A scale of powers over all that is shown: from a round number below it to one above. */
const scaleOf = (spreads: ReadonlyArray<Spread | undefined>, others: ReadonlyArray<number | undefined>) => {
  const values = [...spreads.flatMap((it) => it === undefined ? [] : [it.min, it.max]), ...others]
    .filter((it) => it !== undefined && it > 0) as ReadonlyArray<number>
  const [least, most] = values.length === 0 ? [1, 1] : [Math.min(...values), Math.max(...values)]
  const round = Array.from({ length: 31 }, (_, i) => [1, 2, 5].map((digit) => digit * 10 ** (i - 15))).flat()
  const from = round.findLastIndex((it) => it <= least * 1.001)
  const to = Math.max(from + 1, round.findIndex((it) => it >= most * 0.999))
  const all = round.slice(from, to + 1)
  // Over many powers of ten, only these.
  const ticks = all.length > 13 ? all.filter((it) => Number.isInteger(Math.round(Math.log10(it) * 1e6) / 1e6)) : all
  const [low, high] = [Math.log(all[0]!), Math.log(all.at(-1)!)]
  return { ticks, at: (value: number): number => (Math.log(Math.max(value, all[0]!)) - low) / (high - low) }
}

/** Three digits are all that a measurement has. */
export const short = (value: number): string => {
  const text = String(Number(value.toPrecision(3)))
  return value >= 1000 ? text.replaceAll(/\B(?=(\d{3})+$)/g, ",") : text
}

const plotWidth = 440

export const dots = ({ axis, base, groups, title }: Dots): string => {
  const canvas = new Canvas()
  const rows = groups.flatMap((group) => group.rows)
  const scale = scaleOf(rows.map(({ value }) => value), [base, ...rows.map(({ wanted }) => wanted)])
  const left = 28 + Math.max(...rows.map(({ name }) => widthOf(name)))
  const x = (value: number) => left + plotWidth * scale.at(value)
  canvas.text(12, 24, title, "title")
  canvas.text(12, 43, axis, "dim")
  const top = 56
  const bottom = top + 20 * rows.length + 24 * groups.length + 4
  for (const tick of scale.ticks) {
    canvas.line(x(tick), top, x(tick), bottom, "grid")
    canvas.text(x(tick), bottom + 16, short(tick), "dim", "middle")
  }
  if (base !== undefined) canvas.line(x(base), top, x(base), bottom, "base")
  let y = top
  for (const group of groups) {
    y += 24
    canvas.text(12, y - 5, group.title, "dim")
    for (const { isOurs, name, value, wanted } of group.rows) {
      y += 20
      canvas.text(left - 12, y - 4, name, "", "end")
      const [middle, kind] = [y - 8, isOurs ? "c0" : "other"]
      if (wanted !== undefined) canvas.line(x(wanted), middle - 7, x(wanted), middle + 7, "wanted")
      if (value === undefined) {
        canvas.text(left + 4, y - 4, "failed")
        continue
      }
      canvas.line(x(value.min), middle, x(value.max), middle, kind)
      canvas.dot(x(value.median), middle, kind)
      canvas.text(left + plotWidth + 12, y - 4, short(value.median))
    }
  }
  return canvas.svg(title)
}

/** As near to where they want to be as they can, `gap` apart. */
const apart = (wanted: ReadonlyArray<number>, gap: number): ReadonlyArray<number> => {
  const order = wanted.map((_, i) => i).toSorted((a, b) => wanted[a]! - wanted[b]!)
  const places = [...wanted]
  for (let turn = 0; turn < 100; turn++) {
    for (let i = 1; i < order.length; i++) {
      const [above, below] = [order[i - 1]!, order[i]!]
      const missing = gap - (places[below]! - places[above]!)
      if (missing <= 0.01) continue
      places[above]! -= missing / 2
      places[below]! += missing / 2
    }
  }
  return places
}

export const lines = ({ axis, base, series, steps, title }: Lines): string => {
  const canvas = new Canvas()
  const scale = scaleOf(series.flatMap(({ values }) => values), [base])
  const [left, top, height] = [56, 60, 260]
  const y = (value: number) => top + height * (1 - scale.at(value))
  const x = (step: number) => left + 24 + (plotWidth - 48) * step / Math.max(1, steps.length - 1)
  canvas.text(12, 24, title, "title")
  canvas.text(12, 43, axis, "dim")
  for (const tick of scale.ticks) {
    canvas.line(left, y(tick), left + plotWidth, y(tick), "grid")
    canvas.text(left - 8, y(tick) + 4, short(tick), "dim", "end")
  }
  if (base !== undefined) canvas.line(left, y(base), left + plotWidth, y(base), "base")
  for (const [step, name] of steps.entries()) canvas.text(x(step), top + height + 20, name, "dim", "middle")
  const drawn = series.flatMap(({ name, values }, i) => {
    const points = values.flatMap((value, step) => value === undefined ? [] : [{ ...value, step }])
    const last = points.at(-1)
    return last === undefined ? [] : [{ name, points, last, kind: i < 5 ? `c${i}` : "other" }]
  })
  const labels = apart(drawn.map(({ last }) => y(last.median)), 16)
  for (const [i, { kind, last, name, points }] of drawn.entries()) {
    canvas.path(points.map(({ median, step }) => [x(step), y(median)]), kind)
    for (const { max, median, min, step } of points) {
      canvas.line(x(step), y(min), x(step), y(max), kind)
      canvas.dot(x(step), y(median), kind)
    }
    canvas.text(left + plotWidth + 12, labels[i]! + 4, `${name} ${short(last.median)}`, kind)
  }
  return canvas.svg(title)
}
