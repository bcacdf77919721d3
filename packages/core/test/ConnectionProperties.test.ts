// What holds of both ends of a connection, whatever they do and the network does, in whatever order.
import { assert, describe, it } from "@effect/vitest"
import { type Connection, type ConnectionState, Transport, TransportError } from "@framewire/core"
import { MemoryNetwork, MemoryTransport } from "@framewire/core/testing"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Fibers from "./support/Fibers.ts"
import { anyPort } from "./support/index.ts"

const linger = 20
const maxWriteBuffer = 3000

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const side = Schema.Literals(["dialled", "accepted"])
const Step = Schema.Union([
  // Each is as likely as the others.
  Schema.Struct({ do: Schema.Literal("send"), side, size: between(1, 200) }),
  Schema.Struct({ do: Schema.Literal("send"), side, size: between(200, 4000) }),
  Schema.Struct({ do: Schema.Literals(["receive", "interrupt"]), side }),
  Schema.Struct({ do: Schema.Literals(["shutdownWrite", "shutdownRead", "close", "abort", "leave", "vanish"]), side }),
  Schema.Struct({ do: Schema.Literals(["partition", "heal"]) }),
  Schema.Struct({ do: Schema.Literal("wait"), millis: between(1, 25) })
])
const Conditions = Schema.Struct({
  seed: between(0, 1e6),
  latency: between(0, 10),
  jitter: between(0, 5),
  rechunk: between(1, 2000),
  buffer: between(1, 5000),
  /** The network resets after so many bytes. */
  reset: Schema.Union([between(0, 5000), Schema.Literal("never")])
})
const anything = { conditions: Conditions, steps: Schema.Array(Step).check(Schema.isMaxLength(25)) }

type Anything = { readonly conditions: typeof Conditions.Type; readonly steps: ReadonlyArray<typeof Step.Type> }

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkDetach(effect, { startImmediately: true })

/** Time passes, and everybody who can go on does so before it passes on. */
const pass = (millis: number) =>
  Effect.gen(function*() {
    for (let i = 0; i <= millis; i++) {
      yield* TestClock.adjust(i === 0 ? 0 : 1)
      for (let turns = 0; turns < 10; turns++) yield* Effect.yieldNow
    }
  })

