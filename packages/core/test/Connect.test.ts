// Connecting to a name: resolving, the race of its addresses, the options, and what is left when it is given up.
import { afterEach, assert, describe, it, vi } from "@effect/vitest"
import { Address, Transport, TransportReason } from "@framewire/core"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"
import { networkInterfaces } from "node:os"
import * as LifecycleHub from "../src/internal/LifecycleHub.ts"
import { dial } from "../src/node/internal/dial.ts"
import { race } from "../src/node/internal/race.ts"
import { interleave, type Lookup } from "../src/node/internal/resolve.ts"
import type { Attempt, ConnectError } from "../src/TransportError.ts"
import { Blocked, bounded, descriptors, eventually, failure, Raw, sockets, turn } from "./support/index.ts"

const linux = process.platform === "linux" ? {} : { skip: true }
const bothFamilies = process.platform === "linux" &&
    Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"))
  ? {}
  : { skip: true }

const at = (host: string, port: number): Address.TcpAddress => ({ host, port })
const named = (port: number) => at("service.example", port)

/** A resolver that gives every name these addresses. */
const answers = (...hosts: ReadonlyArray<string>): Lookup => (_name, _options, answer) =>
  process.nextTick(answer, null, hosts.map((address) => ({ address })))

/** A resolver that fails with this code. */
const fails = (code: string): Lookup => (_name, _options, answer) =>
  process.nextTick(answer, Object.assign(new Error("getaddrinfo"), { code }))

const hub = Effect.runSync(LifecycleHub.make)

const connect = (remote: Address.Address, lookup?: Lookup, options: Transport.ConnectOptions = {}) =>
  Effect.acquireRelease(dial(hub, remote, options, lookup), (connection) => connection.close({ linger: 0 }), {
    interruptible: true
  })

const listenAt = (host: string, port: number) =>
  Effect.map(Raw.listen({ at: at(host, port) }), ({ address, next }) => ({ port: portOf(address), next }))

const portOf = (address: Address.Address) => Address.isUnix(address) ? -1 : address.port

const hostOf = (address: Address.Address) => Address.isUnix(address) ? "" : address.host

/** A port of all of 127.0.0.0/8 where nothing answers a SYN. */
const hanging: Effect.Effect<number, never, Scope.Scope> = Effect.gen(function*() {
  const full = yield* Blocked.everywhere
  yield* Raw.connect(full)
  yield* Raw.connect(full)
  return full.port
})

/** A port where a SYN to 127.0.0.1 gets no answer, and the other addresses are free. */
const firstHangs: Effect.Effect<number, never, Scope.Scope> = Effect.gen(function*() {
  const full = yield* Blocked.listener
  yield* Raw.connect(full)
  yield* Raw.connect(full)
  return full.port
})

const tried = (error: ConnectError) => error.attempts.map(({ reason, remote }) => [hostOf(remote), reason._tag])

