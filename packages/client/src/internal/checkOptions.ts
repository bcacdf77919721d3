/** What the options of a client may be; what a connection has of its own is looked at there. */
import { InvalidOption, Transport } from "@framewire/core"
import * as Duration from "effect/Duration"
import type { ClientOptions } from "../Client.ts"
import type { PoolOptions } from "../Pool.ts"
import type { Queue, ReconnectOptions } from "../Reconnect.ts"

const { check, duration, whole } = InvalidOption

/** Throws `InvalidOption`. */
export const checkClient = <Req, P>(options: ClientOptions<Req, P>): void => {
  Transport.checkConnectOptions(options)
  const { drainTimeout, heartbeat, maxInFlight, maxPushes, maxStreamed, requestTimeout } = options
  check({ maxInFlight, maxPushes, maxStreamed }, { maxInFlight: whole(1), maxPushes: whole(1), maxStreamed: whole(1) })
  check({ requestTimeout, drainTimeout }, { requestTimeout: duration, drainTimeout: duration })
  check(heartbeat, { interval: duration, misses: whole(1) }, "heartbeat.")
  const interval = heartbeat?.interval
  // No time is as often as can be.
  if (interval !== undefined && Duration.toMillis(Duration.fromInputUnsafe(interval)) === 0) {
    throw new InvalidOption.InvalidOption({
      option: "heartbeat.interval",
      value: interval,
      allowed: "a duration of more than 0"
    })
  }
}

const checkQueue = (queue: Queue | undefined): void =>
  check(queue, { maxRequests: whole(0), maxBytes: whole(0), maxAge: duration }, "queue.")

/** Throws `InvalidOption`. */
export const checkReconnect = <Req, Res, Err, P>(options: ReconnectOptions<Req, Res, Err, P>): void => {
  checkClient(options)
  const { maxRetryAfter, queue, sessionTimeout, stableAfter } = options
  const times = { maxRetryAfter, stableAfter, sessionTimeout }
  check(times, { maxRetryAfter: duration, stableAfter: duration, sessionTimeout: duration })
  if (typeof queue === "object") checkQueue(queue)
}

/** Throws `InvalidOption`. */
export const checkPool = <Req, Res, Err, P>({ queue, ...options }: PoolOptions<Req, Res, Err, P>): void => {
  checkReconnect<Req, Res, Err, P>(options)
  checkQueue(queue)
  const { checkAfter, ejectionTime, idleTimeout, maxAge, maxFailures, maxWaiting, minSize, size, waitTimeout } = options
  check({ size, minSize }, { size: whole(1, 65_535), minSize: whole(0) })
  check({ maxWaiting, maxFailures }, { maxWaiting: whole(0), maxFailures: whole(1) })
  const times = { waitTimeout, idleTimeout, maxAge, checkAfter, ejectionTime }
  const all = { waitTimeout: duration, idleTimeout: duration, maxAge: duration, checkAfter: duration }
  check(times, { ...all, ejectionTime: duration })
}
