// How one line is kept, for which requests wait only where they may.
import type { ReconnectOptions } from "../Reconnect.ts"
import type { KeptOptions } from "./keptClient.ts"

export const oneLine = <Req, Res, Err, P>(
  { queue = false }: ReconnectOptions<Req, Res, Err, P>,
  schedule: KeptOptions["schedule"]
): KeptOptions => ({
  schedule,
  queue: queue === true ? {} : queue === false ? { maxRequests: 0, maxAge: "Infinity" } : queue,
  maxWaiting: Number.POSITIVE_INFINITY,
  waitTimeout: "Infinity",
  size: 1,
  minSize: 1
})