describe("the race", () => {
  const refused = Object.assign(new Error("refused"), { code: "ECONNREFUSED" })
  const unreachable = Object.assign(new Error("unreachable"), { code: "ENETUNREACH" })
  /** The sockets stand still; a test says what becomes of each. */
  const start = (count: number, delayMillis: number) => {
    const opened: Array<Net.Socket> = []
    const hosts: Array<string> = []
    const outcome: { winner?: Net.Socket; host?: string; attempts?: ReadonlyArray<Attempt> } = {}
    const running = race({
      remotes: Array.from({ length: count }, (_, i) => at(`127.0.0.${i + 1}`, 1)),
      delayMillis,
      open: (remote) => {
        const socket = new Net.Socket()
        opened.push(socket)
        hosts.push(hostOf(remote))
        return socket
      },
      onWinner: (winner, remote) => Object.assign(outcome, { winner, host: hostOf(remote) }),
      onLost: (attempts) => Object.assign(outcome, { attempts })
    })
    return { opened, hosts, outcome, running, destroyed: () => opened.map((socket) => socket.destroyed) }
  }
  const never = 2_147_483_647

  /** The platform's timers, moved by hand. */
  const timers = () => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
  afterEach(() => void vi.useRealTimers())

  it("starts one after the other, in order, and gives none up before there is a winner", () => {
    timers()
    const { destroyed, hosts, opened, outcome } = start(4, 250)
    assert.strictEqual(opened.length, 1)
    vi.advanceTimersByTime(249)
    assert.strictEqual(opened.length, 1)
    vi.advanceTimersByTime(1)
    assert.strictEqual(opened.length, 2)
    vi.advanceTimersByTime(250)
    assert.deepStrictEqual(hosts, ["127.0.0.1", "127.0.0.2", "127.0.0.3"])
    assert.deepStrictEqual(destroyed(), [false, false, false])
    assert.deepStrictEqual(outcome, {})
    // The slowest of all still wins, and nothing starts after it.
    opened[0]!.emit("connect")
    assert.strictEqual(outcome.winner, opened[0])
    assert.strictEqual(outcome.host, "127.0.0.1")
    assert.deepStrictEqual(destroyed(), [false, true, true])
    assert.strictEqual(opened[0]!.listenerCount("error"), 0)
    assert.strictEqual(vi.getTimerCount(), 0)
  })

  it("after a failure the next one has its whole delay, too", () => {
    timers()
    const { opened } = start(3, 250)
    vi.advanceTimersByTime(200)
    opened[0]!.emit("error", refused)
    assert.strictEqual(opened.length, 2)
    vi.advanceTimersByTime(249)
    assert.strictEqual(opened.length, 2)
    vi.advanceTimersByTime(1)
    assert.strictEqual(opened.length, 3)
    assert.strictEqual(vi.getTimerCount(), 0)
  })

  // No turn of the loop, so that no socket gets anywhere.
  const delays: ReadonlyArray<readonly [string, Transport.ConnectOptions, number]> = [
    ["250 ms by default", {}, 250],
    ["as asked for", { attemptDelay: "1 second" }, 1000],
    ["10 ms at least", { attemptDelay: 0 }, 10]
  ]
  for (const [name, options, millis] of delays) {
    it.live(`the delay is ${name}`, () =>
      bounded(Effect.gen(function*() {
        const seen = yield* sockets
        yield* Effect.sync(() => {
          timers()
          const lookup: Lookup = (_name, _options, answer) =>
            answer(null, [{ address: "127.0.0.1" }, { address: "127.0.0.2" }])
          const fiber = Effect.runFork(dial(hub, named(1), options, lookup))
          assert.strictEqual(seen.length, 1)
          vi.advanceTimersByTime(millis - 1)
          assert.strictEqual(seen.length, 1)
          vi.advanceTimersByTime(1)
          assert.strictEqual(seen.length, 2)
          fiber.interruptUnsafe()
          assert.deepStrictEqual(seen.map((socket) => socket.destroyed), [true, true])
          assert.strictEqual(vi.getTimerCount(), 0)
          vi.useRealTimers()
        })
      })))
  }

  it("a failure starts the next at once; an older one that fails late starts one, too", () => {
    const { hosts, opened, outcome } = start(4, never)
    opened[0]!.emit("error", refused)
    assert.strictEqual(opened.length, 2)
    opened[1]!.emit("error", unreachable)
    assert.deepStrictEqual(hosts, ["127.0.0.1", "127.0.0.2", "127.0.0.3"])
    opened[2]!.emit("connect")
    assert.strictEqual(outcome.winner, opened[2])
    assert.strictEqual(outcome.attempts, undefined)
  })

  it("a second that connects in the same turn, or fails after the end, changes nothing", () => {
    const { opened, outcome } = start(3, never)
    opened[0]!.emit("error", refused)
    opened[1]!.emit("connect")
    opened[0]!.emit("connect")
    opened[0]!.emit("error", refused)
    assert.strictEqual(outcome.winner, opened[1])
    assert.strictEqual(opened.length, 2)
    assert.strictEqual(outcome.attempts, undefined)
  })

  it("lost: in the order of the starts, not of the failures", () => {
    timers()
    const { destroyed, opened, outcome } = start(3, 250)
    vi.advanceTimersByTime(500)
    opened[2]!.emit("error", refused)
    opened[0]!.emit("error", unreachable)
    assert.strictEqual(outcome.attempts, undefined)
    opened[1]!.emit("error", refused)
    assert.deepStrictEqual(outcome.attempts?.map(({ reason, remote }) => [hostOf(remote), reason._tag]), [
      ["127.0.0.1", "Unreachable"],
      ["127.0.0.2", "ConnectionRefused"],
      ["127.0.0.3", "ConnectionRefused"]
    ])
    assert.deepStrictEqual(destroyed(), [true, true, true])
  })

  it("cancelled: every socket is destroyed, and what was tried is told", () => {
    const { destroyed, opened, outcome, running } = start(3, never)
    opened[0]!.emit("error", refused)
    const attempts = running.cancel(new TransportReason.TimedOut({}))
    assert.deepStrictEqual(attempts.map(({ reason }) => reason._tag), ["ConnectionRefused", "TimedOut"])
    assert.deepStrictEqual(destroyed(), [true, true])
    opened[1]!.emit("connect")
    assert.deepStrictEqual(outcome, {})
  })
})

