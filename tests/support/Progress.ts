// Waits for something that events bring about, and fails with what has happened so far when it cannot come any more or
// does not come in time.
import * as Effect from "effect/Effect"

/** Enough for a busy machine, which takes a second or two to start a program. */
const patience = "15 seconds"

export interface Progress {
  /** Something has happened: look again. */
  readonly look: () => void
  /** What `check` finds, once it finds something. */
  readonly until: <A>(what: string, check: () => A | undefined) => Effect.Effect<A>
}

export const make = (options: {
  /** How it is over, if it is. */
  readonly over: () => string | undefined
  readonly soFar: () => string
}): Progress => {
  const waiting = new Set<() => void>()
  const fail = (text: string) => Effect.die(new Error(`${text}: ${options.soFar()}`))
  return {
    look: () => waiting.forEach((attempt) => attempt()),
    until: <A>(what: string, check: () => A | undefined) =>
      Effect.callback<A>((resume) => {
        const attempt = () => {
          const found = check()
          const over = options.over()
          if (found === undefined && over === undefined) return
          waiting.delete(attempt)
          resume(found === undefined ? fail(`${over} before ${what}`) : Effect.succeed(found))
        }
        waiting.add(attempt)
        attempt()
        return Effect.sync(() => waiting.delete(attempt))
      }).pipe(Effect.timeoutOrElse({ duration: patience, orElse: () => fail(`no ${what} in ${patience}`) }))
  }
}
