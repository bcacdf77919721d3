// docs/performance.md says what its figures say, and the plots beside it, too.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Page from "../benchmarks/Page.ts"
import * as Plot from "../benchmarks/Plot.ts"
import * as Profile from "../benchmarks/Profile.ts"
import * as Run from "../benchmarks/Run.ts"

const docs = join(import.meta.dirname, "..", "docs")
const page = readFileSync(join(docs, "performance.md"), "utf8")
const figures = readFileSync(join(docs, "performance", "figures.json"), "utf8")

describe("docs/performance.md", () => {
  const repair = "npm run bench:report -- docs/performance/figures.json"

  it.effect(`is what its figures say; else ${repair}`, () =>
    Effect.gen(function*() {
      const run = yield* Run.parse(figures, "figures.json")
      assert.strictEqual(Page.write(page, run), page)
      assert.strictEqual(Run.format(run), figures)
    }))

  it.effect(`its plots, too; else ${repair}`, () =>
    Effect.gen(function*() {
      const pictures = Page.pictures(yield* Run.parse(figures, "figures.json"))
      const names = readdirSync(join(docs, "performance")).filter((name) => name.endsWith(".svg"))
      assert.sameMembers(names, pictures.map(({ file }) => file))
      for (const { file, svg } of pictures) {
        assert.strictEqual(readFileSync(join(docs, "performance", file), "utf8"), svg, file)
        assert.include(page, `](performance/${file})`)
      }
    }))

  it.effect("another figure is another page and another plot", () =>
    Effect.gen(function*() {
      const run = yield* Run.parse(figures, "figures.json")
      const results = run.results.map((result) =>
        result.suite !== "echo" ? result : {
          ...result,
          rounds: {
            ...result.rounds,
            batch: (result.rounds["batch"] ?? []).map((it) => ({ ...it, perSecond: 2 * (it["perSecond"] ?? 0) }))
          }
        }
      )
      const other = { ...run, results }
      assert.notStrictEqual(Page.write(page, other), page)
      assert.notDeepEqual(Page.pictures(other), Page.pictures(run))
    }))

  it("what it asks for has to be there", () => {
    const run = { ...empty(), results: [] }
    assert.throws(() => Page.write("<!-- figures other -->\n<!-- /figures -->", run), /"other"/)
    assert.include(Page.write("<!-- figures targets -->\n<!-- /figures -->", run), "Not measured.")
  })
})

const result = (name: string, perSecond: number): Run.Run["results"][number] => ({
  suite: "echo",
  name,
  base: "by hand",
  shows: ["perSecond"],
  asks: "closed",
  rounds: { "by hand": [{ perSecond }] },
  failed: {}
})

const empty = (cpu = "one"): Run.Run => ({
  at: "2026-01-01T00:00:00.000Z",
  commit: "0",
  machine: { cpu, cores: 2, memory: 1e9, node: "v26", kernel: "Linux", load: 0, warnings: [] },
  window: { seconds: 1, warmup: 0.5 },
  results: [result("a", 1), result("b", 2)]
})

describe("runs", () => {
  it.effect("what was measured again counts, the rest stays; the machine is the one that was busiest", () =>
    Effect.gen(function*() {
      const busy = { ...empty().machine, load: 3, warnings: ["not idle"] }
      const merged = yield* Run.merge([{ ...empty(), machine: busy }, { ...empty(), results: [result("b", 3)] }])
      assert.deepStrictEqual(merged.results, [result("a", 1), result("b", 3)])
      assert.deepStrictEqual(merged.machine, busy)
    }))

  it.effect("of two machines are not one, nor is what is no run", () =>
    Effect.gen(function*() {
      const strangers = yield* Effect.flip(Run.merge([empty(), empty("two")]))
      assert.include(strangers.message, "figures of two machines: one, Node v26, and two")
      const text = figures.replace("\"base\"", "\"bass\"")
      assert.include((yield* Effect.flip(Run.parse(text, "FILE"))).message, "FILE: ")
      assert.include((yield* Effect.flip(Run.parse("{", "FILE"))).message, "FILE: ")
    }))
})

