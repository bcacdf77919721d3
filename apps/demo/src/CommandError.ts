import * as Data from "effect/Data"

/** A command that could not do its work: one line for standard error, and the exit code. */
export class CommandError extends Data.TaggedError("CommandError")<{
  readonly message: string
  readonly exitCode: number
}> {}

/** The command was asked for something that cannot be (exit code 2). */
export const usage = (message: string): CommandError => new CommandError({ message, exitCode: 2 })

/** What was asked for did not succeed (exit code 1). */
export const failure = (error: { readonly message: string }): CommandError =>
  new CommandError({ message: error.message, exitCode: 1 })
