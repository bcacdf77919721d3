// docs/performance.md and the plots beside it, from one run. The prose is the page's own: only what stands between
// `<!-- figures NAME -->` and `<!-- /figures -->` is written.
import { kinds } from "./Figure.ts"
import * as Plot from "./Plot.ts"
import * as Report from "./Report.ts"
import type { Run } from "./Run.ts"
import * as Suite from "./Suite.ts"
import * as Targets from "./targets.ts"

/** As dprint has it: columns as wide as what is in them, figures to the right. */
const table = ({ head, rows }: Report.Table, left = 1): string => {
  const all = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll(/\||<(?=\w)/g, "\\$&")))
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => row[column]!.length)))
  const line = (row: Report.Row) =>
    `| ${row.map((cell, i) => i < left ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)).join(" | ")} |`
  const rule = `| ${widths.map((width, i) => i < left ? "-".repeat(width) : `${"-".repeat(width - 1)}:`).join(" | ")} |`
  return [line(all[0]!), rule, ...all.slice(1).map(line)].join("\n")
}

const ours = /^(framewire|core|pull|batch|respond)/

interface Picture {
  readonly file: string
  readonly svg: string
}

const find = (run: Run, suite: string, name: string): Suite.Result | undefined =>
  run.results.find((it) => it.suite === suite && it.name === name)

/** The peers of some cases as ratios to the base of each. */
const ratios = (file: string, title: string, results: ReadonlyArray<Suite.Result>): ReadonlyArray<Picture> => {
  const groups = results.flatMap((it) => {
    const [figure] = it.shows
    if (figure === undefined) return []
    const rows = Object.keys(it.rounds).filter((peer) => peer !== it.base).map((name) => ({
      name,
      value: Suite.ratio(it, name, it.base, figure),
      isOurs: ours.test(name) || it.suite === "attack" && !name.startsWith("by hand"),
      wanted: Targets.targets.find((target) =>
        target.suite === it.suite && target.name === it.name && target.peer === name && target.base === it.base &&
        target.figure === figure
      )?.ratio
    }))
    const { better, title } = kinds[figure]
    return [{ title: `${it.name}: ${title}, x ${it.base}; ${better} is better`, rows }]
  })
  const axis = "middle of all rounds, and from the least to the most; dashed: the same; thick: what was asked for"
  return groups.length === 0 ? [] : [{ file, svg: Plot.dots({ title, axis, base: 1, groups }) }]
}

const echoed = ["framed 64x128 16 B", "framed 64x128 256 B", "framed 64x128 4 KiB", "framed 1x128 64 KiB"]

const echo = (run: Run): ReadonlyArray<Picture> => {
  const found = echoed.map((name) => find(run, "echo", name))
  const peers = [...new Set(found.flatMap((it) => Object.keys(it?.rounds ?? {})))].filter((name) => name !== "by hand")
  return peers.length === 0 ? [] : [{
    file: "echo.svg",
    svg: Plot.lines({
      title: "Framed echo: frames a second, x node:net by hand",
      axis: "by size of the frame; 128 in flight on each of 64 connections, on one of 64 KiB; more is better",
      base: 1,
      steps: ["16 B", "256 B", "4 KiB", "64 KiB"],
      series: peers.map((name) => ({
        name,
        values: found.map((it) => it && Suite.ratio(it, name, it.base, "perSecond"))
      }))
    })
  }]
}

const latency = (run: Run): ReadonlyArray<Picture> => {
  const it = run.results.find(({ asks, suite }) => suite === "echo" && asks === "open")
  return it === undefined ? [] : [{
    file: "latency.svg",
    svg: Plot.dots({
      title: `Latency: ${it.name}`,
      axis: "microseconds since each frame was due, whether or not the server keeps up; less is better",
      groups: (["p50", "p99", "p999"] as const).map((figure) => ({
        title: figure === "p999" ? "p99.9" : figure,
        rows: Object.keys(it.rounds).map((name) => ({
          name,
          value: Suite.spread(it, name, figure),
          isOurs: ours.test(name)
        }))
      }))
    })
  }]
}

const connections = (run: Run): ReadonlyArray<Picture> => {
  const found = run.results.filter(({ name, suite }) => suite === "scale" && name.startsWith("connections"))
  const [first] = found
  return first === undefined ? [] : [{
    file: "scale.svg",
    svg: Plot.lines({
      title: "CPU a frame, x that of one connection, at the same load in all",
      axis: "by connections; flat is what is wanted",
      base: 1,
      steps: Object.keys(first.rounds).map((peer) => peer.replace(/ .*/, "")),
      series: found.map((it) => ({
        name: it.name.replace("connections, ", ""),
        values: Object.keys(first.rounds).map((peer) => Suite.ratio(it, peer, it.base, "cpu"))
      }))
    })
  }]
}

/** The plots of what was measured. */
export const pictures = (run: Run): ReadonlyArray<Picture> => {
  const of = (...suites: ReadonlyArray<string>) => run.results.filter(({ suite }) => suites.includes(suite))
  return [
    ...echo(run),
    ...latency(run),
    ...ratios("decode.svg", "Bytes to messages in memory: time each", of("decode")),
    ...ratios("encode.svg", "Messages to bytes in memory: time each", of("encode")),
    ...ratios("rpc.svg", "Typed JSON, requests and answers", of("rpc")),
    ...ratios("connections.svg", "Connections: what one costs", of("idle", "connect")),
    ...ratios("attack.svg", "Clients in good faith while others attack: p99", of("attack")),
    ...connections(run)
  ]
}

