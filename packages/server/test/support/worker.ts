// A worker that echoes; its argument says what is wrong with it.
import { NodeTransport } from "@framewire/core/node"
import { Worker } from "@framewire/server/node"
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import * as goodbye from "./goodbye.ts"

const [, , fault, file = ""] = process.argv
if (fault === "exits" || fault === "exits-if" && existsSync(file)) process.exit(7)
if (fault === "sleeps") {
  process.on("SIGUSR2", () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000))
}
if (fault === "lies") {
  process.send?.({ _tag: "Drained", report: { accepted: -1 } })
  process.send?.("Ready")
}

if (fault === "hangs") {
  process.on("message", () => {})
} else {
  await Effect.runPromise(
    Worker.run(
      { ...goodbye.options, ...fault === "stays" ? { drainDeadline: "1 minute" } : {} },
      fault === "stays" ? () => Effect.never : goodbye.handler
    ).pipe(Effect.provide(NodeTransport.layer))
  )
}
