// Peers that mean no good, beside some that do: those are answered all the while, and each of the others is counted by reason.
import { assert, describe, it } from "@effect/vitest"
import { type Address, Transport } from "@framewire/core"
import { Codec, Framed, Lines, Protocol } from "@framewire/framing"
import { Admission, Server, type ServerEvent } from "@framewire/server"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Net from "node:net"
import * as Certificates from "../../../tests/support/Certificates.ts"
import { bounded, connections, eventsOf, eventually, lines, options } from "./support/index.ts"
import { growth } from "./support/liveMemory.ts"

type Act = (socket: Net.Socket) => void

/** So many peers, 100 at a time: each does this when it is connected, and is waited for until its socket is freed. */
const peers = (address: Address.Address, count: number, act: Act) =>
  Effect.replicateEffect(
    Effect.callback<void>((resume) => {
      const socket = Net.connect({ ...address, allowHalfOpen: true, noDelay: true }, () => act(socket))
      socket.resume()
      socket.on("end", () => socket.end())
      // How it ends is the server's to tell.
      socket.on("error", () => {})
      socket.on("close", () => resume(Effect.void))
      return Effect.sync(() => socket.destroy())
    }),
    count,
    { concurrency: 100, discard: true }
  )

/** Drips until it is cut off. */
const drip = (socket: Net.Socket, byte: string) => {
  const timer = setInterval(() => socket.write(byte), 20)
  socket.on("close", () => clearInterval(timer))
}

/** Why each connection is over, or was never let in. */
const causes = (events: ReadonlyArray<ServerEvent.ServerEvent>) => {
  const counts: Record<string, number> = {}
  const exceeded = new Map(events.flatMap((event) => event._tag === "Exceeded" ? [[event.id, event.which]] : []))
  for (const event of events) {
    const cause = event._tag === "Rejected"
      ? `rejected ${event.reason}`
      : event._tag !== "Closed"
      ? undefined
      : exceeded.get(event.id) ?? (event.reason._tag === "Failed" ? event.reason.error.reason._tag : event.reason._tag)
    if (cause !== undefined) counts[cause] = (counts[cause] ?? 0) + 1
  }
  return counts
}

const limited = Protocol.symmetric(Codec.text(Lines.make({ limit: 65_536 })))

// What all bad peers together may have the server keep at a time, themselves included: they are in this process. Whoever
// floods or never reads would have it keep 300 MB if it did not bound that.
const maxGrowth = 40_000_000

const deadlines = { firstFrame: "300 millis", frame: "300 millis", readIdle: "5 seconds" } as const
const answer = "y".repeat(1000)
const endless = Buffer.alloc(4_000_000, "x")

/** Five clients that ask one thing after the other while `attack` goes on; what became of everybody. */
const under = (
  attack: (address: Address.Address, events: ReadonlyArray<ServerEvent.ServerEvent>) => Effect.Effect<unknown>,
  how: Partial<Server.ServerOptions> = {}
) =>
  bounded(Effect.gen(function*() {
    const server = yield* Server.make(
      { ...options, deadlines, writeTimeout: "300 millis", linger: "100 millis", maxConnections: 1000, ...how },
      Server.respond(limited, (line) => Effect.succeed(line === "big" ? answer : line))
    )
    const events = yield* eventsOf(server)
    const counts = { asked: 0, answered: 0, over: false }
    const client = Effect.gen(function*() {
      const { client, tls } = { client: { ca: Certificates.ca, serverName: "localhost" }, tls: how.tls }
      const connection = yield* Transport.connect(server.address, tls === undefined ? {} : { tls: client })
      const framed = Framed.make(connection, lines.client)
      while (!counts.over) {
        counts.asked++
        yield* framed.send("a")
        if ((yield* framed.receive) === "a") counts.answered++
      }
    }).pipe(Effect.scoped)
    const good = yield* Effect.forkChild(Effect.replicateEffect(client, 5, { concurrency: 5, discard: true }))
    yield* eventually(() => counts.answered >= 5)
    const before = counts.answered
    yield* attack(server.address, events)
    // They went on meanwhile.
    assert.isAbove(counts.answered, before)
    counts.over = true
    yield* Fiber.join(good)
    assert.strictEqual(counts.answered, counts.asked)
    yield* eventually(() => connections(server) === 0)
    const { accepted, rejected } = yield* server.stop
    return { accepted, rejected, causes: causes(events) }
  }))

