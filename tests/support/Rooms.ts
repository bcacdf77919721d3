// `serve rooms` on free ports of 127.0.0.1, once all its doors are open.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Command from "./Command.ts"
import type * as Process from "./Process.ts"

export interface Rooms extends Process.Process {
  readonly lines: number
  readonly typed: number
  /** Its URL. */
  readonly web: string
}

const free = "127.0.0.1:0"

export const serve = (...args: ReadonlyArray<string>): Effect.Effect<Rooms, never, Scope.Scope> =>
  Effect.gen(function*() {
    const server = yield* Command.start("serve", "rooms", "--lines", free, "--typed", free, "--web", free, ...args)
    const [, lines, typed, web = ""] = yield* server.printed(
      /^lines 127\.0\.0\.1:(\d+)\ntyped 127\.0\.0\.1:(\d+)\nweb (\S+)\nready\n/
    )
    return { ...server, lines: Number(lines), typed: Number(typed), web }
  })
