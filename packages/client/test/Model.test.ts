// Any faults at any time: what the client says of each request is held against what the servers saw.
// FRAMEWIRE_SEEDS=5000 runs so many seeds; a failure names its own.
import { assert, describe, it } from "@effect/vitest"
import { type Client, Pool, Reconnect, type RequestError } from "@framewire/client"
import type { Address } from "@framewire/core"
import { MemoryNetwork, type MemoryTransport } from "@framewire/core/testing"
import { Codec, Lines, Protocol } from "@framewire/framing"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import { brokenSends, lines, MemoryServer } from "./support/index.ts"

const { fork, inMemory } = MemoryServer

/** The same for the same seed. */
const dice = (seed: number) => {
  let state = Math.imul(seed, 0x9E37_79B9) >>> 0
  return (sides: number): number => {
    state = Math.imul(state ^ state >>> 15, 0x2C1B_3C6D) + 0x6D2B_79F5 >>> 0
    return (state >>> 8) % sides
  }
}

/** Lines `id text` both ways, and `cancel id`. */
const byId = Protocol.byId<string, string>({
  cancels: true,
  call: Codec.transform(
    Codec.text(Lines.make()),
    (): Protocol.Call<string> => {
      throw new Error("only the client's end is used")
    },
    (call: Protocol.Call<string>) => call._tag === "Cancel" ? `cancel ${call.id}` : `${call.id} ${call.request}`
  ),
  reply: Codec.transform(
    Codec.text(Lines.make()),
    (line): Protocol.Reply<string> => {
      const [id = "", response = ""] = line.split(" ")
      return { _tag: "Response", id: Number(id), response }
    },
    () => ""
  )
})

type Spoken = Protocol.Protocol<string, string> | Protocol.Exchange<string, string>

/** How a server treats a line, badly one time in ten. */
const serve = (roll: (sides: number) => number, seen: Map<string, number>, isById: boolean) => {
  const mute = new WeakSet<object>()
  return (line: string, say: MemoryServer.Say, connection: Parameters<Parameters<typeof MemoryServer.make>[0]>[2]) =>
    Effect.gen(function*() {
      if (line.startsWith("cancel")) return
      const [id = "", text = ""] = isById ? line.split(" ") : ["", line]
      seen.set(text, (seen.get(text) ?? 0) + 1)
      if (mute.has(connection)) return
      const answer = isById ? `${id} ${text}!` : `${text}!`
      switch (roll(60)) {
        case 0:
          return void (yield* connection.abort)
        case 1:
          return void (yield* connection.close())
        // In order nobody could tell: there these are bytes that the codec refuses.
        case 2:
        case 3:
          if (!isById) return yield* Effect.ignore(connection.send(Uint8Array.of(0xFF, 10)))
          return yield* say(...roll(2) === 0 ? [answer, answer] : ["99999 whose?"])
        case 4:
          return void mute.add(connection)
        case 5:
          yield* Effect.ignore(connection.send(new TextEncoder().encode(answer)))
          return void (yield* connection.close())
        default:
      }
      const answering = Effect.delay(say(answer), roll(200))
      if (isById) yield* Effect.forkScoped(answering)
      else yield* answering
    })
}

const requests = 40
// All as long, so that one that is cut off is not another.
const names = Array.from({ length: requests }, (_, n) => `${n}`.padStart(2, "0"))

const shared = {
  schedule: Schedule.spaced("100 millis"),
  linger: "100 millis",
  timeout: "1 seconds",
  requestTimeout: "3 seconds",
  heartbeat: { ping: "ping", interval: "500 millis" }
} as const

const clients = {
  "one line": (spoken: Spoken, address: Address.Address, roll: (sides: number) => number) =>
    Reconnect.make(spoken, address, {
      ...shared,
      maxInFlight: 1 + roll(8),
      queue: roll(3) > 0 && { maxRequests: 1 + roll(20), maxAge: "2 seconds" }
    }),
  "a pool": (spoken: Spoken, address: Address.Address, roll: (sides: number) => number) =>
    Pool.make(spoken, address, {
      ...shared,
      maxInFlight: 1 + roll(4),
      size: 1 + roll(3),
      minSize: 1,
      maxWaiting: 1 + roll(20),
      waitTimeout: "1 seconds",
      maxAge: "2 seconds",
      idleTimeout: "200 millis",
      checkAfter: 1 + roll(300)
    })
}

