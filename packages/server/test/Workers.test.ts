import { assert, describe, it } from "@effect/vitest"
import { TransportError } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Worker, WorkerError, type WorkerEvent, Workers } from "@framewire/server/node"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { bounded, eventually, RawClient } from "./support/index.ts"
import * as Regulars from "./support/Regulars.ts"

const options = {
  address: { host: "127.0.0.1", port: 0 },
  entry: join(import.meta.dirname, "support/worker.ts"),
  execArgv: ["--conditions=@framewire/source"],
  workers: 2
} as const

// By hand: 200 clients and 20 restarts of both workers, twice.
const full = process.env["FRAMEWIRE_RESTARTS"] !== undefined
const load = full ? { clients: 200, restarts: 20, millis: 300_000 } : { clients: 40, restarts: 1, millis: 30_000 }

/** Everything that happens from now on. */
const recorded = ({ events }: Workers.Workers["Service"]) =>
  Effect.gen(function*() {
    const seen: Array<WorkerEvent.WorkerEvent> = []
    yield* Effect.forkScoped(Stream.runForEach(events, (event) => Effect.sync(() => void seen.push(event))), {
      startImmediately: true
    })
    return seen
  })

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const talking = (workers: Workers.Workers["Service"]) =>
  Effect.gen(function*() {
    const client = yield* RawClient.connect(workers.address, { finishes: true })
    client.write("hello\n")
    assert.strictEqual(yield* client.received(6), "hello\n")
    return client
  })

/** How a worker with this fault ends the start of all. */
const refusal = (...args: ReadonlyArray<string>) =>
  Effect.flip(Workers.make({ ...options, workers: 1, readyTimeout: "2 seconds", args }))

