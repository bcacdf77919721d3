// Tells the metrics what happens to the lines of a client, and to what waits for them.
import { Address } from "@framewire/core"
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import * as ClientMetrics from "../ClientMetrics.ts"
import type { DialError } from "../Status.ts"

type Attributes = Readonly<Record<string, string>>

export const endpointOf = (address: Address.Address): Attributes =>
  Address.isUnix(address)
    ? { "server.address": address.path, "network.transport": "unix" }
    : { "server.address": address.host, "server.port": String(address.port), "network.transport": "tcp" }

export class Meter {
  readonly #clock: Clock.Clock
  readonly #context: Context.Context<never>
  readonly #name: Attributes
  readonly #pending: Metric.Gauge<number>
  readonly #waited: Metric.Histogram<number>
  readonly #timeouts: Metric.Counter<number>

  constructor(clock: Clock.Clock, context: Context.Context<never>, name: string) {
    this.#clock = clock
    this.#context = context
    this.#name = { "client.name": name }
    this.#pending = Metric.withAttributes(ClientMetrics.pendingRequests, this.#name)
    this.#waited = Metric.withAttributes(ClientMetrics.waitTime, this.#name)
    this.#timeouts = Metric.withAttributes(ClientMetrics.timeouts, this.#name)
  }

  waits(change: 1 | -1): void {
    this.#pending.modifyUnsafe(change, this.#context)
  }

  waited(millis: number): void {
    this.#waited.updateUnsafe(millis / 1000, this.#context)
  }

  timedOut(): void {
    this.#timeouts.updateUnsafe(1, this.#context)
  }

  /** An attempt to have a line there. */
  connecting(endpoint: Address.Address): LineMeter {
    const context = this.#context
    const attributes = { ...this.#name, ...endpointOf(endpoint) }
    const change = (state: string, by: 1 | -1) =>
      Metric.withAttributes(ClientMetrics.count, { ...attributes, state }).modifyUnsafe(by, context)
    let state: string | undefined = "connecting"
    let since = this.#clock.currentTimeMillisUnsafe()
    change(state, 1)
    /** To another, or to none; false where it is over. */
    const move = (to: string | undefined): boolean => {
      if (state === undefined) return false
      change(state, -1)
      state = to
      if (to !== undefined) change(to, 1)
      return true
    }
    const record = (metric: Metric.Histogram<number>, more: Attributes = {}) => {
      const now = this.#clock.currentTimeMillisUnsafe()
      Metric.withAttributes(metric, { ...attributes, ...more }).updateUnsafe((now - since) / 1000, context)
      since = now
    }
    return {
      ready: () => {
        if (state === "connecting" && move("ready")) record(ClientMetrics.createTime)
      },
      failed: (error) => {
        if (!move(undefined) || error === undefined) return
        const type = error._tag === "SessionError" ? error._tag : error.reason._tag
        record(ClientMetrics.createTime, { "error.type": type })
      },
      draining: () => void move("draining"),
      ended: () => {
        const wasReady = state !== "connecting"
        if (wasReady && move(undefined)) record(ClientMetrics.useTime)
      }
    }
  }
}

/** Of one line. */
export interface LineMeter {
  readonly ready: () => void
  /** Or was interrupted. */
  readonly failed: (error: DialError | undefined) => void
  readonly draining: () => void
  readonly ended: () => void
}