/** One end: what it was asked for, and all that it gave. */
const endOf = (connection: Connection.Connection, scope: Scope.Closeable) =>
  Effect.gen(function*() {
    const asked: Array<Fiber.Fiber<unknown, unknown>> = []
    const sent: Array<{ readonly bytes: Uint8Array; readonly fiber: Fiber.Fiber<void, TransportError.SendError> }> = []
    const received: Array<Uint8Array> = []
    const states: Array<ConnectionState.ConnectionState> = []
    const reasons: Array<ConnectionState.CloseReason> = []
    const waiting: Array<{ readonly said: number; readonly was: number }> = []
    const endings: Array<number> = []
    let receiving: Fiber.Fiber<unknown, TransportError.ReceiveError | Cause.Done> | undefined
    let ended = "open"

    const ask = <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.tap(fork(effect), (fiber) => Effect.sync(() => asked.push(fiber)))
    const tell = (reason: ConnectionState.CloseReason) => Effect.sync(() => reasons.push(reason))
    const timed = (effect: Effect.Effect<unknown>) =>
      Effect.gen(function*() {
        const began = yield* Clock.currentTimeMillis
        yield* effect
        endings.push((yield* Clock.currentTimeMillis) - began)
      })
    const take = Effect.map(connection.receive, (chunks) => received.push(...chunks))
    const underWay = () =>
      sent.reduce((sum, { bytes, fiber }) => fiber.pollUnsafe() === undefined ? sum + bytes.length : sum, 0)

    yield* ask(Effect.flatMap(connection.closed, tell))
    return {
      connection,
      send: (size: number) =>
        Effect.gen(function*() {
          const was = underWay()
          const bytes = new Uint8Array(size).fill(asked.length)
          const fiber = yield* ask(connection.send(bytes))
          const exit = fiber.pollUnsafe()
          if (exit === undefined || Exit.isSuccess(exit)) return void sent.push({ bytes, fiber })
          // Refused: nothing of it is ever under way.
          const { reason } = yield* Effect.flip(Fiber.join(fiber))
          if (reason._tag === "WriteBufferExceeded") waiting.push({ said: reason.waiting, was })
        }),
      receive: Effect.gen(function*() {
        // A second one is a defect.
        if (receiving === undefined || receiving.pollUnsafe() !== undefined) receiving = yield* ask(take)
      }),
      interrupt: Effect.suspend(() => receiving === undefined ? Effect.void : Fiber.interrupt(receiving)),
      shutdownWrite: ask(connection.shutdownWrite),
      shutdownRead: ask(connection.shutdownRead),
      close: ask(timed(Effect.flatMap(connection.close(), tell))),
      abort: ask(timed(Effect.flatMap(connection.abort, tell))),
      leave: ask(timed(Scope.close(scope, Exit.void))),
      look: Effect.map(connection.state, (state) => states.push(state)),
      /** Receives all that is still there. */
      drain: ask(Effect.gen(function*() {
        if (receiving !== undefined) yield* Fiber.await(receiving)
        const exit = yield* Effect.exit(Effect.forever(take))
        const error = Exit.isFailure(exit) ? Cause.findErrorOption(exit.cause) : undefined
        if (error?._tag === "Some") ended = Cause.isDone(error.value) ? "end" : error.value.reason._tag
      })),
      late: Effect.flatMap(connection.closed, tell),
      outcome: () => ({
        unsettled: asked.filter((fiber) => fiber.pollUnsafe() === undefined).length,
        defects: asked.flatMap((fiber) => {
          const exit = fiber.pollUnsafe()
          return exit !== undefined && Exit.isFailure(exit) && Cause.hasDies(exit.cause) ? [String(exit.cause)] : []
        }),
        sent: Buffer.concat(sent.map(({ bytes }) => bytes)),
        /** Of these the sends have succeeded. */
        succeeded: sent.reduce((sum, { bytes, fiber }) => {
          const exit = fiber.pollUnsafe()
          return exit !== undefined && Exit.isSuccess(exit) ? sum + bytes.length : sum
        }, 0),
        received: Buffer.concat(received),
        /** A send has found out that the peer has reset. */
        sendReset: asked.some((fiber) => {
          const exit = fiber.pollUnsafe()
          const error = exit !== undefined && Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
          return error instanceof TransportError.SendError && error.reason._tag === "ConnectionReset"
        }),
        ended,
        states,
        reasons,
        waiting,
        endings
      })
    }
  })

/** Does all of it, then everybody leaves, and it is long over. */
const live = ({ conditions, steps }: Anything) => {
  const { buffer, jitter, latency, rechunk, reset, seed } = conditions
  const fibers = Fibers.make()
  const body = Effect.gen(function*() {
    const network = yield* MemoryNetwork.MemoryNetwork
    const before = fibers.running()
    const options = { linger, maxWriteBuffer }
    if (reset !== "never") yield* network.resetAfter(reset)
    const listener = yield* Transport.listen(anyPort, options)
    const scope = { dialled: yield* Scope.make(), accepted: yield* Scope.make() }
    const connecting = yield* fork(Scope.provide(Transport.connect(listener.address, options), scope.dialled))
    yield* pass(2 * (latency + jitter))
    const ends = {
      dialled: yield* endOf(yield* Fiber.join(connecting), scope.dialled),
      accepted: yield* endOf(yield* Scope.provide(listener.accept, scope.accepted), scope.accepted)
    }
    const { accepted, dialled } = ends
    for (const step of steps) {
      switch (step.do) {
        case "send":
          yield* ends[step.side].send(step.size)
          break
        case "vanish":
          yield* network.vanish(ends[step.side].connection)
          break
        case "partition":
        case "heal":
          yield* network[step.do]
          break
        case "wait":
          yield* pass(step.millis)
          break
        default:
          yield* ends[step.side][step.do]
      }
      yield* dialled.look
      yield* accepted.look
    }
    yield* network.heal
    yield* pass(linger + 2 * (latency + jitter))
    yield* Effect.all([dialled.drain, accepted.drain, dialled.leave, accepted.leave])
    yield* pass(linger + 8 * (latency + jitter))
    for (const end of [dialled, accepted]) {
      yield* end.look
      yield* Effect.timeoutOption(end.late, 0)
    }
    return { dialled: dialled.outcome(), accepted: accepted.outcome(), leftOver: fibers.running() - before }
  })
  const layer = MemoryTransport.layer({ seed, latency: [latency, latency + jitter], rechunk, buffer })
  return fibers.count(Effect.scoped(Effect.provide(body, layer)))
}

