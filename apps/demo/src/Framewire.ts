import * as Command from "effect/cli/Command"
import { bench } from "./Bench.ts"
import { connect } from "./Connect.ts"
import { inspect } from "./Inspect.ts"
import { serve } from "./Serve.ts"
import { replay } from "./tap/Replay.ts"
import { tap } from "./tap/Tap.ts"
import { tour } from "./Tour.ts"

/** The command and its subcommands. */
export const framewire = Command.make("framewire").pipe(
  Command.withDescription("Framing protocols over TCP: try them, serve them, look at them"),
  Command.withSubcommands([tour, serve, connect, inspect, tap, replay, bench])
)
