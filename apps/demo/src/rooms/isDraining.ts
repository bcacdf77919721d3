import type { Connection } from "@framewire/core"
import * as Effect from "effect/Effect"

/** Whether its server drains now: who is there is told goodbye. */
export const isDraining = (connection: Connection.Connection): Effect.Effect<boolean> =>
  Effect.raceFirst(Effect.as(connection.draining, true), Effect.as(Effect.yieldNow, false))
