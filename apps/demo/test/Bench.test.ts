import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Command from "../../../tests/support/Command.ts"
import * as Socket from "../../../tests/support/Socket.ts"
import { BenchHistogram } from "../src/BenchHistogram.ts"

interface Report {
  readonly frames: number
  readonly perSecond: number
  readonly latencyMicros: Readonly<Record<"p50" | "p99" | "max", number>>
}

const bench = (port: number, framing: string, ...args: ReadonlyArray<string>) =>
  Command.run(["bench", `127.0.0.1:${port}`, "--framing", framing, "--duration", "1", ...args])

describe("bench", () => {
  it.live("counts verified echoes of a server, and prints percentiles and a histogram", () =>
    Effect.gen(function*() {
      const { port } = yield* Command.serve("lines")
      const { code, stderr, stdout } = yield* bench(port, "lines", "--connections", "4", "--depth", "8")
      assert.match(stdout, /^\d+ frames in 1 s: \d+ a second, [\d.]+ MB\/s of payload each way\np50 .* us .*max .*\n/)
      assert.match(stdout, /\n +< [\d.]+ [um]?s +\d+ {2}#+\n/)
      assert.deepStrictEqual([code, stderr], [0, ""])
    }))

  it.live("keeps to a rate, with JSON", () =>
    Effect.gen(function*() {
      const { port } = yield* Command.serve("u32be")
      const { code, stdout } = yield* bench(port, "u32be", "--rate", "1000", "--json")
      const report = JSON.parse(stdout) as Report
      assert.strictEqual(code, 0)
      assert.isAtLeast(report.frames, 999)
      assert.isAtMost(report.frames, 1001)
    }))

  it.live("leaves nothing out where the server stands still: what was due meanwhile has waited", () =>
    Effect.gen(function*() {
      let stops = 0
      const port = yield* Socket.listen((socket) => {
        // From 1.2 s on, for 0.6 s, nothing is read.
        setTimeout(() => socket.pause(), 1200 + stops++)
        setTimeout(() => socket.resume(), 1800)
        socket.on("data", (chunk) => socket.write(chunk))
      })
      const { code, stdout } = yield* bench(port, "u32be", "--rate", "1000", "--connections", "1", "--json")
      const { frames, latencyMicros } = JSON.parse(stdout) as Report
      assert.strictEqual(code, 0)
      assert.isAtLeast(frames, 999)
      // With coordinated omission, one frame of them all would have waited.
      assert.isAbove(latencyMicros.p50, 20_000)
      assert.isAbove(latencyMicros.max, 400_000)
    }))

  it.live("fails where an echo differs: exit code 1, and which one", () =>
    Effect.gen(function*() {
      const port = yield* Socket.listen((socket) =>
        void socket.on("data", (chunk: Buffer) => socket.write(chunk.toString().replace("a", "b")))
      )
      const { code, stderr } = yield* bench(port, "lines", "--connections", "1")
      assert.strictEqual(stderr, "framewire: connection 1: frame 1 did not come back as it was sent\n")
      assert.strictEqual(code, 1)
    }))

  it.live("fails where answers stay away: exit code 1, and how many", () =>
    Effect.gen(function*() {
      const port = yield* Socket.listen((socket) => void socket.resume())
      const { code, stderr } = yield* bench(port, "lines", "--connections", "3")
      assert.strictEqual(stderr, "framewire: frames without an answer: 3\n")
      assert.strictEqual(code, 1)
    }))

  it.live("fails where the server closes, or is not there", () =>
    Effect.gen(function*() {
      const closing = yield* bench(yield* Socket.listen((socket) => void socket.end()), "lines", "--connections", "1")
      assert.match(closing.stderr, /^framewire: the server closed a connection; 1 answers were to come\n$/)
      const refused = yield* bench(yield* Socket.refusing, "lines")
      assert.match(refused.stderr, /^framewire: cannot connect to .*: connection refused\n$/)
      assert.deepStrictEqual([closing.code, refused.code], [1, 1])
    }))

  const bounds: ReadonlyArray<readonly [flag: string, value: string, message: string]> = [
    ["--connections", "10001", "--connections: 1 to 10000"],
    ["--depth", "0", "--depth: 1 to 10000"],
    ["--size", "1048577", "--size: 0 to 1048576"],
    ["--rate", "0", "--rate: 1 to 10000000"]
  ]
  it.live.each(bounds)("refuses %s %s: exit code 2", ([flag, value, message]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* bench(1, "lines", flag, value), {
        code: 2,
        stdout: "",
        stderr: `framewire: ${message}\n`
      })
    }))
})

describe("the histogram", () => {
  it("has percentiles of the nearest rank, at most 3.2 % too high", () => {
    const histogram = new BenchHistogram()
    for (let value = 1; value <= 10_000; value++) histogram.add(value)
    for (const share of [0.001, 0.5, 0.9, 0.99, 0.999, 1]) {
      const exact = share * 10_000
      assert.isAtLeast(histogram.percentile(share), exact)
      assert.isAtMost(histogram.percentile(share), 1.032 * exact)
    }
    assert.strictEqual(histogram.max, 10_000)
    assert.strictEqual(histogram.rows.reduce((sum, { count }) => sum + count, 0), 10_000)
  })

  it("has nothing to say of nothing, and one class for what takes longer than all classes", () => {
    const histogram = new BenchHistogram()
    assert.deepStrictEqual([histogram.percentile(0.5), histogram.rows], [0, []])
    histogram.add(2 ** 50)
    assert.strictEqual(histogram.percentile(0.5), 2 ** 40)
  })
})