type Make = (typeof clients)[keyof typeof clients]

const trial = (seed: number, spoken: Spoken, isById: boolean, make: Make) =>
  Effect.gen(function*() {
    const roll = dice(seed)
    const network = yield* MemoryNetwork.MemoryNetwork
    const seen = new Map<string, number>()
    const server = yield* MemoryServer.make(serve(roll, seen, isById))
    const client: Client.Client<string, string> = yield* make(spoken, server.address, roll).pipe(brokenSends(roll))
    const faults = Effect.forever(Effect.gen(function*() {
      yield* Effect.sleep(50 + roll(500))
      const last = server.connections.at(-1)
      switch (roll(5)) {
        case 0:
          return yield* network.resetAfter(roll(200))
        case 1:
          return last === undefined ? undefined : yield* network.vanish(last)
        case 2:
          yield* network.partition
          yield* Effect.sleep(roll(1500))
          return yield* network.heal
        case 3:
          yield* server.stop
          yield* Effect.sleep(roll(500))
          return yield* server.start
        default:
      }
    }))
    yield* fork(faults)
    const asking = Effect.forEach(names, (n) => {
      const wait = roll(2500)
      const patience = roll(6) === 0 ? roll(300) : 60_000
      return Effect.exit(client.request(n)).pipe(
        Effect.timeoutOption(patience),
        Effect.delay(wait)
      )
    }, { concurrency: "unbounded" })
    const outcomes = yield* asking
    // Every one has ended; what was under way arrives.
    yield* network.heal
    yield* Effect.sleep("3 seconds")
    const name = `seed ${seed}`
    let answered = 0
    for (const [index, outcome] of outcomes.entries()) {
      const n = names[index]!
      const times = seen.get(n) ?? 0
      assert.isAtMost(times, 1, `${name}: ${n} was sent twice`)
      if (outcome._tag === "None") continue
      const exit: Exit.Exit<string, RequestError.RequestError> = outcome.value
      if (Exit.isSuccess(exit)) {
        answered++
        assert.strictEqual(exit.value, `${n}!`, name)
        assert.strictEqual(times, 1, name)
      } else {
        const error = exit.cause.reasons.find((it) => it._tag === "Fail")?.error
        assert(error !== undefined, `${name}: ${n} died of ${String(exit.cause)}`)
        if (error.delivery === "NotSent") assert.strictEqual(times, 0, `${name}: ${n} is NotSent: ${error.message}`)
        if (error.delivery === "Answered") assert.strictEqual(times, 1, name)
      }
    }
    return answered
  })

const seeds = Number(process.env["FRAMEWIRE_SEEDS"] ?? 50)

const run = (seed: number, spoken: Spoken, isById: boolean, make: Make) =>
  Effect.gen(function*() {
    const network: MemoryTransport.Options = { seed, latency: [0, 20], rechunk: 8, buffer: 256 }
    const running = yield* fork(inMemory(trial(seed, spoken, isById, make), network))
    // A minute is more than any request may take.
    for (let step = 0; step < 600 && running.pollUnsafe() === undefined; step++) yield* TestClock.adjust("100 millis")
    assert.isDefined(running.pollUnsafe(), `seed ${seed}: a request never ended`)
    return yield* Fiber.join(running)
  })

describe("no request is lost, answered twice or mistaken, whatever happens", () => {
  for (const [kind, make] of Object.entries(clients)) {
    for (const [name, spoken, isById] of [["in order", lines, false], ["by id", byId, true]] as const) {
      it.effect(`${kind}, ${name}, ${seeds} seeds`, () =>
        Effect.gen(function*() {
          let answered = 0
          for (let seed = 1; seed <= seeds; seed++) answered += yield* run(seed, spoken, isById, make)
          // It is no proof if nothing ever works, or all.
          assert.isAbove(answered, seeds * requests / 5)
          assert.isBelow(answered, seeds * requests)
        }), seeds * 500)
    }
  }
})
