import { assert, describe, it } from "@effect/vitest"
import { type Address, Transport } from "@framewire/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bounded, descriptors, eventually, failure, Raw } from "./support/index.ts"

const path = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "framewire-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
).pipe(Effect.map((directory): Address.UnixAddress => ({ path: join(directory, "socket") })))

/** What a process leaves that is killed: the file of a socket that nobody listens on. */
const stale = Effect.gen(function*() {
  const address = yield* path
  const first = { path: `${address.path}.first` }
  yield* Effect.scoped(Effect.andThen(Raw.listen({ at: first }), Effect.sync(() => linkSync(first.path, address.path))))
  assert.isFalse(existsSync(first.path))
  assert.isTrue(lstatSync(address.path).isSocket())
  return address
})

const echoes = (address: Address.Address, accept: Effect.Effect<unknown, unknown>) =>
  Effect.scoped(Effect.andThen(Raw.connect(address), accept))

describe("the path of a Unix domain socket", () => {
  it.live("a stale socket is replaced, and the file is gone after close", () =>
    bounded(Effect.gen(function*() {
      const address = yield* stale
      const open = descriptors()
      yield* Effect.scoped(Effect.gen(function*() {
        const listener = yield* Transport.listen(address, { linger: 0 })
        assert.deepStrictEqual(listener.address, address)
        yield* echoes(address, Effect.scoped(listener.accept))
      }))
      assert.isFalse(existsSync(address.path))
      yield* eventually(() => descriptors() <= open)
    })))

  it.live("a live one is in use, and is left alone", () =>
    bounded(Effect.gen(function*() {
      const address = yield* path
      const live = yield* Raw.listen({ at: address })
      const { ino } = lstatSync(address.path)
      const open = descriptors()
      const error = yield* failure(Transport.listen(address))
      assert.deepStrictEqual([error._tag, error.reason._tag, error.code, error.retry], [
        "ListenError",
        "AddressInUse",
        "EADDRINUSE",
        "never"
      ])
      assert.match(error.message, /the address is in use: another process listens there$/)
      assert.strictEqual(lstatSync(address.path).ino, ino)
      // The probe is a client that says nothing and goes.
      assert.strictEqual(yield* (yield* live.next).ended, "FIN")
      yield* echoes(address, live.next)
      yield* Effect.scoped(Effect.exit(Transport.listen(address)))
      yield* eventually(() => descriptors() <= open + 3)
    })))

  const others: Record<string, (path: string) => void> = {
    "a regular file": (path) => writeFileSync(path, "precious"),
    "an empty file": (path) => writeFileSync(path, ""),
    "a directory": (path) => mkdirSync(path),
    "a link to nothing": (path) => symlinkSync("nothing", path),
    "a link to a file": (path) => {
      writeFileSync(`${path}.file`, "precious")
      symlinkSync(`${path}.file`, path)
    }
  }
  for (const [name, make] of Object.entries(others)) {
    it.live(`${name} is never removed`, () =>
      bounded(Effect.gen(function*() {
        const address = yield* path
        make(address.path)
        const { ctimeMs, ino } = lstatSync(address.path)
        const error = yield* failure(Transport.listen(address))
        assert.deepStrictEqual([error.reason._tag, error.code], ["AddressInUse", "EADDRINUSE"])
        assert.match(error.message, /the address is in use: there is a file that is not a socket$/)
        assert.deepStrictEqual([lstatSync(address.path).ino, lstatSync(address.path).ctimeMs], [ino, ctimeMs])
        if (name === "a regular file") assert.strictEqual(readFileSync(address.path, "utf8"), "precious")
      })))
  }

  it.live("of several who find a stale socket at once, one gets it", () =>
    bounded(Effect.gen(function*() {
      for (let i = 0; i < 20; i++) {
        const address = yield* stale
        yield* Effect.scoped(Effect.gen(function*() {
          const all = yield* Effect.all(
            Array.from({ length: 4 }, () => Effect.exit(Transport.listen(address, { linger: 0 }))),
            {
              concurrency: "unbounded"
            }
          )
          const [listener, ...more] = all.filter(Exit.isSuccess)
          assert(listener !== undefined)
          assert.lengthOf(more, 0)
          yield* echoes(address, Effect.scoped(listener.value.accept))
        }))
        assert.isFalse(existsSync(address.path))
      }
    })))

  it.live("interrupting the probe frees everything", () =>
    bounded(Effect.gen(function*() {
      const address = yield* stale
      const open = descriptors()
      yield* Effect.scoped(Effect.timeoutOption(Transport.listen(address), 0))
      yield* eventually(() => descriptors() <= open)
      yield* Transport.listen(address)
    })))

  it.live("an abstract socket has no file", () =>
    bounded(Effect.gen(function*() {
      const address = { path: `\0framewire-${process.pid}-abstract` }
      const listener = yield* Transport.listen(address, { linger: 0 })
      const error = yield* failure(Transport.listen(address))
      assert.strictEqual(error.reason._tag, "AddressInUse")
      yield* echoes(address, Effect.scoped(listener.accept))
    })), process.platform === "linux" ? {} : { skip: true })
})
