// The framewire command, as `npm run framewire` runs it: from its sources, without a build.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Process from "./Process.ts"

const command = (args: ReadonlyArray<string>) => ["--conditions=@framewire/source", "apps/demo/src/main.ts", ...args]

export const start = (...args: ReadonlyArray<string>): Effect.Effect<Process.Process, never, Scope.Scope> =>
  Process.start(process.execPath, command(args))

/** Runs it to its end, with this standard input. */
export const run = (args: ReadonlyArray<string>, stdin?: string | Uint8Array): Effect.Effect<Process.Ended> =>
  Process.run(process.execPath, command(args), stdin)

export interface Serving extends Process.Process {
  readonly port: number
}

/** `serve echo` on a free port of 127.0.0.1, once it listens. */
export const serve = (framing: string, ...args: ReadonlyArray<string>): Effect.Effect<Serving, never, Scope.Scope> =>
  Effect.gen(function*() {
    const server = yield* start("serve", "echo", "--framing", framing, "--port", "0", ...args)
    const [, port] = yield* server.printed(/^listening 127\.0\.0\.1:(\d+)\n/)
    return { ...server, port: Number(port) }
  })

/** `connect` to a port of 127.0.0.1, to its end. */
export const connect = (
  port: number,
  framing: string,
  stdin?: string | Uint8Array
): Effect.Effect<Process.Ended> => run(["connect", `127.0.0.1:${port}`, "--framing", framing], stdin)

/** Runs a line of the shell in which `"$@"` is the command: only a shell makes a pipe, Node makes a pair of sockets. */
export const shell = (line: string, ...args: ReadonlyArray<string>): Effect.Effect<Process.Ended> =>
  Process.run("sh", ["-c", line, "sh", process.execPath, ...command(args)])