describe("a profile", () => {
  const frame = (functionName: string, url = "", lineNumber = 0) => ({ functionName, url, lineNumber })

  it("is of the last seconds, without sleep, by function and by whose it is", () => {
    const nodes = [
      frame("startup", "file:///work/packages/core/src/A.ts"),
      frame("(idle)"),
      frame("decode", "file:///work/packages/framing/src/B.ts", 9),
      frame("decode", "file:///work/packages/framing/src/B.ts", 9),
      frame("run", "file:///work/node_modules/effect/src/C.ts"),
      frame("onread", "node:net"),
      frame("writev"),
      frame("(garbage collector)")
    ].map((callFrame, id) => ({ id, callFrame }))
    const { categories, functions, seconds } = Profile.summarize("t", {
      nodes,
      startTime: 0,
      endTime: 2e6,
      samples: [0, 1, 2, 3, 4, 5, 6, 7],
      timeDeltas: [9e5, 2e5, 3e5, 1e5, 2e5, 1e5, 1e5, 1e5]
    }, 1)
    assert.approximately(seconds, 0.9, 1e-9)
    assert.deepStrictEqual(functions.map(({ name, where }) => `${name} ${where}`), [
      "decode B.ts:10",
      "run C.ts:1",
      "onread node:net:1",
      "writev C++",
      "(garbage collector) V8"
    ])
    assert.deepStrictEqual(categories.map(({ name, percent }) => `${name} ${Math.round(percent)}`), [
      "framewire 44",
      "effect 22",
      "node 11",
      "native 11",
      "gc 11"
    ])
  })
})

describe("a plot", () => {
  const spread = (median: number) => ({ median, min: median / 2, max: median * 2, count: 3 })
  const long = "a name <that> is & stays much longer than the others are"
  const svg = Plot.dots({
    title: "title",
    axis: "axis",
    base: 1,
    groups: [{
      title: "group",
      rows: [
        { name: "slow", value: spread(100), isOurs: false },
        { name: long, value: spread(0.01), isOurs: true, wanted: 0.02 },
        { name: "none", value: undefined, isOurs: true }
      ]
    }]
  })

  it("has every name as text, inside of the picture", () => {
    assert.include(svg, ">a name &lt;that&gt; is &amp; stays much longer than the others are</text>")
    const [, width] = /viewBox="0 0 (\d+) \d+"/.exec(svg) ?? []
    for (
      const [, x, anchor, text = ""] of svg.matchAll(/<text x="([\d.-]+)"[^>]*?(?:text-anchor="(\w+)")?>([^<]*)</g)
    ) {
      const share = anchor === "end" ? 1 : anchor === "middle" ? 0.5 : 0
      // 6 pixels a letter is what DejaVu Sans, a wide one, has.
      assert.isAtLeast(Number(x) - share * text.length * 6, 0, text)
      assert.isAtMost(Number(x) + (1 - share) * text.length * 6, Number(width), text)
    }
  })

  it("stands at the right place of a scale of powers", () => {
    const at = [...svg.matchAll(/<circle cx="([\d.]+)"/g)].map(([, x]) => Number(x))
    const base = Number(/<line x1="([\d.]+)"[^>]*class="base"/.exec(svg)?.[1])
    // 100 is as far above 1 as 0.01 is below it.
    assert.approximately(at[0]! - base, base - at[1]!, 0.3)
    assert.include(svg, ">failed<")
  })

  it("of lines names each at its end, none over another", () => {
    const text = Plot.lines({
      title: "title",
      axis: "axis",
      steps: ["1", "2"],
      series: ["a", "b", "c"].map((name) => ({ name, values: [spread(1), spread(1)] }))
    })
    const ys = [...text.matchAll(/y="([\d.]+)" class="c\d"/g)].map(([, y]) => Number(y)).toSorted((a, b) => a - b)
    assert.strictEqual(ys.length, 3)
    assert.isTrue(ys.every((y, i) => i === 0 || y - ys[i - 1]! >= 15), ys.join(" "))
  })
})
