// What of the benchmarks does not depend on a clock: that wrong bytes are noticed, the arithmetic, the verdicts.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { everyCase } from "../benchmarks/cases.ts"
import { BenchError, node } from "../benchmarks/Child.ts"
import type { Figures } from "../benchmarks/Figure.ts"
import * as LoadGenerator from "../benchmarks/LoadGenerator.ts"
import { chunksOf, digest, payloadsOf, type Wire } from "../benchmarks/memory/Material.ts"
import * as Report from "../benchmarks/Report.ts"
import * as Run from "../benchmarks/Run.ts"
import * as Scale from "../benchmarks/Scale.ts"
import * as Statistics from "../benchmarks/Statistics.ts"
import * as Suite from "../benchmarks/Suite.ts"
import * as Targets from "../benchmarks/targets.ts"
import * as Process from "./support/Process.ts"

/** A server that does this with each connection. */
const serving = (connected: (socket: Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        sockets.add(socket)
        socket.on("error", () => {}).on("end", () => socket.end())
        connected(socket)
      })
      const close = () => {
        server.close()
        for (const socket of sockets) socket.destroy()
      }
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ port, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const echo = (socket: Socket) => void socket.on("data", (chunk) => socket.write(chunk))

/** Flips one bit of byte `at` of what each connection sends. */
const flipping = (at: number) => (socket: Socket) => {
  let seen = 0
  socket.on("data", (chunk: Buffer) => {
    const index = at - seen
    if (index >= 0 && index < chunk.length) chunk[index]! ^= 1
    seen += chunk.length
    socket.write(chunk)
  })
}

const inC = LoadGenerator.build()
const problem = inC.problem ?? ""
const skipped = problem !== "" && process.env["FRAMEWIRE_REQUIRE_PEERS"] === undefined
const generators = [
  ["C", skipped, problem === "" ? "" : `: ${problem}`, inC.command],
  ["Node", false, "", node("loadgen.ts")]
] as const

