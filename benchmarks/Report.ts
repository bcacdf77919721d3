// The tables that are printed.
import { type Figure, kinds } from "./Figure.ts"
import type { Machine } from "./Machine.ts"
import type { Profile } from "./Run.ts"
import type { Spread } from "./Statistics.ts"
import * as Suite from "./Suite.ts"
import type { Judged } from "./targets.ts"

export type Row = ReadonlyArray<string>

export interface Table {
  readonly head: Row
  readonly rows: ReadonlyArray<Row>
}

/** The first column to the left, figures to the right. */
const table = ({ head, rows }: Table): string => {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]!.length)))
  const line = (row: Row) =>
    row.map((cell, column) => column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)).join("  ")
  return [head, ...rows].map(line).join("\n")
}

export const fixed = (value: number, digits: number): string => {
  const [whole = "", rest] = value.toFixed(digits).split(".")
  const grouped = whole.replaceAll(/\B(?=(\d{3})+$)/g, ",")
  return rest === undefined ? grouped : `${grouped}.${rest}`
}

const times = (ratio: Spread | undefined): Row =>
  ratio === undefined ? ["-", "-"] : [
    ratio.median.toFixed(2),
    ratio.count === 1 ? "one round" : `${ratio.min.toFixed(2)}..${ratio.max.toFixed(2)}`
  ]

const middle = (result: Suite.Result, peer: string, figure: Figure): string => {
  const value = Suite.median(result, peer, figure)
  return value === undefined ? "-" : fixed(value, kinds[figure].digits)
}

/** What the figures of a case cannot be trusted for. */
export const doubts = (of: Suite.Result): ReadonlyArray<string> => {
  const warning = (text: string, isDoubtful: (peer: string) => boolean) => {
    const peers = Object.keys(of.rounds).filter(isDoubtful)
    return peers.length === 0 ? [] : [`warning: ${peers.join(", ")}: ${text}`]
  }
  const load = (peer: string) => Suite.median(of, peer, "load")
  return [
    ...warning("held up by other processes on its core", (peer) => Suite.isHeldUp(of, peer)),
    // An open loop never rests: if it did, it was not let.
    ...of.asks !== "open" ? [] : warning(
      "the one who asks was held up: latencies are worse than the server's",
      (peer) => (load(peer) ?? 1) < 0.9
    ),
    ...of.asks !== "closed" ? [] : warning(
      "the one who asks was the limit: the server is faster than it says",
      (peer) => (load(peer) ?? 0) > 0.9
    )
  ]
}

export const figureOf = (figure: Figure): string => kinds[figure].title

/** The peers of a case and what they are. */
export const peersOf = (of: Suite.Result): Table => {
  const { base, rounds, shows } = of
  const [figure] = shows
  if (figure === undefined) throw new Error("a case that shows nothing")
  return {
    head: ["", `x ${base}`, "spread", "x its CPU", ...shows.map((it) => kinds[it].title)],
    rows: Object.keys(rounds).map((peer) => [
      peer,
      ...times(Suite.ratio(of, peer, base, figure)),
      Suite.ratio(of, peer, base, "cpu")?.median.toFixed(2) ?? "-",
      ...shows.map((it) => middle(of, peer, it))
    ])
  }
}

/** What a case is, and how it was taken. */
export const titleOf = ({ base, name, rounds, shows: [figure], suite }: Suite.Result): string => {
  const better = figure !== undefined && kinds[figure].better === "less" ? ", less is better" : ""
  return `${suite} ${name} (medians of ${rounds[base]?.length ?? 0}${better})`
}

export const failures = ({ failed }: Suite.Result): ReadonlyArray<string> =>
  Object.entries(failed).map(([peer, why]) => `${peer} FAILED: ${why}`)

export const result = (of: Suite.Result): string =>
  [titleOf(of), table(peersOf(of)), ...failures(of), ...doubts(of)].join("\n")

export const targetsOf = (all: ReadonlyArray<Judged>): Table => ({
  head: ["target", "figure", "of", "to", "wanted", "measured", "noise", ""],
  rows: all.map(({ isHeldUp, measured, target: { base, figure, issue, name, noise, peer, ratio, suite }, verdict }) => [
    `${issue} ${suite} ${name}`,
    kinds[figure].title,
    peer,
    base,
    `${kinds[figure].better === "more" ? ">=" : "<="} ${ratio.toFixed(2)}`,
    measured === undefined ? "-" : measured.toFixed(2),
    `${noise * 100} %`,
    `${verdict === "near" ? "missed, within noise" : verdict}${isHeldUp ? " (held up)" : ""}`
  ])
})

export const judged = (all: ReadonlyArray<Judged>): string => table(targetsOf(all))

export const categoriesOf = ({ categories }: Profile): Table => ({
  head: ["self time", "%"],
  rows: categories.map(({ name, percent }) => [name, percent.toFixed(1)])
})

export const functionsOf = ({ functions }: Profile): Table => ({
  head: ["function", "at", "of", "self %"],
  rows: functions.map(({ category, name, percent, where }) => [name, where, category, percent.toFixed(1)])
})

export const profile = (of: Profile): string =>
  [`profile of ${of.title}`, table(categoriesOf(of)), table(functionsOf(of))].join("\n\n")

export const machine = ({ cores, cpu, kernel, load, memory, node, warnings }: Machine): string =>
  [
    `${cpu}, ${cores} cores, ${fixed(memory / 1e9, 1)} GB, Node ${node}, ${kernel}, load average ${load.toFixed(2)}`,
    ...warnings.map((text) => `warning: ${text}`)
  ].join("\n")
