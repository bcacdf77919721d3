import { assert, describe, it } from "@effect/vitest"
import { Transport } from "@framewire/core"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import * as Net from "node:net"
import { anyPort, bothWays, bounded } from "./support/index.ts"

/** The kernel's timer of a socket: which one (2 is keep-alive) and in how many seconds. */
const timer = (
  { localPort = 0, remotePort = 0 }: Pick<Net.Socket, "localPort" | "remotePort">
): readonly [kind: number, seconds: number] => {
  const hex = (port: number) => `:${port.toString(16).toUpperCase().padStart(4, "0")}`
  const row = readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .find(([, local, remote]) => local?.endsWith(hex(localPort)) && remote?.endsWith(hex(remotePort)))
  const [kind = "", ticks = ""] = row?.[5]?.split(":") ?? []
  // Ticks of 10 ms, USER_HZ, on every Linux.
  return [Number.parseInt(kind, 16), Number.parseInt(ticks, 16) / 100]
}

// Node 24.16 and 26.
const hasInterval = Net.Socket.prototype.setKeepAlive.length === 4

const linux = process.platform === "linux" ? {} : { skip: true }

/** How many sockets are told of `keepAlive`, until the scope closes. */
const told = Effect.acquireRelease(
  Effect.sync(() => {
    const calls = { count: 0 }
    const original = Object.getOwnPropertyDescriptor(Net.Socket.prototype, "setKeepAlive")!
    Net.Socket.prototype.setKeepAlive = function(...args) {
      calls.count++
      return Reflect.apply(original.value, this, args)
    }
    return { calls, original }
  }),
  ({ original }) => Effect.sync(() => void Object.defineProperty(Net.Socket.prototype, "setKeepAlive", original))
)

it.live(
  "all that a listener accepts are probed, and few of them have to be told so",
  () =>
    bounded(Effect.gen(function*() {
      const { calls } = yield* told
      const backlog = 2
      const listener = yield* Transport.listen(anyPort, { backlog, keepAlive: { idle: "2 minutes" }, linger: 0 })
      const address = listener.address
      assert("port" in address)
      const round = (size: number) =>
        Effect.forEach(Array.from({ length: size }), () =>
          Effect.gen(function*() {
            const client = yield* Transport.connect(address, { keepAlive: false, linger: 0 })
            yield* listener.accept
            assert("port" in client.local)
            const [kind, left] = timer({ localPort: address.port, remotePort: client.local.port })
            assert.strictEqual(kind, 2)
            assert.isAtMost(left, 120)
            assert.isAbove(left, 108)
          }))
      yield* round(10)
      // The socket that listens, and those that may have been in its queue before.
      assert.strictEqual(calls.count, 1 + backlog + 1)
      yield* listener.suspend
      yield* listener.resume
      yield* round(10)
      assert.strictEqual(calls.count, 2 * (1 + backlog + 1))
    })),
  linux
)

for (const [way, make] of Object.entries(bothWays)) {
  describe(`keepAlive (${way})`, () => {
    const table: ReadonlyArray<[idle: Duration.Input | undefined, seconds: number]> = [
      [undefined, 30],
      ["2 minutes", 120],
      // The platform takes whole seconds, and for less than one the kernel's 2 hours.
      ["100 millis", 1],
      [0, 1],
      ["1 day", 32_767],
      ["Infinity", 32_767]
    ]
    for (const [idle, seconds] of table) {
      it.live(
        `${JSON.stringify(idle)}: the kernel probes after ${seconds} s`,
        () =>
          bounded(Effect.gen(function*() {
            const { socket } = yield* make(idle === undefined ? {} : { keepAlive: { idle } })
            const [kind, left] = timer(socket)
            assert.strictEqual(kind, 2)
            assert.isAtMost(left, seconds)
            // Whatever time this test has taken since.
            assert.isAbove(left, seconds - 12)
          })),
        linux
      )
    }

    it.live("a peer that answers no probe is given up after count of them", () =>
      bounded(Effect.gen(function*() {
        const { socket } = yield* make({ keepAlive: { idle: "7 seconds", interval: "3 seconds", count: 9 } })
        // The platform has no getter; this is what it was told, in its own words.
        const told = Object.getOwnPropertySymbols(socket).map((key) => [key.description, Reflect.get(socket, key)])
        assert.deepInclude(told, ["kSetKeepAliveInitialDelay", 7])
        if (!hasInterval) return
        assert.deepInclude(told, ["kSetKeepAliveInterval", 3])
        assert.deepInclude(told, ["kSetKeepAliveCount", 9])
      })), linux)

    it.live("false: no probe", () =>
      bounded(Effect.gen(function*() {
        const { socket } = yield* make({ keepAlive: false })
        assert.strictEqual(timer(socket)[0], 0)
      })), linux)
  })

  describe(`readBuffer (${way})`, () => {
    it.live("0 is 1: a reader that closes in the middle of a chunk does not stop the end from coming", () =>
      bounded(Effect.gen(function*() {
        const { connection, peer } = yield* make({ readBuffer: 0, linger: "1 hour" })
        const closing = Effect.andThen(
          connection.receive,
          Effect.forkDetach(connection.close(), { startImmediately: true })
        )
        const fiber = yield* Effect.forkChild(closing, { startImmediately: true })
        yield* peer.write("x")
        assert.strictEqual(yield* peer.ended, "FIN")
        yield* peer.end
        assert.strictEqual((yield* connection.closed)._tag, "Graceful")
        assert.isDefined(fiber.pollUnsafe())
      })))
  })
}
