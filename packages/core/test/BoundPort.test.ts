// A port that outlives those who listen on it.
import { assert, describe, it } from "@effect/vitest"
import { Transport } from "@framewire/core"
import { BoundPort, NodeTransport } from "@framewire/core/node"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"

const local = { host: "127.0.0.1", port: 0 }

/** Listens on descriptor 3, and says its name to each client. */
const program = `
  const server = require("node:net").createServer((socket) => socket.end(process.argv[1]))
  server.listen({ fd: 3 }, () => console.log("ready"))
`

const child = (name: string, fd: number) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const process = spawn(globalThis.process.execPath, ["-e", program, name], {
        stdio: ["ignore", "pipe", "inherit", fd]
      })
      await once(process.stdout!, "data")
      return process
    }),
    (process) => kill(process)
  )

const kill = (process: ChildProcess) =>
  Effect.promise(async () => {
    if (process.exitCode !== null || process.signalCode !== null) return
    process.kill("SIGKILL")
    await once(process, "exit")
  })

const hello = (address: BoundPort.BoundPort["address"]) =>
  Effect.gen(function*() {
    const connection = yield* Transport.connect(address)
    return Buffer.concat(yield* Pull.catchDone(connection.receive, () => Effect.succeed([]))).toString()
  }).pipe(Effect.scoped)

const reasonOf = <A, R>(binding: Effect.Effect<A, { readonly reason: { readonly _tag: string } }, R>) =>
  Effect.map(Effect.flip(binding), ({ reason }) => reason._tag)

describe("BoundPort", () => {
  it.live("is kept over the ends of those who listen on it, and listened on by nobody else", () =>
    Effect.gen(function*() {
      const { address, close, descriptors } = yield* BoundPort.make(local)
      const [fd] = descriptors
      assert.isAbove(address.port, 0)
      assert.strictEqual(yield* reasonOf(hello(address)), "ConnectionRefused")
      for (const name of ["one", "two"]) {
        const listening = yield* child(name, fd)
        assert.strictEqual(yield* hello(address), name)
        assert.strictEqual(yield* reasonOf(Effect.scoped(BoundPort.make(address))), "AddressInUse")
        yield* kill(listening)
        assert.strictEqual(yield* reasonOf(Effect.scoped(BoundPort.make(address))), "AddressInUse")
      }
      yield* close
      yield* close
      const { address: again } = yield* BoundPort.make(address)
      assert.deepStrictEqual(again, address)
    }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer)))

  it.live("may be several sockets, each with clients of its own, and goes with the scope", () =>
    Effect.gen(function*() {
      const address = yield* Effect.scoped(Effect.gen(function*() {
        const { address, descriptors } = yield* BoundPort.make(local, { sockets: 3 })
        assert.strictEqual(new Set(descriptors).size, 3)
        yield* child("only", descriptors[1] ?? -1)
        assert.strictEqual(yield* hello(address), "only")
        return address
      }))
      yield* BoundPort.make(address)
    }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer)))

  it.effect("says what cannot be", () =>
    Effect.gen(function*() {
      const cases = [
        [{ host: "localhost", port: 0 }, "InvalidAddress"],
        [{ host: "127.0.0.1", port: 65_536 }, "InvalidAddress"],
        [{ host: "192.0.2.1", port: 0 }, "AddressNotAvailable"]
      ] as const
      for (const [address, tag] of cases) assert.strictEqual(yield* reasonOf(BoundPort.make(address)), tag)
      const wrong = yield* Effect.exit(BoundPort.make(local, { sockets: 0 }))
      assert.include(String(wrong), "sockets")
    }).pipe(Effect.scoped))
})