describe("the order of the addresses: families in turn, the resolver's first one first", () => {
  const table: ReadonlyArray<readonly [ReadonlyArray<string>, ReadonlyArray<string>]> = [
    [[], []],
    [["1.1.1.1"], ["1.1.1.1"]],
    [["::1", "::2", "1.1.1.1", "2.2.2.2"], ["::1", "1.1.1.1", "::2", "2.2.2.2"]],
    [["1.1.1.1", "::1", "::2", "::3"], ["1.1.1.1", "::1", "::2", "::3"]],
    [["::1", "::2", "::3", "1.1.1.1"], ["::1", "1.1.1.1", "::2", "::3"]],
    [["2.2.2.2", "1.1.1.1"], ["2.2.2.2", "1.1.1.1"]]
  ]
  for (const [given, expected] of table) {
    it(`${given.join(" ")} -> ${expected.join(" ")}`, () => assert.deepStrictEqual(interleave(given), expected))
  }
})

describe("a name with several addresses", () => {
  it.live(
    "the first does not answer: the second wins, and the first is destroyed",
    () =>
      bounded(Effect.gen(function*() {
        const port = yield* firstHangs
        const server = yield* listenAt("127.0.0.2", port)
        const seen = yield* sockets
        const lookup = answers("127.0.0.1", "127.0.0.2", "127.0.0.3")
        const connection = yield* connect(named(port), lookup)
        assert.deepStrictEqual(connection.remote, at("127.0.0.2", port))
        assert.strictEqual((yield* server.next).socket.remotePort, portOf(connection.local))
        const ours = seen.filter((socket) => socket.remotePort !== portOf(connection.local))
        // The third was never started.
        assert.deepStrictEqual(ours.map((socket) => socket.destroyed), [true, false])
      })),
    linux
  )

  it.live("the first refuses: the second is tried at once, whatever the delay", () =>
    bounded(Effect.gen(function*() {
      const { port } = yield* listenAt("127.0.0.2", 0)
      const connection = yield* connect(named(port), answers("127.0.0.1", "127.0.0.2"), { attemptDelay: "Infinity" })
      assert.deepStrictEqual(connection.remote, at("127.0.0.2", port))
    })), linux)

  it.live("the first connects: no other is tried", () =>
    bounded(Effect.gen(function*() {
      const { port } = yield* listenAt("127.0.0.1", 0)
      const seen = yield* sockets
      yield* connect(named(port), answers("127.0.0.1", "127.0.0.2"), { attemptDelay: "1 hour" })
      assert.strictEqual(seen.filter((socket) => socket.remotePort === port).length, 1)
    })), linux)

  it.live("none answers: all are tried beside each other", () =>
    bounded(Effect.gen(function*() {
      const port = yield* hanging
      const seen = yield* sockets
      const hosts = ["127.0.0.3", "127.0.0.1", "127.0.0.2"]
      const error = yield* failure(
        connect(named(port), answers(...hosts), { attemptDelay: 10, timeout: "500 millis" })
      )
      assert.strictEqual(error.reason._tag, "TimedOut")
      assert.deepStrictEqual(tried(error), hosts.map((host) => [host, "TimedOut"]))
      assert.strictEqual(seen.length, 3)
      assert.deepStrictEqual(seen.map((socket) => socket.destroyed), [true, true, true])
    })), linux)

  it.live("all refuse: each is kept, in order, once", () =>
    bounded(Effect.gen(function*() {
      const port = yield* Raw.freePort
      const lookup = answers("127.0.0.3", "127.0.0.1", "127.0.0.3", "127.0.0.2")
      const error = yield* failure(connect(named(port), lookup))
      assert.deepStrictEqual(error.remote, named(port))
      assert.strictEqual(error.reason, error.attempts[0]!.reason)
      assert.strictEqual(error.code, "ECONNREFUSED")
      assert.deepStrictEqual(error.attempts.map(({ remote }) => portOf(remote)), [port, port, port])
      assert.deepStrictEqual(tried(error), [
        ["127.0.0.3", "ConnectionRefused"],
        ["127.0.0.1", "ConnectionRefused"],
        ["127.0.0.2", "ConnectionRefused"]
      ])
    })), linux)

  for (const [reachable, first] of [["127.0.0.1", "::1"], ["::1", "127.0.0.1"]] as const) {
    it.live(`localhost, ${first} first, and the server is on ${reachable} only`, () =>
      bounded(Effect.gen(function*() {
        const { port } = yield* listenAt(reachable, 0)
        const connection = yield* connect(at("localhost", port), answers(first, reachable))
        assert.deepStrictEqual(connection.remote, at(reachable, port))
      })), bothFamilies)
  }

  it.live("localhost, of the operating system", () =>
    bounded(Effect.gen(function*() {
      const { port } = yield* listenAt("localhost", 0)
      const connection = yield* Transport.connect(at("localhost", port), { linger: 0 })
      assert.strictEqual(portOf(connection.remote), port)
    })))
})