for (const [name, skip, note, command] of generators) {
  describe.skipIf(skip)(`the load generator in ${name}${note}`, () => {
    const load = (connected: (socket: Socket) => void, ...options: ReadonlyArray<string>) =>
      Effect.gen(function*() {
        const { port } = yield* serving(connected)
        const [file = "", ...args] = [...command, "-p", String(port), "-t", "0.2", "-w", "0", ...options]
        return yield* Process.run(file, args)
      }).pipe(Effect.scoped)

    it.live("counts what comes back as it was sent, by its own words", () =>
      Effect.gen(function*() {
        for (const options of [["-s", "0"], ["-s", "100000", "-d", "3"], ["-f", "lines", "-c", "3"], ["-r", "1000"]]) {
          const { code, stderr, stdout } = yield* load(echo, ...options)
          assert.deepStrictEqual([code, stderr], [0, ""], options.join(" "))
          const [measure, stop, said = ""] = stdout.split("\n")
          assert.deepStrictEqual([measure, stop], ["MEASURE", "STOP"])
          assert.isAbove((JSON.parse(said) as { frames: number }).frames, 0)
        }
      }))

    it.live("at a rate of its own, asks for all that is due, and counts no more", () =>
      Effect.gen(function*() {
        for (const sleeping of [[], ["-i"]]) {
          const { stdout } = yield* load(echo, "-r", "2000", "-c", "4", "-t", "0.1", ...sleeping)
          const { frames } = JSON.parse(stdout.split("\n")[2]!) as { frames: number }
          // 200, give or take one at either end.
          assert.isAtLeast(frames, 199)
          assert.isAtMost(frames, 201)
        }
      }))

    it.live("ends when as many have come back as were wanted, long before its time", () =>
      Effect.gen(function*() {
        const { code, stdout } = yield* load(echo, "-n", "1000", "-t", "15", "-d", "10")
        assert.strictEqual(code, 0)
        const { frames, seconds } = JSON.parse(stdout.split("\n")[2]!) as { frames: number; seconds: number }
        assert.isAtLeast(frames, 1000)
        assert.isBelow(seconds, 10)
      }))

    for (const mode of ["echo", "idle", "accept"]) {
      it.live(`${mode}: one wrong bit is a mismatch, in the length and in the payload`, () =>
        Effect.gen(function*() {
          for (const at of [0, 10]) {
            const { code, stderr } = yield* load(flipping(at), "-m", mode)
            assert.strictEqual(code, 3)
            assert.include(stderr, "mismatch")
          }
        }))
    }

    it.live("a wrong bit late in the stream is one, too", () =>
      Effect.gen(function*() {
        const { code } = yield* load(flipping(1_000_000), "-d", "64", "-s", "1000", "-t", "5")
        assert.strictEqual(code, 3)
      }))

    it.live("more answers than requests are a mismatch", () =>
      Effect.gen(function*() {
        const twice = (socket: Socket) =>
          void socket.on("data", (chunk: Buffer) => {
            socket.write(Buffer.concat([chunk, chunk]))
          })
        assert.strictEqual((yield* load(twice, "-t", "5")).code, 3)
      }))

    it.live("a server that closes leaves requests unanswered", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* load((socket) => void socket.end())).code, 4)
      }))

    it.live("answers other than the requests, from a file", () =>
      Effect.gen(function*() {
        const folder = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "framewire-"))),
          (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
        )
        const path = join(folder, "exchange")
        const texts = Array.from({ length: 100 }, (_, i) => [`ask ${i}\n`, `answer ${i}\n`]).flat()
        writeFileSync(path, Buffer.concat(chunksOf(texts, "lines", "u32be")))
        const answering = (wrong: number) => (socket: Socket) => {
          let rest = ""
          socket.on("data", (chunk: Buffer) => {
            const lines = (rest + chunk.toString()).split("\n")
            rest = lines.pop()!
            const answers = lines.map((line) =>
              line === `ask ${wrong}` ? "answer ?\n" : `${line.replace("ask", "answer")}\n`
            )
            socket.write(answers.join(""))
          })
        }
        assert.strictEqual((yield* load(answering(-1), "-x", path, "-d", "7", "-c", "2")).code, 0)
        assert.strictEqual((yield* load(answering(57), "-x", path, "-d", "7", "-t", "5")).code, 3)
      }).pipe(Effect.scoped))

    it.live("options that cannot be are a usage error", () =>
      Effect.gen(function*() {
        for (const options of [["-m", "other"], ["-c", "0"], ["-f", "other"], ["-t", "0"], ["-n", "0"], ["-p", "0"]]) {
          assert.strictEqual((yield* load(echo, ...options)).code, 2, options.join(" "))
        }
      }))
  })
}

