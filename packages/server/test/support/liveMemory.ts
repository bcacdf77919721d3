import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void

/** Bytes of this process that cannot be collected, in the heap and outside of it. */
const live = (): number => {
  collect()
  // What is outside of the heap is given back by another thread, for which the next one waits.
  collect()
  const { external, heapUsed } = process.memoryUsage()
  return heapUsed + external
}

/** By how much they have grown, at most: looked at from now on until the scope closes, for a tenth of the time. */
export const growth: Effect.Effect<() => number, never, Scope.Scope> = Effect.gen(function*() {
  const before = live()
  let most = before
  const look = Effect.suspend(() => {
    const began = performance.now()
    most = Math.max(most, live())
    return Effect.sleep(10 * (performance.now() - began))
  })
  yield* Effect.forkScoped(Effect.forever(look))
  return () => most - before
})
