// What a client tells of itself: metrics by the names of the page, and spans.
import { assert, describe, it } from "@effect/vitest"
import { ClientMetrics, Reconnect } from "@framewire/client"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Tracer from "effect/Tracer"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { lines, MemoryServer } from "./support/index.ts"

const { fork, inMemory, settle } = MemoryServer

// Name, type, attributes beside the common one, meaning.
const rows = (() => {
  const [, after = ""] = readFileSync(join(import.meta.dirname, "../README.md"), "utf8").split("| metric ")
  const table = after.slice(0, after.indexOf("\n\n")).split("\n").slice(2)
  return table.map((line) => line.split("|").map((cell) => cell.trim().replaceAll("`", "")).slice(1, -1))
})()

const options = { schedule: Schedule.spaced("1 seconds"), queue: { maxAge: "3 seconds" }, name: "test" } as const

/** The first connect fails, one request waits and gets a line, one waits for too long; a line drains, a line is lost. */
const day = Effect.gen(function*() {
  const server = yield* MemoryServer.make((line, say) => line === "held" ? Effect.void : say(line))
  yield* server.stop
  const scope = yield* Scope.make()
  const client = yield* Scope.provide(Reconnect.make(lines, server.address, options), scope)
  const waits = yield* fork(client.request("waits"))
  yield* settle
  yield* server.start
  yield* TestClock.adjust("1 seconds")
  yield* Fiber.join(waits)
  yield* TestClock.adjust("5 seconds")
  yield* server.stop
  yield* settle
  const late = yield* fork(Effect.flip(client.request("late")))
  yield* TestClock.adjust("3 seconds")
  assert.strictEqual((yield* Fiber.join(late)).reason._tag, "QueueTimedOut")
  yield* server.start
  yield* TestClock.adjust("1 seconds")
  yield* settle
  yield* fork(Effect.ignore(client.request("held")))
  const draining = yield* fork(client.drain)
  yield* settle
  const during = yield* Metric.snapshot
  yield* TestClock.adjust("15 seconds")
  yield* Fiber.join(draining)
  yield* Scope.close(scope, Exit.void)
  yield* settle
  return during
})

const measured = Effect.gen(function*() {
  const registry: Metric.MetricRegistry = new Map()
  return yield* Effect.gen(function*() {
    const during = yield* inMemory(day)
    return { during, after: yield* Metric.snapshot }
  }).pipe(Effect.provideService(Metric.MetricRegistry, registry))
})

const attributes = {
  "client.name": "test",
  "server.address": "server",
  "server.port": "7",
  "network.transport": "tcp"
}

type Snapshot = Effect.Success<typeof Metric.snapshot>

/** The state of one series. */
const at = (snapshot: Snapshot, id: string, more: Readonly<Record<string, string>>) => {
  const keys = Object.keys(more)
  const found = snapshot.find((it) => {
    const own = it.attributes ?? {}
    return it.id === id && Object.keys(own).length === keys.length && keys.every((key) => own[key] === more[key])
  })
  const state = found?.state
  if (state === undefined) return undefined
  return "value" in state ? state.value : "sum" in state ? [state.count, state.sum] : "count" in state && state.count
}

describe("ClientMetrics", () => {
  it("are those of the table on the page, by name, type and description", () => {
    assert.deepStrictEqual(
      rows.map(([name, type, , meaning]) => [name, type, meaning]),
      Object.values(ClientMetrics).map(({ description, id, type }) => [id, type, description])
    )
  })

  it.effect("have the attributes of the table", () =>
    Effect.gen(function*() {
      const { after } = yield* measured
      for (const [name = "", , own = ""] of rows) {
        const seen = new Set(after.filter(({ id }) => id === name).flatMap((it) => Object.keys(it.attributes ?? {})))
        const expected = ["client.name", ...own.split(", ").filter((it) => it !== "")]
        assert.deepStrictEqual([...seen].toSorted(), expected.toSorted(), name)
      }
    }))

  it.effect("count what happened", () =>
    Effect.gen(function*() {
      const { after, during } = yield* measured
      const name = "tcp.client.connection."
      assert.strictEqual(at(during, `${name}count`, { ...attributes, state: "draining" }), 1)
      for (const state of ["connecting", "ready", "draining"]) {
        assert.strictEqual(at(after, `${name}count`, { ...attributes, state }), 0, state)
      }
      const created = after.filter(({ attributes: it, id }) =>
        id === `${name}create_time` && it?.["error.type"] === undefined
      )
      assert.deepStrictEqual(created.map((it) => "count" in it.state && it.state.count), [2])
      const used = at(after, `${name}use_time`, attributes)
      assert.deepStrictEqual(used, [2, 5 + 15])
      assert.deepStrictEqual(at(after, `${name}wait_time`, { "client.name": "test" }), [1, 1])
      assert.strictEqual(at(after, `${name}timeouts`, { "client.name": "test" }), 1)
      assert.strictEqual(at(after, `${name}pending_requests`, { "client.name": "test" }), 0)
    }))
})

describe("spans", () => {
  it.effect("of each attempt to connect, and what became of it", () =>
    Effect.gen(function*() {
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      yield* Effect.provideService(inMemory(day), Tracer.Tracer, tracer)
      const [first] = spans
      assert.deepStrictEqual([...new Set(spans.map(({ name }) => name))], ["tcp.connect"])
      assert.strictEqual(first?.kind, "client")
      assert.strictEqual(first?.attributes.get("server.address"), "server")
      assert.isTrue(spans.every(({ status }) => status._tag === "Ended"))
      const { status } = first!
      assert.isTrue(status._tag === "Ended" && Exit.isFailure(status.exit))
    }))
})
