// What the server has counted is what its clients have counted.
import { assert, describe, it } from "@effect/vitest"
import { Admission, type DrainReport, Server } from "@framewire/server"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { bounded, connections, eventually, lines, options, RawClient } from "./support/index.ts"

/** Counts by kind. */
const tally = (outcomes: ReadonlyArray<string>): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const outcome of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1
  return counts
}

describe("DrainReport", () => {
  it.live("equals what the clients counted", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(
        {
          ...options,
          maxConnections: 20,
          drainDeadline: "150 millis",
          whenFull: Admission.reject({ busy: new TextEncoder().encode("busy\n") })
        },
        Server.respond(lines, (text) => text === "hang" ? Effect.never : Effect.succeed(text))
      )
      const visit = (...texts: ReadonlyArray<string>) =>
        Effect.gen(function*() {
          const client = yield* RawClient.connect(server.address, { finishes: true })
          for (const text of texts) client.write(`${text}\n`)
          yield* client.received(5)
          return client
        })
      // 10 have gone before the stop, 8 are idle and 12 in flight when it comes, 7 more found no room.
      for (let i = 0; i < 10; i++) {
        const client = yield* visit("hello")
        client.socket.end()
        yield* client.closed
      }
      yield* eventually(() => connections(server) === 0)
      const clients = [
        ...yield* Effect.forEach(Array.from({ length: 8 }), () => visit("hello")),
        ...yield* Effect.forEach(Array.from({ length: 12 }), () => visit("hello", "hang")),
        ...yield* Effect.forEach(Array.from({ length: 7 }), () => visit("hello"))
      ]
      const report = yield* server.stop
      const seen = tally(
        yield* Effect.forEach(clients, ({ chunks, closed }) =>
          Effect.map(closed, (how) => `${chunks.join("").trim()} ${how}`))
      )
      assert.deepStrictEqual(seen, { "hello end": 8, "hello ECONNRESET": 12, "busy end": 7 })
      const { durationMillis: _, ...counts } = report
      assert.deepStrictEqual(counts, {
        accepted: 10 + 8 + 12,
        rejected: 7,
        open: 8 + 12,
        finished: 8,
        interrupted: 0,
        reset: 12
      })
    })))
})

interface Counted {
  readonly report: DrainReport.DrainReport
  readonly events: Record<string, number>
  readonly metrics: Record<string, number>
}

/** The same clients against a server that may have 64 descriptors. */
const crowd = (maxConnections: number, clients: number) =>
  Effect.gen(function*() {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn("bash", [
          "-c",
          "ulimit -n 64; exec \"$0\" \"$@\"",
          process.execPath,
          "--conditions=@framewire/source",
          "--no-warnings",
          join(import.meta.dirname, "support/limited.ts"),
          `${maxConnections}`
        ], { stdio: ["pipe", "pipe", "inherit"] })
      ),
      (it) => Effect.sync(() => it.kill("SIGKILL"))
    )
    const printed = createInterface(child.stdout)
    const line = Effect.promise(() => once(printed, "line").then(([text]) => JSON.parse(String(text))))
    const { address, limit }: { address: { host: string; port: number }; limit: number } = yield* line
    const visit = Effect.gen(function*() {
      const client = yield* RawClient.connect(address, { finishes: true })
      client.write("hello\n")
      return yield* Effect.raceFirst(Effect.as(client.received(6), "served"), client.closed)
    })
    const outcomes = yield* Effect.forEach(Array.from({ length: clients }), () => Effect.catch(visit, Effect.succeed), {
      concurrency: "unbounded"
    })
    child.stdin.write("stop\n")
    const counted: Counted = yield* line
    return { seen: tally(outcomes), limit, ...counted }
  })

const onLinux = process.platform === "linux" ? {} : { skip: true }

describe("64 descriptors and 200 clients", () => {
  it.live(
    "by default each is served or turned away for a reason, none is dropped in silence",
    () =>
      bounded(Effect.gen(function*() {
        const { events, limit, metrics, report, seen } = yield* crowd(0, 200)
        assert.isTrue(limit > 10 && limit < 64, `${limit}`)
        const { served = 0 } = seen
        assert.isAbove(served, 10)
        assert.strictEqual(report.accepted, served)
        assert.strictEqual(report.rejected, 200 - served)
        assert.deepStrictEqual(events, metrics)
        assert.strictEqual(Object.values(events).reduce((sum, it) => sum + it, 0), report.rejected)
      })),
    onLinux
  )

  it.live(
    "with more connections allowed than there are descriptors, the listener sheds the rest, and each is counted",
    () =>
      bounded(Effect.gen(function*() {
        const { events, metrics, report, seen } = yield* crowd(1000, 200)
        const { ECONNRESET: reset = 0, served = 0 } = seen
        assert.deepStrictEqual(served + reset, 200)
        assert.isTrue(served > 10 && reset > 100, JSON.stringify(seen))
        assert.deepStrictEqual([report.accepted, report.rejected], [served, reset])
        assert.deepStrictEqual(events, { descriptors: reset })
        assert.deepStrictEqual(metrics, events)
      })),
    onLinux
  )
})