/** What one thing costs more than another: CPU a frame, of the whole process, in nanoseconds. */
const steps: ReadonlyArray<readonly [what: string, name: string, peer: string, less?: readonly [string, string]]> = [
  ["node:net: bytes in, bytes out, 64 of 256 B at a time", "bytes 64x1 256 B", "node:net"],
  ["... core's `Connection` instead", "bytes 64x1 256 B", "core", ["bytes 64x1 256 B", "node:net"]],
  ["... a fiber woken for each batch", "bytes 64x1 256 B", "pull", ["bytes 64x1 256 B", "core"]],
  ["... frames of it, nothing copied", "framed 64x1 256 B", "batch", ["bytes 64x1 256 B", "core"]],
  ["frames of 16 B in batches: by hand", "framed 64x128 16 B", "by hand"],
  ["... `Framed`, nothing copied, instead", "framed 64x128 16 B", "batch", ["framed 64x128 16 B", "by hand"]],
  [
    "... `Server.respond`: frames owned, an Effect each",
    "framed 64x128 16 B",
    "respond",
    ["framed 64x128 16 B", "batch"]
  ],
  ["... the Effect is a generator", "framed 64x128 16 B", "respond-generator", ["framed 64x128 16 B", "respond"]],
  ["... it suspends, and goes on in a microtask", "framed 64x128 16 B", "respond-suspend", [
    "framed 64x128 16 B",
    "respond"
  ]]
]

const costs = (run: Run): string => {
  const nanos = (name: string, peer: string) => {
    const it = find(run, "echo", name)
    const seconds = it && Suite.median(it, peer, "cpu")
    return seconds === undefined ? undefined : seconds * 1000
  }
  const rows = steps.flatMap(([what, name, peer, less]) => {
    const cost = nanos(name, peer)
    const other = less === undefined ? 0 : nanos(...less)
    if (cost === undefined || other === undefined) return []
    const more = cost - other
    return [[what, `${less === undefined || more < 0 ? "" : "+"}${Report.fixed(more, 0)}`]]
  })
  return rows.length === 0 ? none : table({ head: ["what", "CPU ns a frame"], rows })
}

const none = "Not measured."

/** The tables of a suite, folded up behind its pictures. */
const suite = (run: Run, name: string, drawn: ReadonlyArray<string>): string => {
  const results = run.results.filter((it) => it.suite === name)
  if (results.length === 0) return none
  const images = drawn.map((it) => `![${it.replace(".svg", "")}](performance/${it})`)
  const tables = results.map((it) =>
    [`**${Report.titleOf(it)}**`, table(Report.peersOf(it)), ...Report.failures(it), ...Report.doubts(it)].join("\n\n")
  )
  return [...images, "<details>", `<summary>${name}: all figures</summary>`, ...tables, "</details>"].join("\n\n")
}

const machine = ({ at, commit, machine, window }: Run): string =>
  table({
    head: ["", "what it was measured on"],
    rows: [
      ["machine", `${machine.cpu}, ${machine.cores} cores, ${Report.fixed(machine.memory / 1e9, 1)} GB`],
      ["system", `${machine.kernel}, Node ${machine.node}`],
      ["commit", commit],
      ["when", `${at.slice(0, 10)}, each at least ${window.seconds} s after ${window.warmup} s to warm up`],
      ["load average before", machine.load.toFixed(2)],
      ...machine.warnings.map((text) => ["warning", text])
    ]
  }, 2)

const targets = (run: Run): string => {
  const judged = Targets.judgeAll(run.results)
  if (judged.length === 0) return none
  const count = (verdict: Targets.Verdict) => judged.filter((it) => it.verdict === verdict).length
  const summary =
    `Of ${judged.length} targets ${count("met")} are met, ${count("near")} missed by less than two runs of ` +
    `the same thing may differ, ${count("missed")} missed by more, ${count("failed")} failed; ` +
    `${Targets.targets.length - judged.length} were not measured.`
  return `${summary}\n\n${table(Report.targetsOf(judged), 4)}`
}

const profile = ({ profile }: Run): string =>
  profile === undefined ? none : [
    `Profiled: ${profile.title}; ${profile.seconds.toFixed(2)} s of CPU.`,
    table(Report.categoriesOf(profile)),
    table(Report.functionsOf(profile), 3)
  ].join("\n\n")

const drawnBy: Readonly<Record<string, ReadonlyArray<string>>> = {
  echo: ["echo.svg", "latency.svg"],
  decode: ["decode.svg"],
  encode: ["encode.svg"],
  rpc: ["rpc.svg"],
  connect: ["connections.svg"],
  attack: ["attack.svg"],
  scale: ["scale.svg"]
}

const region = (run: Run, name: string): string | undefined => {
  const known: Readonly<Record<string, (run: Run) => string>> = { machine, targets, costs, profile }
  if (known[name] !== undefined) return known[name](run)
  const drawn = new Set(pictures(run).map(({ file }) => file))
  return name.startsWith("suite ")
    ? suite(run, name.slice(6), (drawnBy[name.slice(6)] ?? []).filter((file) => drawn.has(file)))
    : undefined
}

/** The page with what this run says. Throws where it asks for what there is not. */
export const write = (page: string, run: Run): string =>
  page.replaceAll(/<!-- figures (.+?) -->[\s\S]*?<!-- \/figures -->/g, (_, name: string) => {
    const text = region(run, name)
    if (text === undefined) throw new Error(`the page asks for the figures "${name}", which there are not`)
    return `<!-- figures ${name} -->\n\n${text}\n\n<!-- /figures -->`
  })
