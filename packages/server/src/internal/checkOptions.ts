/** What the options of a server may be; what a listener and a header have of their own is looked at there. */
import { InvalidOption } from "@framewire/core"
import type * as Admission from "../Admission.ts"
import type { ServerOptions } from "../Server.ts"

const { check, duration, orUnbounded, whole } = InvalidOption

const stopping: InvalidOption.Rules<ServerOptions> = {
  broadcastBudget: orUnbounded(whole(0)),
  drainDeadline: duration,
  preStopDelay: duration,
  goodbye: duration,
  closeSpread: duration,
  drainLinger: duration
}

/** The same options. Throws `InvalidOption`. */
export const checkAdmission = (options: Admission.Options): Admission.Options => {
  const { maxConnections, perClient } = options
  check({ maxConnections }, { maxConnections: whole(0) })
  check(perClient, { maxConnections: whole(0) }, "perClient.")
  check(perClient?.rate, { limit: InvalidOption.number(1), window: duration }, "perClient.rate.")
  return options
}

/** Throws `InvalidOption`. */
export const checkServer = (options: ServerOptions): void => {
  check(options, stopping)
  check(options.proxy, { maxPending: whole(0), timeout: duration }, "proxy.")
  checkAdmission(options)
}
