// Small writes go out at once: Nagle's algorithm is off in the kernel, on both sides, unless it is asked for.
import { assert, describe, it } from "@effect/vitest"
import { Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import * as Effect from "effect/Effect"
import * as Net from "node:net"

/** How often the platform is told so, until the scope closes. */
const told = Effect.acquireRelease(
  Effect.callback<{ readonly calls: Array<unknown>; readonly restore: () => void }>((resume) => {
    const server = Net.createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      const socket = Net.connect(
        { host: "127.0.0.1", port: typeof address === "object" ? address?.port ?? 0 : 0 },
        () => {
          const handle: object = Object.getPrototypeOf(Reflect.get(socket, "_handle"))
          const original = Reflect.get(handle, "setNoDelay") as (...args: ReadonlyArray<unknown>) => unknown
          const calls: Array<unknown> = []
          Reflect.set(handle, "setNoDelay", function(this: unknown, ...args: ReadonlyArray<unknown>) {
            calls.push(args[0])
            return Reflect.apply(original, this, args)
          })
          socket.destroy()
          server.close()
          resume(Effect.succeed({ calls, restore: () => void Reflect.set(handle, "setNoDelay", original) }))
        }
      )
    })
  }),
  ({ restore }) => Effect.sync(restore)
)

describe("noDelay", () => {
  // On Linux of the socket that listens, too.
  const ours = process.platform === "linux" ? [true, true, true] : [true, true]
  for (const [noDelay, expected] of [[undefined, ours], [true, ours], [false, []]] as const) {
    it.live(`${noDelay}: the kernel hears of it ${expected.length} times`, () =>
      Effect.gen(function*() {
        const { calls } = yield* told
        const options = noDelay === undefined ? {} : { noDelay }
        const listener = yield* Transport.listen({ host: "127.0.0.1", port: 0 }, options)
        yield* Transport.connect(listener.address, options)
        yield* listener.accept
        assert.deepStrictEqual(calls, [...expected])
      }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer), Effect.timeout("10 seconds")))
  }
})
