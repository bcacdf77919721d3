import { assert, describe, it } from "@effect/vitest"
import { type Address, Transport } from "@framewire/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  anyPort,
  Blocked,
  bounded,
  bytes,
  descriptors,
  eventually,
  failure,
  Raw,
  received,
  turn
} from "./support/index.ts"

const tcp = (address: Address.Address): Address.TcpAddress => {
  assert("port" in address)
  return address
}

const path = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "framewire-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
).pipe(Effect.map((directory): Address.UnixAddress => ({ path: join(directory, "socket") })))

/** "connected", or the errno. */
const outcome = (address: Address.Address) =>
  Effect.scoped(Effect.matchCause(Raw.connect(address), {
    onFailure: (cause) => (Cause.squash(cause) as NodeJS.ErrnoException).code,
    onSuccess: () => "connected"
  }))

const isEnd = <A, E>(exit: Exit.Exit<A, E>) =>
  Exit.isFailure(exit) && exit.cause.reasons.some((reason) => Cause.isFailReason(reason) && Cause.isDone(reason.error))

describe("suspend and resume", () => {
  for (
    const [kind, at, refusal] of [["TCP", Effect.succeed(anyPort), "ECONNREFUSED"], ["Unix", path, "ENOENT"]] as const
  ) {
    it.live(`${kind}: keeps the established, refuses new ones, then accepts again at the same address`, () =>
      bounded(Effect.gen(function*() {
        const listener = yield* Transport.listen(yield* at, { linger: 0 })
        const before = yield* Raw.connect(listener.address)
        const connection = yield* listener.accept
        const accept = yield* Effect.forkScoped(listener.accept, { startImmediately: true })
        for (let i = 0; i < 3; i++) {
          yield* listener.suspend
          for (let j = 0; j < 3; j++) assert.strictEqual(yield* outcome(listener.address), refusal)
          // accept goes on waiting.
          if (i === 0) assert.isUndefined(accept.pollUnsafe())
          yield* before.write("still")
          assert.strictEqual(yield* received(connection), "still")
          yield* connection.send(bytes("here"))
          yield* before.receivedBytes(4 * (i + 1))
          yield* listener.resume
          const peer = yield* Raw.connect(listener.address)
          yield* peer.write("new")
          assert.strictEqual(yield* received(yield* (i === 0 ? Fiber.join(accept) : listener.accept)), "new")
        }
        assert.deepStrictEqual(yield* listener.counters, { accepted: 4, shed: 0 })
      })))
  }

  it.live("50 clients queued in the kernel survive it", () =>
    bounded(Effect.gen(function*() {
      const count = 50
      const listener = yield* Transport.listen(anyPort, { linger: 0 })
      // They connect and send in another thread; this one has not turned its loop since.
      const { outcomes } = yield* Blocked.clients(tcp(listener.address), count)
      yield* listener.suspend
      assert.strictEqual(yield* outcome(listener.address), "ECONNREFUSED")
      for (let i = 0; i < count; i++) {
        const connection = yield* listener.accept
        const text = yield* received(connection)
        assert(typeof text === "string")
        yield* connection.send(bytes(text.toUpperCase()))
        yield* connection.close({ linger: 0 })
      }
      const expected = Array.from({ length: count }, (_, id) => `HELLO ${id}`)
      assert.deepStrictEqual((yield* outcomes).toSorted(), expected.toSorted())
    })))

  it.live("resume fails while another has the address, and can be tried again", () =>
    bounded(Effect.gen(function*() {
      const listener = yield* Transport.listen(anyPort, { linger: 0 })
      yield* listener.suspend
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Raw.listen({ at: listener.address })
        for (let i = 0; i < 2; i++) {
          const error = yield* failure(listener.resume)
          assert.deepStrictEqual([error._tag, error.reason._tag, error.code], [
            "ListenError",
            "AddressInUse",
            "EADDRINUSE"
          ])
          assert.deepStrictEqual(error.local, listener.address)
        }
      }))
      yield* listener.resume
      yield* Raw.connect(listener.address)
      yield* listener.accept
    })))

  it.live("again, nothing happens", () =>
    bounded(Effect.gen(function*() {
      const open = descriptors()
      const listener = yield* Transport.listen(anyPort, { linger: 0 })
      yield* listener.resume
      assert.strictEqual(descriptors(), open + 1)
      yield* Effect.all([listener.suspend, listener.suspend], { concurrency: "unbounded" })
      assert.strictEqual(descriptors(), open)
      yield* Effect.all([listener.resume, listener.resume], { concurrency: "unbounded" })
      assert.strictEqual(descriptors(), open + 1)
      assert.strictEqual(yield* outcome(listener.address), "connected")
    })))

  it.live("in the order of the calls", () =>
    bounded(Effect.gen(function*() {
      const listener = yield* Transport.listen(anyPort, { linger: 0 })
      const { resume, suspend } = listener
      for (const last of [suspend, resume]) {
        yield* Effect.all([suspend, resume, suspend, resume, last], { concurrency: "unbounded" })
        assert.strictEqual(yield* outcome(listener.address), last === suspend ? "ECONNREFUSED" : "connected")
      }
    })))

  it.live("an interrupted suspend has suspended", () =>
    bounded(Effect.gen(function*() {
      const listener = yield* Transport.listen(anyPort)
      const suspend = yield* Effect.forkChild(listener.suspend, { startImmediately: true })
      yield* Fiber.interrupt(suspend)
      assert.strictEqual(yield* outcome(listener.address), "ECONNREFUSED")
    })))

  it.live("drain ends a suspended listener, and nothing resumes a drained one", () =>
    bounded(Effect.gen(function*() {
      const listener = yield* Transport.listen(anyPort, { linger: 0 })
      const peer = yield* Raw.connect(listener.address)
      yield* turn
      yield* listener.suspend
      yield* listener.drain
      yield* listener.resume
      yield* listener.suspend
      assert.strictEqual(yield* outcome(listener.address), "ECONNREFUSED")
      // Who had come is handed out.
      assert.strictEqual(tcp((yield* listener.accept).remote).port, peer.socket.localPort)
      assert.isTrue(isEnd(yield* Effect.exit(listener.accept)))
    })))

  it.live("the scope closes a suspended listener, and one that resumes: everything is freed", () =>
    bounded(Effect.gen(function*() {
      const open = descriptors()
      for (const again of [Effect.void, "resume"] as const) {
        const scope = yield* Scope.make()
        const listener = yield* Scope.provide(Transport.listen(anyPort, { linger: 0 }), scope)
        const waiting = yield* Raw.connect(listener.address)
        yield* turn
        yield* listener.suspend
        const resume = yield* Effect.forkChild(again === "resume" ? listener.resume : again, { startImmediately: true })
        yield* Scope.close(scope, Exit.void)
        yield* Fiber.await(resume)
        assert.strictEqual(yield* waiting.ended, "ECONNRESET")
        yield* listener.resume
        assert.strictEqual(yield* outcome(listener.address), "ECONNREFUSED")
        assert.isTrue(isEnd(yield* Effect.exit(Effect.scoped(listener.accept))))
      }
      yield* eventually(() => descriptors() <= open)
    })))

  it.live("a Unix socket's file is gone while it is suspended", () =>
    bounded(Effect.gen(function*() {
      const address = yield* path
      const listener = yield* Transport.listen(address)
      for (let i = 0; i < 2; i++) {
        assert.isTrue(existsSync(address.path))
        yield* listener.suspend
        assert.isFalse(existsSync(address.path))
        yield* listener.resume
      }
    })))
})
