// The examples, as their READMEs say to run them: from their sources, and told by PORT where to listen.
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Process from "./Process.ts"
import * as Socket from "./Socket.ts"

const args = (
  file: string,
  env: Readonly<Record<string, string>>
) => [
  ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
  process.execPath,
  "--conditions=@framewire/source",
  `examples/${file}`
]

/** Runs it to its end. */
export const run = (file: string, env: Readonly<Record<string, string>> = {}): Effect.Effect<Process.Ended> =>
  Process.run("env", args(file, env))

export interface Serving extends Process.Process {
  readonly port: number
}

/** Starts it on a free port of 127.0.0.1, and waits until it listens: it prints nothing then. */
export const serve = (
  file: string,
  env: Readonly<Record<string, string>> = {}
): Effect.Effect<Serving, never, Scope.Scope> =>
  Effect.gen(function*() {
    const port = yield* Socket.freePort
    const server = yield* Process.start("env", args(file, { ...env, PORT: String(port) }))
    yield* Effect.scoped(Socket.connect(port)).pipe(
      Effect.retry(Schedule.spaced("20 millis")),
      Effect.timeout("10 seconds"),
      // If it has ended, this says how.
      Effect.catchCause(() => Effect.andThen(server.ended, Effect.die(new Error(`${file} does not listen`))))
    )
    return { ...server, port }
  })