describe("the deadline", () => {
  it.live("covers every attempt, and keeps those that had failed before", () =>
    bounded(Effect.gen(function*() {
      const port = yield* firstHangs
      const seen = yield* sockets
      const lookup = answers("127.0.0.2", "127.0.0.1", "127.0.0.3")
      const error = yield* failure(connect(named(port), lookup, { attemptDelay: "Infinity", timeout: "100 millis" }))
      assert.strictEqual(error.reason._tag, "TimedOut")
      assert.include(error.message, "timed out after 100 ms")
      // The third was never started.
      assert.deepStrictEqual(tried(error), [["127.0.0.2", "ConnectionRefused"], ["127.0.0.1", "TimedOut"]])
      assert.deepStrictEqual(seen.map((socket) => socket.destroyed), [true, true])
    })), linux)

  it.live("covers the resolver; an answer that comes later opens nothing", () =>
    bounded(Effect.gen(function*() {
      const seen = yield* sockets
      let late = () => {}
      const lookup: Lookup = (_name, _options, answer) => {
        late = () => answer(null, [{ address: "127.0.0.1" }])
      }
      const error = yield* failure(connect(named(1), lookup, { timeout: "20 millis" }))
      assert.strictEqual(error.reason._tag, "TimedOut")
      assert.deepStrictEqual(error.attempts, [])
      late()
      yield* turn
      assert.deepStrictEqual(seen, [])
    })))
})

describe("interruption", () => {
  it.live("frees every socket at once", () =>
    bounded(Effect.gen(function*() {
      const port = yield* hanging
      const seen = yield* sockets
      const before = descriptors()
      const fiber = yield* Effect.forkChild(
        connect(named(port), answers("127.0.0.1", "127.0.0.2", "127.0.0.3"), { attemptDelay: 10 })
      )
      yield* eventually(() => seen.length === 3)
      assert.strictEqual(descriptors(), before + 3)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(descriptors(), before)
    })), linux)

  it.live("stops waiting for the resolver at once; its answer opens nothing", () =>
    bounded(Effect.gen(function*() {
      const seen = yield* sockets
      let late: (() => void) | undefined
      const lookup: Lookup = (_name, _options, answer) => {
        late = () => answer(null, [{ address: "127.0.0.1" }])
      }
      const fiber = yield* Effect.forkChild(connect(named(1), lookup, { timeout: "Infinity" }))
      yield* eventually(() => late !== undefined)
      yield* Fiber.interrupt(fiber)
      late?.()
      yield* turn
      assert.deepStrictEqual(seen, [])
    })))

  it.live("at any moment leaves no descriptor", () =>
    bounded(Effect.gen(function*() {
      const before = descriptors()
      yield* Effect.scoped(Effect.gen(function*() {
        const { port } = yield* listenAt("127.0.0.2", 0)
        for (let i = 0; i < 200; i++) {
          const lookup = answers("127.0.0.1", "127.0.0.2")
          const fiber = yield* Effect.forkChild(Effect.scoped(connect(named(port), lookup)))
          for (let turns = i % 8; turns > 0; turns--) yield* turn
          yield* Fiber.interrupt(fiber)
        }
      }))
      yield* eventually(() => descriptors() <= before)
      assert.strictEqual(descriptors(), before)
    })), linux)
})

