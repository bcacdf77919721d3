// All that can be measured.
import * as Attack from "./Attack.ts"
import * as Connect from "./Connect.ts"
import * as Echo from "./Echo.ts"
import * as Idle from "./Idle.ts"
import * as Memory from "./Memory.ts"
import * as Rpc from "./Rpc.ts"
import * as Scale from "./Scale.ts"
import type { Case } from "./Suite.ts"
import * as Workers from "./Workers.ts"

export const everyCase: ReadonlyArray<Case> = [
  ...Memory.cases,
  ...Echo.cases,
  ...Idle.cases,
  ...Connect.cases,
  ...Rpc.cases,
  ...Attack.cases,
  ...Workers.cases,
  ...Scale.cases
]
