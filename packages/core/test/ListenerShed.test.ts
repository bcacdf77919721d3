import { assert, describe, it, vi } from "@effect/vitest"
import { type Listener, Transport } from "@framewire/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Net from "node:net"
import * as Child from "./support/Child.ts"
import { anyPort, bounded, eventually, Raw } from "./support/index.ts"

/** What a client got: text and how it ended; a RST can come before or after its connect event. */
const outcomeOf = (peer: ReturnType<typeof Raw.connect>) =>
  Effect.matchCauseEffect(peer, {
    onFailure: (cause) => Effect.succeed((Cause.squash(cause) as NodeJS.ErrnoException).code),
    onSuccess: (peer) => Effect.race(Effect.as(peer.receivedBytes(6), "served"), peer.ended)
  })

describe("backlog", () => {
  for (const backlog of [Infinity, 2 ** 32]) {
    it.live(`${backlog} is as many as the kernel allows`, () =>
      bounded(Effect.gen(function*() {
        // What the platform is told it cuts to 32 bits: of these, 0 would be left, and one client could wait.
        const listen = vi.spyOn(Net.Server.prototype, "listen")
        yield* Effect.addFinalizer(() => Effect.sync(() => listen.mockRestore()))
        yield* Transport.listen(anyPort, { backlog, linger: 0 })
        const [given] = listen.mock.calls[0] ?? []
        assert.deepInclude(given, { backlog: 2 ** 31 - 1 })
      })))
  }

  it.live("who is reset is announced and counted, and the listener goes on", () =>
    bounded(Effect.gen(function*() {
      const shed: Array<Listener.AcceptShed> = []
      const listener = yield* Transport.listen(anyPort, { backlog: 2, linger: 0, onShed: (event) => shed.push(event) })
      yield* Effect.forEach([1, 2], () => Raw.connect(listener.address))
      yield* eventually(() => Effect.runSync(listener.counters).accepted === 2)
      const ports: Array<number> = []
      for (let i = 1; i <= 3; i++) {
        const peer = yield* Effect.exit(Raw.connect(listener.address))
        // RST can come before its connect event.
        if (Exit.isSuccess(peer)) {
          ports.push(peer.value.socket.localPort ?? 0)
          assert.strictEqual(yield* peer.value.ended, "ECONNRESET")
        }
        yield* eventually(() => shed.length === i)
      }
      for (const event of shed) assert.deepInclude(event, { _tag: "AcceptShed", reason: "backlog" })
      for (const port of ports.filter((port) => port > 0)) {
        assert.deepInclude(shed.map(({ remote }) => remote), { host: "127.0.0.1", port })
      }
      assert.deepStrictEqual(yield* listener.counters, { accepted: 2, shed: 3 })
      yield* listener.accept
      yield* Raw.connect(listener.address)
      yield* eventually(() => Effect.runSync(listener.counters).accepted === 3)
      assert.strictEqual((yield* listener.counters).shed, 3)
    })))
})

// It accepts everybody and answers; on each line of its input it says what it has counted.
const server = `
  import { Transport } from "@framewire/core"
  import { NodeTransport } from "@framewire/core/node"
  import * as Effect from "effect/Effect"
  import { readdirSync } from "node:fs"
  await Effect.runPromise(Effect.gen(function*() {
    const reasons = {}
    let most = 0
    const listener = yield* Transport.listen({ host: "127.0.0.1", port: 0 }, {
      linger: 0,
      onShed: ({ reason }) => { reasons[reason] = (reasons[reason] ?? 0) + 1 }
    })
    yield* Effect.forkScoped(Effect.forever(Effect.gen(function*() {
      const connection = yield* listener.accept
      most = Math.max(most, readdirSync("/proc/self/fd").length - 1)
      yield* connection.send(Buffer.from("served"))
      yield* Effect.forkScoped(Effect.andThen(Effect.exit(connection.receive), connection.close()))
    })))
    process.stdin.on("data", () => console.log(JSON.stringify({ ...Effect.runSync(listener.counters), reasons, most })))
    console.log(JSON.stringify(listener.address))
    yield* Effect.never
  }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer)))
`