describe("the resolver", () => {
  const table: Record<string, readonly [Lookup, string, string | undefined]> = {
    "knows no such name": [fails("ENOTFOUND"), "NameNotFound", "ENOTFOUND"],
    "is not there": [fails("EAI_AGAIN"), "ResolverUnavailable", "EAI_AGAIN"],
    "has no descriptor": [fails("EMFILE"), "ResourceExhausted", "EMFILE"],
    "fails for good": [fails("EAI_FAIL"), "NameNotFound", "EAI_FAIL"],
    "fails as nobody knows": [fails("EAI_WHATEVER"), "Unknown", "EAI_WHATEVER"],
    "answers no address": [answers(), "NameNotFound", undefined],
    "answers nothing": [
      (_name, _options, answer) => process.nextTick(answer, null),
      "NameNotFound",
      undefined
    ],
    "answers what is no address": [answers("elsewhere.example"), "InvalidAddress", undefined]
  }
  for (const [name, [lookup, reason, code]] of Object.entries(table)) {
    it.live(`${name}: ${reason}`, () =>
      bounded(Effect.gen(function*() {
        const seen = yield* sockets
        const error = yield* failure(connect(named(80), lookup))
        assert.deepStrictEqual([error.reason._tag, error.code], [reason, code])
        assert.deepStrictEqual(error.attempts, [{ remote: named(80), reason: error.reason }])
        assert.deepStrictEqual(seen, [])
      })))
  }

  it.live("the refusal has the answer", () =>
    bounded(Effect.gen(function*() {
      const error = yield* failure(connect(named(80), answers("elsewhere.example")))
      assert.include(error.message, "the resolver answered \"elsewhere.example\"")
    })))

  it.live("answers an address among others: that is taken", () =>
    bounded(Effect.gen(function*() {
      const { port } = yield* listenAt("127.0.0.1", 0)
      const connection = yield* connect(named(port), answers("elsewhere.example", "", "127.0.0.1"))
      assert.strictEqual(hostOf(connection.remote), "127.0.0.1")
    })))

  it.live("answers twice: the first counts", () =>
    bounded(Effect.gen(function*() {
      const { port } = yield* listenAt("127.0.0.1", 0)
      const connection = yield* connect(named(port), (_name, _options, answer) => {
        answer(null, [{ address: "127.0.0.1" }])
        answer(new Error("no"))
      })
      assert.strictEqual(hostOf(connection.remote), "127.0.0.1")
    })))

  it.live("is not asked about an IP address or a path", () =>
    bounded(Effect.gen(function*() {
      const asked: Array<string> = []
      const lookup: Lookup = (name) => void asked.push(name)
      const { port } = yield* listenAt("127.0.0.1", 0)
      yield* connect(at("127.0.0.1", port), lookup)
      const path = yield* failure(connect({ path: "/nowhere/socket" }, lookup, { family: 6 }))
      assert.strictEqual(path.code, "ENOENT")
      const remote = at("::1", yield* Raw.freePort)
      assert.deepStrictEqual((yield* failure(connect(remote, lookup))).attempts.map((it) => it.remote), [remote])
      assert.deepStrictEqual(asked, [])
    })))
})

