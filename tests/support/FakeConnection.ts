// What every hand-made Connection of a test has alike: the parts that its test does not ask for.
import type { Connection } from "@framewire/core"
import * as Effect from "effect/Effect"

export const unasked: Pick<
  Connection.Connection,
  "receiveEach" | "lendEach" | "sendAllUnsafe" | "upgradeTls" | "tls" | "traffic" | "draining"
> = {
  receiveEach: () => Effect.die("not asked for"),
  lendEach: () => Effect.die("not asked for"),
  sendAllUnsafe: () => Effect.die("not asked for"),
  upgradeTls: () => Effect.die("not asked for"),
  tls: Effect.succeed(undefined),
  traffic: Effect.die("not asked for"),
  draining: Effect.never
}
