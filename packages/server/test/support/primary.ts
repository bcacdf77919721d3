// A primary that does nothing but live; prints the processes of its workers.
import { Workers } from "@framewire/server/node"
import * as Effect from "effect/Effect"
import { join } from "node:path"

await Effect.runPromise(
  Effect.scoped(Effect.gen(function*() {
    const entry = join(import.meta.dirname, "worker.ts")
    const { address, pids } = yield* Workers.make({ address: { host: "127.0.0.1", port: 0 }, workers: 2, entry })
    console.log(JSON.stringify({ address, pids: yield* pids }))
    return yield* Effect.never
  }))
)
