/**
 * One conformance suite for every transport, as data: no test runner is imported.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Address from "../Address.ts"
import type { Transport } from "../Transport.ts"
import { type Body, connectionCases } from "./internal/connectionCases.ts"
import { endingCases } from "./internal/endingCases.ts"
import { listenerCases } from "./internal/listenerCases.ts"

export {
  /**
   * A transport does not keep its contract: what was looked at, what is promised, and what came instead.
   *
   * @category errors
   * @since 0.1.0
   */
  ConformanceError
} from "./internal/check.ts"

/**
 * One thing that every transport does. It fails with `ConformanceError` where the transport does not, with
 * `Cause.TimeoutError` where it hangs, and with the transport's own error where that was not to come.
 *
 * @category models
 * @since 0.1.0
 */
export interface Case {
  /** The noun and the number of its contract, then what is promised. */
  readonly name: string
  readonly run: Effect.Effect<void, unknown, Transport>
}

/**
 * Where and how to run the cases.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Each case listens there: a host and port 0, or a path that each case finds free. Run them one at a time. */
  readonly address: Address.Address
  /** When a case that has not ended is a failure. Default 10 s. */
  readonly timeout?: Duration.Input
  /** More bytes than both hosts hold between a writer and a reader who does not read. Default 20 000 000. */
  readonly large?: number
}

const bounded = (timeout: Duration.Input) => ({ name, body }: Body): Case => ({
  name,
  run: Effect.scoped(body).pipe(
    // A hang of a finalizer is one, too, and no interruption ends it.
    Effect.forkDetach({ startImmediately: true }),
    Effect.flatMap(Fiber.join),
    Effect.timeout(timeout)
  )
})

/**
 * The cases of the contracts of `Connection`, `Listener` and `Transport`.
 *
 * The same for all transports, but for two: a Unix domain socket has no RST, so its peer sees the end instead, and no
 * ports.
 *
 * **Units**: a case waits for at most some 100 ms of the `Clock`, where it shows that something does not happen; under
 * `TestClock` somebody has to adjust it meanwhile.
 *
 * **Example**
 *
 * ```ts
 * import { it } from "@effect/vitest"
 * import { NodeTransport } from "@framewire/core/node"
 * import { Conformance } from "@framewire/core/testing"
 * import { Effect } from "effect"
 *
 * for (const { name, run } of Conformance.suite({ address: { host: "127.0.0.1", port: 0 } })) {
 *   it.live(name, () => Effect.provide(run, NodeTransport.layer))
 * }
 * ```
 *
 * @category suites
 * @since 0.1.0
 */
export const suite = (options: Options): ReadonlyArray<Case> => {
  const { address, large = 20_000_000, timeout = "10 seconds" } = options
  const setting = { address, large, reset: Address.isUnix(address) ? "end" : "ConnectionReset" }
  return [...connectionCases(setting), ...endingCases(setting), ...listenerCases(setting)].map(bounded(timeout))
}
