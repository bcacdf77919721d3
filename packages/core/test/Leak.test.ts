import { assert, describe, it } from "@effect/vitest"
import { type Connection, Transport } from "@framewire/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { anyPort, bounded, bytes, descriptors, eventually, received } from "./support/index.ts"

/** Connections at a time: enough to overlap, too few to run out of ports. */
const concurrency = 20
const cycles = 500

const linux = process.platform === "linux" ? {} : { skip: true }

describe(`descriptors are the same before and after ${cycles} connections`, () => {
  const endings: Record<string, (connection: Connection.Connection) => Effect.Effect<unknown, unknown>> = {
    "the client's scope": () => Effect.void,
    "close": (connection) => connection.close(),
    "shutdownWrite and the end": (connection) =>
      Effect.andThen(connection.shutdownWrite, Effect.exit(connection.receive)),
    "abort": (connection) => connection.abort,
    "abort in the turn of shutdownWrite": (connection) =>
      Effect.all([Effect.exit(connection.shutdownWrite), connection.abort], { concurrency: "unbounded" }),
    "abort in the turn of close": (connection) =>
      Effect.all([connection.close(), connection.abort], { concurrency: "unbounded" }),
    "close without waiting": (connection) => connection.close({ linger: 0 })
  }
  for (const [name, end] of Object.entries(endings)) {
    it.live(`ended by ${name}`, () =>
      bounded(Effect.gen(function*() {
        const before = descriptors()
        yield* Effect.scoped(Effect.gen(function*() {
          const listener = yield* Transport.listen(anyPort, { linger: "1 hour" })
          const serve = Effect.scoped(Effect.flatMap(
            listener.accept,
            (connection) =>
              Effect.exit(Effect.forever(Effect.flatMap(connection.receive, (chunks) => connection.sendAll(chunks))))
          ))
          yield* Effect.forkScoped(
            Effect.all(Array.from({ length: concurrency }, () => Effect.exit(Effect.forever(serve))), {
              concurrency: "unbounded"
            })
          )
          const client = Effect.scoped(Effect.gen(function*() {
            const connection = yield* Transport.connect(listener.address, { linger: "1 hour" })
            yield* connection.send(bytes("hello"))
            assert.strictEqual(yield* received(connection), "hello")
            yield* end(connection)
          }))
          yield* Effect.all(Array.from({ length: cycles }, () => client), { concurrency, discard: true })
        }))
        // Fewer, where the test runner has closed one of its own meanwhile.
        yield* eventually(() => descriptors() <= before)
      })), linux)
  }

  it.live("refused", () =>
    bounded(Effect.gen(function*() {
      const before = descriptors()
      const address = yield* Effect.scoped(Effect.map(Transport.listen(anyPort), ({ address }) => address))
      yield* Effect.forEach(
        Array.from({ length: cycles }),
        () =>
          Effect.map(Effect.exit(Effect.scoped(Transport.connect(address))), (exit) => assert(Exit.isFailure(exit))),
        { concurrency, discard: true }
      )
      yield* eventually(() => descriptors() <= before)
    })), linux)
})