type Life = Effect.Success<ReturnType<typeof live>>

/** Checks both ends, each with its peer. */
const both = (life: Life, check: (end: Life["dialled"], peer: Life["dialled"]) => void) => {
  check(life.dialled, life.accepted)
  check(life.accepted, life.dialled)
}

describe("in whatever order things happen at both ends and between them", () => {
  const options = { arbitrary: { runs: 120 } }

  it.effect.prop(
    "there is one CloseReason exactly, and everybody is told the same",
    anything,
    (given) =>
      Effect.map(live(given), (life) =>
        both(life, ({ reasons, states }) => {
          const last = states.at(-1)
          assert(last?._tag === "Closed")
          // The first to ask, and the last.
          assert.isAtLeast(reasons.length, 2)
          for (const reason of reasons) assert.strictEqual(reason, last.reason)
          // Once decided it stays.
          for (const state of states) if ("reason" in state) assert.include([undefined, last.reason], state.reason)
        })),
    options
  )

  it.effect.prop(
    "every send, and all else that was asked for, settles",
    anything,
    (given) =>
      Effect.map(
        live(given),
        (life) =>
          both(life, ({ defects, unsettled }) =>
            assert.deepStrictEqual({ defects, unsettled }, { defects: [], unsettled: 0 }))
      ),
    options
  )

  it.effect.prop("bytes come in their order, and before the end or the error", anything, (given) => {
    const done = new Set(given.steps.map((step) => step.do))
    return Effect.map(live(given), (life) =>
      both(life, ({ ended, received, sendReset }, { sent, succeeded }) => {
        assert.isTrue(received.equals(sent.subarray(0, received.length)), "what came is not what was sent")
        // Who stops reading is at its end earlier.
        if (ended === "end" && !done.has("shutdownRead")) assert.lengthOf(received, sent.length)
        // RST of the peer's comes behind what it has sent. One of the network's comes when it likes; a send that finds out
        // first takes no care of what has come and was not received.
        if (ended === "ConnectionReset" && given.conditions.reset === "never" && !sendReset) {
          assert.isAtLeast(received.length, succeeded)
        }
      }))
  }, options)

  it.effect.prop(
    "what a send took, and every fiber, is given back once",
    anything,
    (given) =>
      Effect.map(live(given), (life) => {
        assert.strictEqual(life.leftOver, 0)
        both(life, ({ waiting }) => waiting.forEach(({ said, was }) => assert.strictEqual(said, was)))
      }),
    options
  )

  it.effect.prop(
    "no scope, close or abort waits longer than the linger",
    anything,
    (given) =>
      Effect.map(live(given), (life) =>
        both(life, ({ endings }) => {
          // Each has left.
          assert.isAtLeast(endings.length, 1)
          assert.isAtMost(Math.max(...endings), linger)
        })),
    options
  )
})