describe("Workers", () => {
  for (const queues of ["each", "one"] as const) {
    it.live(
      `rolling restarts under load, queues: ${queues}: 0 refused, 0 reset, 0 lost, and the reports add up`,
      () =>
        bounded(
          Effect.gen(function*() {
            const workers = yield* Workers.make({ ...options, queues })
            const before = yield* workers.pids
            const { leave, tally } = yield* Regulars.come(workers.address, load.clients)
            yield* eventually(() => tally.answered > 10 * load.clients)
            yield* Effect.repeat(workers.restart, { times: load.restarts - 1 })
            yield* leave
            const after = yield* workers.pids
            assert.lengthOf(new Set([...before, ...after]), 4)
            const { reported, total, unreported } = yield* workers.stop
            if (full) console.log(JSON.stringify({ queues, tally, total, reported }))
            assert.deepStrictEqual([tally.lost, tally.errors], [0, {}])
            assert.isAtLeast(tally.goodbyes, load.clients)
            assert.deepStrictEqual([reported, unreported], [2 + 2 * load.restarts, 0])
            assert.deepStrictEqual([total.accepted, total.rejected, total.reset], [tally.connected, 0, 0])
            assert.strictEqual(total.finished, total.open)
          }),
          load.millis
        ),
      load.millis + 10_000
    )
  }

  it.live("the clients are spread over the workers", () =>
    bounded(Effect.gen(function*() {
      const workers = yield* Workers.make(options)
      const events = yield* recorded(workers)
      const { leave, tally } = yield* Regulars.come(workers.address, 200)
      yield* eventually(() => tally.connected === 200 && tally.answered > 2000)
      yield* leave
      yield* workers.stop
      const shares = events.flatMap((event) => event._tag === "Ended" ? event.report?.accepted ?? 0 : [])
      assert.strictEqual(shares.reduce((sum, share) => sum + share, 0), 200)
      // By a hash of their ports: 50 is seven times the deviation away from the middle.
      assert.isAtLeast(Math.min(...shares), 50)
    })))

  it.live("a worker that dies is replaced, and who comes meanwhile is served by its successor", () =>
    bounded(Effect.gen(function*() {
      const workers = yield* Workers.make({ ...options, workers: 1 })
      const events = yield* recorded(workers)
      const [first = 0] = yield* workers.pids
      const before = yield* talking(workers)
      process.kill(first, "SIGKILL")
      yield* before.closed
      // There is no worker now.
      yield* talking(workers)
      const [second = 0] = yield* workers.pids
      assert.notStrictEqual(second, first)
      const { reported, total, unreported } = yield* workers.stop
      assert.deepStrictEqual([reported, unreported, total.accepted], [1, 1, 1])
      const seen = events.map((event) => "pid" in event ? `${event._tag} ${event.pid}` : event._tag)
      assert.deepStrictEqual(seen, [
        `Ended ${first}`,
        `Started ${second}`,
        `Ready ${second}`,
        `Draining ${second}`,
        `Ended ${second}`,
        "Stopped"
      ])
      assert.deepInclude(events[0], { asked: false, signal: "SIGKILL", report: undefined })
      assert.deepInclude(events[4], { asked: true, code: 0, report: total })
      assert.strictEqual(yield* Effect.flip(RawClient.connect(workers.address)), "ECONNREFUSED")
    })))

  it.live("a worker that gets SIGTERM drains, reports, and is replaced", () =>
    bounded(Effect.gen(function*() {
      const workers = yield* Workers.make({ ...options, workers: 1 })
      const events = yield* recorded(workers)
      const [first = 0] = yield* workers.pids
      const client = yield* talking(workers)
      process.kill(first, "SIGTERM")
      assert.strictEqual(yield* client.received(10), "hello\nbye\n")
      client.socket.end()
      yield* eventually(() => events.some(({ _tag }) => _tag === "Ready"))
      assert.deepInclude(events.find(({ _tag }) => _tag === "Ended"), { asked: false, code: 0 })
      const { reported, total, unreported } = yield* workers.stop
      assert.deepStrictEqual([reported, unreported, total.accepted, total.finished], [2, 0, 1, 1])
    })))

  it.live("a worker that does not become ready is a typed failure, and its process is gone", () =>
    bounded(Effect.gen(function*() {
      const died = yield* refusal("exits")
      assert.instanceOf(died, WorkerError.WorkerError)
      assert.match(died.message, /^worker 0 \(process \d+\): it died: exit code 7$/)
      // More than the kernel passes on.
      const env = { ...process.env, LONG: "x".repeat(4_000_000) }
      const none = yield* Effect.flip(Workers.make({ ...options, workers: 1, env }))
      assert.match(none.message, /^worker 0: it did not start: spawn E2BIG$/)
      const late = yield* refusal("hangs")
      assert.match(late.message, /: it was not ready in 2000 ms$/)
      yield* eventually(() => "pid" in late && late.pid !== undefined && !isAlive(late.pid))
    })))

  it.live("what a worker says is checked", () =>
    bounded(Effect.gen(function*() {
      const workers = yield* Workers.make({ ...options, workers: 1, args: ["lies"] })
      const [pid = 0] = yield* workers.pids
      process.kill(pid, "SIGKILL")
      yield* eventually(() => !isAlive(pid))
      assert.strictEqual((yield* workers.stop).unreported, 1)
    })))

  it.live("a restart whose new worker does not start changes nothing", () =>
    bounded(Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "framewire-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
      )
      const file = join(folder, "broken")
      const workers = yield* Workers.make({ ...options, args: ["exits-if", file] })
      const before = yield* workers.pids
      writeFileSync(file, "")
      assert.strictEqual((yield* Effect.flip(workers.restart)).reason._tag, "Died")
      assert.deepStrictEqual(yield* workers.pids, before)
      yield* talking(workers)
    })))

  it.live("when the schedule ends all workers stop, and that is a failure", () =>
    bounded(Effect.gen(function*() {
      const workers = yield* Workers.make({ ...options, restarts: Schedule.recurs(0) })
      const [first = 0, second = 0] = yield* workers.pids
      process.kill(first, "SIGKILL")
      const error = yield* Effect.flip(workers.stopped)
      assert.deepInclude(error, { slot: 0, pid: first })
      assert.isFalse(isAlive(second))
      assert.deepInclude(yield* workers.stop, { reported: 1, unreported: 1 })
    })))

  it.live("a worker that does not drain in time is killed", () =>
    bounded(Effect.gen(function*() {
      const workers = yield* Workers.make({ ...options, workers: 1, args: ["stays"], stopTimeout: "300 millis" })
      const client = yield* RawClient.connect(workers.address)
      client.write("hello\n")
      yield* Effect.sleep("100 millis")
      assert.deepInclude(yield* workers.stop, { reported: 0, unreported: 1 })
      assert.strictEqual(yield* client.closed, "ECONNRESET")
    })))

  // Its loop stands still while they come, so that all of them are in the kernel's queue when it is told to stop.
  it.live("a stop serves those in the queue, and closes the port", () =>
    bounded(Effect.gen(function*() {
      const workers = yield* Workers.make({ ...options, workers: 1, args: ["sleeps"] })
      const [pid = 0] = yield* workers.pids
      process.kill(pid, "SIGUSR2")
      yield* Effect.sleep("100 millis")
      const clients = yield* Effect.forEach(
        Array.from({ length: 50 }),
        () => RawClient.connect(workers.address, { finishes: true })
      )
      for (const client of clients) client.write("hello\n")
      const stopping = yield* Effect.forkChild(workers.stop, { startImmediately: true })
      for (const client of clients) {
        assert.match(yield* client.received(10), /hello\n/)
        client.socket.end()
      }
      const { total } = yield* Fiber.join(stopping)
      assert.deepStrictEqual([total.accepted, total.finished], [50, 50])
      assert.strictEqual(yield* Effect.flip(RawClient.connect(workers.address)), "ECONNREFUSED")
    })))

  it.live("a stop amid a restart ends both, and later calls join it", () =>
    bounded(Effect.gen(function*() {
      const workers = yield* Workers.make(options)
      const events = yield* recorded(workers)
      const restart = yield* Effect.forkChild(Effect.flip(workers.restart), { startImmediately: true })
      yield* eventually(() => events.some(({ _tag }) => _tag === "Started"))
      const first = yield* Effect.forkChild(workers.stop, { startImmediately: true })
      const report = yield* workers.stop
      assert.strictEqual(yield* Fiber.join(first), report)
      assert.strictEqual((yield* Fiber.join(restart)).reason._tag, "Stopping")
      assert.deepInclude(report, { reported: 3, unreported: 0 })
      const pids = events.flatMap((event) => event._tag === "Ended" ? event.pid : [])
      assert.deepStrictEqual([pids.length, pids.filter(isAlive)], [3, []])
    })))

  it.live("workers drain and leave when their primary was killed", () =>
    bounded(Effect.gen(function*() {
      const primary = yield* Effect.acquireRelease(
        Effect.sync(() => {
          const program = join(import.meta.dirname, "support/primary.ts")
          return spawn(process.execPath, [...options.execArgv, program], { stdio: ["ignore", "pipe", "inherit"] })
        }),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      const [line] = yield* Effect.promise(() => once(createInterface(primary.stdout), "line"))
      const { address, pids } = JSON.parse(line)
      const client = yield* RawClient.connect(address, { finishes: true })
      client.write("hello\n")
      yield* client.received(6)
      primary.kill("SIGKILL")
      assert.strictEqual(yield* client.received(10), "hello\nbye\n")
      client.socket.end()
      assert.strictEqual(yield* client.closed, "end")
      yield* eventually(() => !pids.some(isAlive))
      assert.strictEqual(yield* Effect.flip(RawClient.connect(address)), "ECONNREFUSED")
    })))

  it.live("an address that cannot be held is a ListenError", () =>
    bounded(Effect.gen(function*() {
      const taken = yield* Workers.make({ ...options, workers: 1 })
      const reasonAt = (host: string, port: number) =>
        Effect.map(Effect.flip(Workers.make({ ...options, address: { host, port } })), (error) => {
          assert.instanceOf(error, TransportError.ListenError)
          return error.reason._tag
        })
      assert.strictEqual(yield* reasonAt("127.0.0.1", taken.address.port), "AddressInUse")
      assert.strictEqual(yield* reasonAt("192.0.2.1", 0), "AddressNotAvailable")
      assert.strictEqual(yield* reasonAt("localhost", 0), "InvalidAddress")
      assert.strictEqual(yield* reasonAt("127.0.0.1", 65_536), "InvalidAddress")
    })))
})

describe("Worker", () => {
  it.effect("outside of Workers there is none", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Worker.run({}, () => Effect.void))
      assert.strictEqual(error._tag, "NotAWorker")
      assert.isFalse(yield* Worker.isWorker)
    }).pipe(Effect.provide(NodeTransport.layer)))
})