const cases: Readonly<Record<string, readonly [count: number, act: Act, cause: string]>> = {
  "says nothing": [100, () => {}, "firstFrame"],
  "says one byte now and then, and no first frame": [100, (socket) => drip(socket, "x"), "firstFrame"],
  "says one byte now and then of its second frame": [
    100,
    (socket) => {
      socket.write("a\n")
      drip(socket, "x")
    },
    "frame"
  ],
  "resets before it says a word": [200, (socket) => socket.resetAndDestroy(), "ConnectionReset"],
  "resets within a frame": [
    200,
    (socket) => socket.write("x", () => socket.resetAndDestroy()),
    "ConnectionReset"
  ],
  "resets when it has asked": [200, (socket) => socket.write("a\n", () => socket.resetAndDestroy()), "*"],
  "resets when it is answered": [
    200,
    (socket) => {
      socket.write("a\n")
      socket.once("data", () => socket.resetAndDestroy())
    },
    "ConnectionReset"
  ],
  "resets behind its FIN": [
    200,
    (socket) => socket.end("a\n", () => setTimeout(() => socket.resetAndDestroy(), 5)),
    "*"
  ]
}

/** Fails where more is kept meanwhile. */
const withinMemory = <E, R>(attack: Effect.Effect<unknown, E, R>) =>
  Effect.scoped(Effect.gen(function*() {
    const grown = yield* growth
    yield* attack
    assert.isBelow(grown(), maxGrowth)
  }))

describe("a peer that", () => {
  it.live.each(Object.entries(cases))("%s", ([, [count, act, cause]]) =>
    Effect.gen(function*() {
      const result = yield* under((address) => peers(address, count, act))
      assert.deepStrictEqual([result.accepted, result.rejected], [count + 5, 0])
      if (cause === "*") {
        assert.strictEqual(Object.values(result.causes).reduce((sum, each) => sum + each), count + 5)
      } else assert.deepStrictEqual(result.causes, { [cause]: count, Graceful: 5 })
    }))

  it.live("floods without a frame", () =>
    Effect.gen(function*() {
      const { accepted, causes } = yield* under((address) =>
        withinMemory(peers(address, 100, (socket) => socket.write(endless)))
      )
      assert.strictEqual(accepted, 105)
      assert.strictEqual(Object.values(causes).reduce((sum, each) => sum + each), 105)
    }))

  it.live("asks for much and never reads", () =>
    Effect.gen(function*() {
      const deaf: Act = (socket) => {
        socket.pause()
        // More than the kernel keeps for it.
        socket.write("big\n".repeat(40_000))
      }
      const { causes: seen } = yield* under((address, events) =>
        // They do not even hear of their end.
        withinMemory(Effect.raceFirst(peers(address, 10, deaf), eventually(() => causes(events)["TimedOut"] === 10)))
      )
      assert.deepStrictEqual(seen, { TimedOut: 10, Graceful: 5 })
    }))

  it.live("connects and vanishes, 2000 of them", () =>
    Effect.gen(function*() {
      const { accepted, causes, rejected } = yield* under((address) => peers(address, 2000, (it) => it.destroy()))
      assert.strictEqual(accepted + rejected, 2005)
      assert.strictEqual(Object.values(causes).reduce((sum, each) => sum + each), 2005)
    }))

  it.live("connects again and again: its rate is limited, and nobody else's", () =>
    Effect.gen(function*() {
      const perClient = { rate: { limit: 50, window: "1 hour" } } as const
      const { accepted, rejected } = yield* under(
        (address) => peers(address, 500, (it) => it.end()),
        { perClient, whenFull: Admission.rejectReset }
      )
      assert.deepStrictEqual([accepted, rejected], [50, 455])
    }))

  it.live("speaks garbage where TLS is, or nothing, or resets within the handshake", () =>
    Effect.gen(function*() {
      const tls = { identity: Certificates.server, handshakeTimeout: "300 millis" } as const
      const acts: ReadonlyArray<Act> = [
        (socket) => socket.write("GET / HTTP/1.1\r\n\r\n"),
        () => {},
        (socket) => socket.write(Buffer.from([22, 3, 1, 2, 0, 1]), () => socket.resetAndDestroy())
      ]
      const result = yield* under(
        (address) => Effect.forEach(acts, (act) => peers(address, 50, act), { concurrency: 3 }),
        { tls }
      )
      assert.deepStrictEqual([result.accepted, result.rejected], [5, 150])
      assert.strictEqual(result.causes["rejected handshake"], 150)
    }))

  it.live("forges a PROXY header from where no proxy is", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(
        { ...options, proxy: { trusted: ["10.0.0.0/8"] } },
        Server.respond(lines, Effect.succeed<string>)
      )
      const events = yield* eventsOf(server)
      yield* peers(server.address, 200, (socket) => socket.write("PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\na\n"))
      yield* eventually(() => events.length === 200)
      assert.deepStrictEqual(causes(events), { "rejected untrusted": 200 })
    })))
})