describe("without a compiler", () => {
  it.live("the bench says so, and the load comes from Node", () =>
    Effect.gen(function*() {
      const folder = mkdtempSync(join(tmpdir(), "framewire-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
      const json = join(folder, "out.json")
      const args = ["echo", "--cases", "bytes 1x1 256 B", "--peers", "core", "--rounds", "1", "--seconds", "0.1"]
      const [file = "", ...rest] = node("main.ts", ...args, "--json", json)
      const { code, stdout } = yield* Process.run("env", [`CC=${join(folder, "no-compiler")}`, file, ...rest])
      assert.include(stdout, "warning: no C compiler")
      assert.include(stdout, "the load comes from Node, which may be slower than the server")
      assert.match(stdout, /^core +\d/m)
      assert.include([0, 1], code)
      const run = yield* Run.parse(readFileSync(json, "utf8"), json)
      assert.deepStrictEqual(run.results.map(({ name }) => name), ["bytes 1x1 256 B"])
      assert.isAbove(Suite.median(run.results[0]!, "core", "perSecond") ?? 0, 0)
    }).pipe(Effect.scoped), 40_000)
})

describe("what streams 1 GiB", () => {
  const stream = (connected: (socket: Socket) => void) =>
    Effect.gen(function*() {
      const { port } = yield* serving(connected)
      const [file = "", ...args] = node("clients/streamed.ts", String(port), "300000", "600000")
      return yield* Process.run(file, args)
    }).pipe(Effect.scoped)

  it.live("compares each byte that comes back", () =>
    Effect.gen(function*() {
      const { code, stdout } = yield* stream(echo)
      const { bytes } = JSON.parse(stdout.split("\n")[2]!) as { bytes: number }
      assert.deepStrictEqual([code, bytes], [0, 2 * 300_008])
      for (const at of [7, 8, 300_007, 300_020, 600_015]) {
        assert.strictEqual((yield* stream(flipping(at))).code, 3, String(at))
      }
    }))
})

describe("statistics", () => {
  it("the middle, and how far it goes to either side", () => {
    assert.deepStrictEqual(Statistics.spread([3, 1, 2]), { median: 2, min: 1, max: 3, count: 3 })
    assert.deepStrictEqual(Statistics.spread([4, 1, 2, 3]), { median: 2.5, min: 1, max: 4, count: 4 })
    assert.deepStrictEqual(Statistics.spread([7]), { median: 7, min: 7, max: 7, count: 1 })
    assert.isUndefined(Statistics.spread([]))
    // Numbers, not texts.
    assert.strictEqual(Statistics.spread([9, 10, 100])?.median, 10)
  })

  it("a ratio is of each round, and only then the middle", () => {
    // In the second round everything was ten times slower: the ratio is not.
    assert.deepStrictEqual(Statistics.ratio([200, 20, 220], [100, 10, 100]), { median: 2, min: 2, max: 2.2, count: 3 })
    assert.strictEqual(Statistics.ratio([1, undefined, 3], [1, 1])?.count, 1)
    assert.isUndefined(Statistics.ratio([1], [0]))
  })

  it("everyone begins in turn", () => {
    assert.deepStrictEqual([0, 1, 2, 3].map((by) => Statistics.rotated(["a", "b", "c"], by).join("")), [
      "abc",
      "bca",
      "cab",
      "abc"
    ])
    assert.deepStrictEqual(Statistics.rotated([], 1), [])
  })
})

const window = { seconds: 1, warmup: 0 }

describe("a case", () => {
  it.effect("measures peers in turn, beginning with another one each round, and a failed one no further", () =>
    Effect.gen(function*() {
      const order: Array<string> = []
      const peer = (name: string, figures: Effect.Effect<Figures, BenchError>) => () => {
        order.push(name)
        return figures
      }
      const result = yield* Suite.run(
        {
          suite: "echo",
          name: "case",
          base: "a",
          peers: {
            a: peer("a", Effect.succeed({ perSecond: 2 })),
            b: peer("b", Effect.fail(new BenchError({ message: "wrong bytes" }))),
            c: peer("c", Effect.succeed({ perSecond: 3 }))
          },
          shows: ["perSecond"]
        },
        3,
        window,
        () => Effect.void
      )
      assert.strictEqual(order.join(""), "abccaca")
      assert.deepStrictEqual(result.failed, { b: "wrong bytes" })
      assert.strictEqual(Suite.ratio(result, "c", "a", "perSecond")?.median, 1.5)
      assert.isUndefined(Suite.ratio(result, "b", "a", "perSecond"))
      assert.include(Report.result(result), "b FAILED: wrong bytes")
      assert.strictEqual(Targets.exitCode([result], []), 1)
    }))
})

describe("a case of which not all is wanted", () => {
  it.effect("measures the others once, and says so", () =>
    Effect.gen(function*() {
      const order: Array<string> = []
      const peer = (name: string) => () => Effect.sync(() => (order.push(name), { perSecond: order.length }))
      const peers = { a: peer("a"), b: peer("b"), c: peer("c") }
      const once = new Set(["b"])
      const result = yield* Suite.run(
        { suite: "echo", name: "case", base: "a", peers, shows: ["perSecond"], once },
        3,
        window,
        () => Effect.void
      )
      assert.strictEqual(order.join(""), "abccaca")
      assert.match(Report.result(result), /^b +2\.00 +one round /m)
      assert.match(Report.result(result), /^c +0\.86 +0\.80\.\.3\.00 /m)
    }))
})

describe("targets", () => {
  const target = (figure: Targets.Target["figure"], ratio: number): Targets.Target => ({
    issue: "0",
    suite: "echo",
    name: "case",
    peer: "ours",
    base: "theirs",
    figure,
    ratio,
    noise: 0.05
  })
  const result = (ours: Figures, failed = {}): Suite.Result => ({
    suite: "echo",
    name: "case",
    base: "theirs",
    shows: ["perSecond"],
    asks: "closed",
    rounds: { ours: [ours], theirs: [{ perSecond: 100, p50: 100 }] },
    failed
  })
  const verdict = (figure: "perSecond" | "p50", ratio: number, value: number) =>
    Targets.judge(target(figure, ratio), [result({ [figure]: value })])?.verdict

  it("more is better: at, within the noise, below it", () => {
    assert.deepStrictEqual([200, 90, 86, 85].map((value) => verdict("perSecond", 0.9, value)), [
      "met",
      "met",
      "near",
      "missed"
    ])
  })

  it("less is better: at, within the noise, above it", () => {
    assert.deepStrictEqual([50, 110, 115, 116].map((value) => verdict("p50", 1.1, value)), [
      "met",
      "met",
      "near",
      "missed"
    ])
  })

  it("what was not measured is not judged, what failed is", () => {
    const wanted = target("perSecond", 1)
    assert.isUndefined(Targets.judge(wanted, []))
    assert.isUndefined(Targets.judge({ ...wanted, name: "other" }, [result({ perSecond: 1 })]))
    assert.isUndefined(Targets.judge({ ...wanted, peer: "other" }, [result({ perSecond: 1 })]))
    const failed = result({ perSecond: 200 }, { ours: "it hung" })
    assert.strictEqual(Targets.judge(wanted, [failed])?.verdict, "failed")
  })

  it("the exit code is 1 where one is missed by more than its noise", () => {
    const codeOf = (value: number) => {
      const results = [result({ perSecond: value })]
      const judged = Targets.judgeAll(results, [target("perSecond", 0.5), target("perSecond", 1)])
      return [Targets.exitCode(results, judged), judged.map(({ verdict }) => verdict).join(" ")]
    }
    assert.deepStrictEqual([100, 96, 60].map(codeOf), [[0, "met met"], [0, "met near"], [1, "met missed"]])
    assert.strictEqual(Targets.exitCode([], []), 0)
  })

  it("each can be measured: its case is one, and both peers are in it", () => {
    for (const { base, name, peer, suite } of [...Targets.targets, ...Scale.targets]) {
      const found = everyCase.find((it) => it.suite === suite && it.name === name)
      assert.containsAllKeys(found?.peers ?? {}, [base, peer], `${suite} ${name}`)
    }
    for (const { base, name, peers } of everyCase) assert.containsAllKeys(peers, [base], name)
    assert.strictEqual(new Set(everyCase.map(({ name, suite }) => `${suite} ${name}`)).size, everyCase.length)
  })

  it("says so where one of the two was held up", () => {
    const judged = Targets.judgeAll([result({ perSecond: 100, heldUp: 0.5 })], [target("perSecond", 1)])
    assert.match(Report.judged(judged), / met \(held up\)$/m)
  })

  it("shows each with its verdict", () => {
    const text = Report.judged(Targets.judgeAll([result({ perSecond: 97 })], [target("perSecond", 1)]))
    assert.match(text, />= 1\.00 +0\.97 +5 % +missed, within noise$/m)
  })
})

describe("what is decoded and encoded", () => {
  it("is the same on every wire, whatever the size", () => {
    for (const wire of ["u32be", "varint", "lf"] as const satisfies ReadonlyArray<Wire>) {
      for (const size of [1, 127, 128, 70_000]) {
        const messages = Array.from({ length: 5 }, (_, i) => String(i).padEnd(size, "x"))
        const bytes = Buffer.concat(chunksOf(messages, "lines", wire))
        assert.strictEqual(digest(payloadsOf(bytes, wire)), digest(messages))
      }
    }
  })

  it("is told from others: by a byte, by where frames end", () => {
    const digests = [["ab", "c"], ["a", "bc"], ["ab", "d"], ["ab"], ["ab", "c", ""]].map((frames) => digest(frames))
    assert.strictEqual(new Set(digests).size, digests.length)
  })
})