// It takes every descriptor there is, then gives them back.
const exhausted = `
  import { Transport } from "@framewire/core"
  import { NodeTransport } from "@framewire/core/node"
  import * as Effect from "effect/Effect"
  import { closeSync, openSync } from "node:fs"
  await Effect.runPromise(Effect.gen(function*() {
    const listen = Transport.listen({ host: "127.0.0.1", port: 0 })
    const taken = []
    try { for (;;) taken.push(openSync("/dev/null", "r")) } catch {}
    const { _tag, code, reason } = yield* Effect.flip(listen)
    for (const fd of taken) closeSync(fd)
    console.log(JSON.stringify({ tag: _tag, reason: reason._tag, code }))
    yield* listen
    console.log(JSON.stringify("listening"))
  }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer)))
`

describe("descriptors", () => {
  it.live(
    "64 of them and 200 clients: each is served or reset, none is dropped in silence",
    () =>
      bounded(Effect.gen(function*() {
        const clients = 200
        const child = yield* Child.start("bash", [
          "-c",
          "ulimit -n 64; exec \"$0\" \"$@\"",
          process.execPath,
          ...Child.node,
          server
        ])
        const address = (yield* child.next) as { readonly host: string; readonly port: number }
        const counted = Effect.andThen(child.tell("count"), child.next) as Effect.Effect<
          {
            readonly accepted: number
            readonly shed: number
            readonly reasons: Record<string, number>
            readonly most: number
          }
        >
        const wave = Effect.scoped(Effect.gen(function*() {
          const outcomes = yield* Effect.all(Array.from({ length: clients }, () => outcomeOf(Raw.connect(address))), {
            concurrency: "unbounded"
          })
          const served = outcomes.filter((outcome) => outcome === "served").length
          const reset = outcomes.filter((outcome) => outcome === "ECONNRESET").length
          assert.strictEqual(served + reset, clients, JSON.stringify(outcomes))
          return { served, reset, counted: yield* counted }
        }))
        const first = yield* wave
        assert.isAbove(first.served, 10)
        assert.deepInclude(first.counted, {
          accepted: first.served,
          shed: first.reset,
          reasons: { descriptors: first.reset }
        })
        // Some are left for all else that a process opens.
        assert.isAtMost(first.counted.most, 64 - 3)
        // All have gone: it accepts again.
        yield* Effect.sleep("100 millis")
        const second = yield* wave
        assert.isAbove(second.served, 10)
        assert.strictEqual(second.counted.accepted, first.served + second.served)
        assert.strictEqual(second.counted.shed, first.reset + second.reset)
      })),
    process.platform === "linux" ? {} : { skip: true }
  )

  it.live("where none is left, listen says so", () =>
    bounded(Effect.gen(function*() {
      const args = ["-c", "ulimit -n 64; exec \"$0\" \"$@\"", process.execPath, ...Child.node, exhausted]
      const child = yield* Child.start("bash", args)
      assert.deepStrictEqual(yield* child.next, { tag: "ListenError", reason: "ResourceExhausted", code: "EMFILE" })
      // Given some, it listens.
      assert.strictEqual(yield* child.next, "listening")
    })), process.platform === "linux" ? {} : { skip: true })

  it.live("far from the limit nobody is reset", () =>
    bounded(Effect.gen(function*() {
      const listener = yield* Transport.listen(anyPort, { linger: 0 })
      const accepting = yield* Effect.forkScoped(Effect.forever(listener.accept))
      yield* Effect.all(Array.from({ length: 200 }, () => Raw.connect(listener.address)), { concurrency: "unbounded" })
      yield* eventually(() => Effect.runSync(listener.counters).accepted === 200)
      assert.deepStrictEqual(yield* listener.counters, { accepted: 200, shed: 0 })
      yield* Fiber.interrupt(accepting)
    })))
})