describe("family", () => {
  it.live("only its addresses are asked for and tried", () =>
    bounded(Effect.gen(function*() {
      const port = yield* Raw.freePort
      const families: Array<unknown> = []
      const lookup: Lookup = (name, options, answer) => {
        families.push(options.family)
        answers("::1", "127.0.0.1", "127.0.0.2")(name, options, answer)
      }
      const four = yield* failure(connect(named(port), lookup, { family: 4 }))
      assert.deepStrictEqual(four.attempts.map(({ remote }) => hostOf(remote)), ["127.0.0.1", "127.0.0.2"])
      const six = yield* failure(connect(named(port), lookup, { family: 6 }))
      assert.deepStrictEqual(six.attempts.map(({ remote }) => hostOf(remote)), ["::1"])
      const bound = yield* failure(connect(named(port), lookup, { localAddress: { host: "::1" } }))
      assert.deepStrictEqual(bound.attempts.map(({ remote }) => hostOf(remote)), ["::1"])
      const both = yield* failure(connect(named(port), lookup))
      assert.deepStrictEqual(both.attempts.map(({ remote }) => hostOf(remote)), ["::1", "127.0.0.1", "127.0.0.2"])
      assert.deepStrictEqual(families, [4, 6, 6, 0])
    })), linux)

  it.live("the name has none of it: NameNotFound", () =>
    bounded(Effect.gen(function*() {
      const error = yield* failure(connect(named(80), answers("127.0.0.1"), { family: 6 }))
      assert.strictEqual(error.reason._tag, "NameNotFound")
    })))
})

describe("localAddress", () => {
  it.live("the address, and the port", () =>
    bounded(Effect.gen(function*() {
      const server = yield* listenAt("127.0.0.1", 0)
      const remote = at("127.0.0.1", server.port)
      const any = yield* connect(remote, undefined, { localAddress: { host: "127.0.0.9" } })
      assert.strictEqual(hostOf(any.local), "127.0.0.9")
      assert.strictEqual((yield* server.next).socket.remoteAddress, "127.0.0.9")
      const port = yield* Raw.freePort
      const localAddress = at("127.0.0.9", port)
      const exact = yield* Transport.connect(remote, { localAddress, linger: 0 })
      assert.deepStrictEqual(exact.local, localAddress)
      // The same two ends again.
      const again = yield* failure(connect(remote, undefined, { localAddress }))
      assert.deepStrictEqual([again.reason._tag, again.code], ["AddressNotAvailable", "EADDRNOTAVAIL"])
      assert.deepStrictEqual(again.attempts.map((it) => it.remote), [remote])
    })), linux)

  it.live(
    "of another host, or taken: typed, with the address that was to be reached",
    () =>
      bounded(Effect.gen(function*() {
        const { port } = yield* listenAt("127.0.0.1", 0)
        const remote = at("127.0.0.1", port)
        const foreign = yield* failure(connect(remote, undefined, { localAddress: { host: "192.0.2.1" } }))
        assert.strictEqual(foreign.reason._tag, "AddressNotAvailable")
        assert.deepStrictEqual(foreign.attempts.map((it) => it.remote), [remote])
        const other = yield* listenAt("127.0.0.1", 0)
        const taken = yield* failure(connect(remote, undefined, { localAddress: at("127.0.0.1", other.port) }))
        assert.deepStrictEqual([taken.reason._tag, taken.code], ["AddressInUse", "EADDRINUSE"])
      })),
    linux
  )

  const refused: Record<string, readonly [string, Transport.ConnectOptions]> = {
    "a name": ["127.0.0.1", { localAddress: { host: "localhost" } }],
    "an empty host": ["127.0.0.1", { localAddress: { host: "" } }],
    "a port that cannot be": ["127.0.0.1", { localAddress: { host: "127.0.0.1", port: 65_536 } }],
    "the other family than the host's": ["127.0.0.1", { localAddress: { host: "::1" } }],
    "the other family than the one asked for": ["service.example", { localAddress: { host: "::1" }, family: 4 }],
    "no local address, and the host is not of the family": ["127.0.0.1", { family: 6 }]
  }
  for (const [name, [host, options]] of Object.entries(refused)) {
    it.live(`${name}: InvalidAddress, and nothing is opened`, () =>
      bounded(Effect.gen(function*() {
        const seen = yield* sockets
        const error = yield* failure(connect(at(host, 80), answers("127.0.0.1"), options))
        assert.strictEqual(error.reason._tag, "InvalidAddress")
        assert.deepStrictEqual(error.attempts, [])
        assert.deepStrictEqual(seen, [])
      })))
  }
})
