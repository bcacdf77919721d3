// What goes with a request where it is traced, or its protocol has a field for it.
import type { Connection } from "@framewire/core"
import { Protocol } from "@framewire/framing"
import { endpointOf } from "./Meter.ts"
import type { Ticket } from "./Ticket.ts"
import type { Timeouts } from "./Timeouts.ts"

interface Line<Req, Res, Err> {
  readonly connection: Connection.Connection
  readonly exchange: { readonly carries: ReadonlyArray<Protocol.Carried> }
  readonly timeouts: Timeouts<Req, Res, Err>
}

export const beside = <Req, Res, Err>(
  call: Protocol.Request<Req>,
  ticket: Ticket<Req, Res, Err>,
  { connection, exchange: { carries }, timeouts }: Line<Req, Res, Err>
): Protocol.Request<Req> => {
  const { span } = ticket
  if (span !== undefined) {
    for (const [name, value] of Object.entries(endpointOf(connection.remote))) span.attribute(name, value)
  }
  const timeout = carries.includes("timeout") ? timeouts.left(ticket) : undefined
  const traceparent = span !== undefined && carries.includes("traceparent") ? Protocol.traceparent(span) : undefined
  return { ...call, ...timeout !== undefined && { timeout }, ...traceparent !== undefined && { traceparent } }
}
