import type { ConnectionState } from "@framewire/core"

/** How a connection ended; `us` is who had it. */
export const of = (reason: ConnectionState.CloseReason, us: string): string => {
  switch (reason._tag) {
    case "Graceful":
      return "graceful"
    case "Aborted":
      return `reset by ${us}`
    case "LingerExpired":
      return "lingered too long"
    case "Failed":
      return reason.error.reason._tag === "ConnectionReset" ? "reset by it" : reason.error.message
  }
}
