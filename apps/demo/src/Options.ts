// How options are made, and those that several commands share. The command line is before the environment, that is before
// the default; the help of each option names all three.
import { Address } from "@framewire/core"
import { FramingSpec } from "@framewire/framing"
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as CommandError from "./CommandError.ts"

interface Said<A> {
  readonly metavar?: string
  readonly description: string
  /** Without it the option is required, or made optional by who has it. */
  readonly fallback?: A
}

/** The options of a command: FRAMEWIRE_COMMAND_NAME in the environment, FRAMEWIRE_NAME where commands share them. */
export const of = (command?: string) => {
  const option =
    <A>(flag: (name: string) => Flag.Flag<A>, config: (name: string) => Config.Config<A>) =>
    (name: string, { description, fallback, metavar }: Said<NoInfer<A>>): Flag.Flag<A> => {
      const variable = ["framewire", ...command === undefined ? [] : [command], name].join("_").toUpperCase()
      const shown = fallback === undefined || fallback === false ? "" : `${fallback}; `
      const made = flag(name).pipe(
        Flag.withDescription(`${description} [${shown}${variable}]`),
        (self) => metavar === undefined ? self : Flag.withMetavar(self, metavar),
        Flag.withFallbackConfig(config(variable))
      )
      return fallback === undefined ? made : Flag.withDefault(made, fallback)
    }
  return {
    text: option(Flag.String, Config.NonEmptyString),
    int: option(Flag.Int, Config.Int),
    toggle: option(Flag.Boolean, Config.Boolean)
  }
}

const shared = of()

const perLine = 8

/** The names of a group, a few a line. */
const listed = ([group, names]: readonly [string, ReadonlyArray<string>]): ReadonlyArray<string> => [
  `      ${group}`,
  ...Array.from(
    { length: Math.ceil(names.length / perLine) },
    (_, line) => `        ${names.slice(line * perLine, (line + 1) * perLine).join(" ")}`
  )
]

export const framing = shared.text("framing", {
  metavar: "SPEC",
  description: [
    "How frames are told apart, NAME or NAME:OPTIONS, as in lines:crlf or u32be:limit=65536:",
    ...Object.entries(FramingSpec.groups).flatMap(listed),
    "     "
  ].join("\n")
})

export const listen = shared.text("listen", {
  metavar: "HOST:PORT",
  description: "Where the clients come; port 0 takes a free one"
})

export const to = shared.text("to", { metavar: "HOST:PORT", description: "The server" })

export const address = Argument.String("address").pipe(
  Argument.withMetavar("HOST:PORT"),
  Argument.withDescription("HOST:PORT, [IPV6]:PORT or unix:PATH")
)

/** The framing that a spec says; exit code 2 and the place in it where it says none. */
export const parseFraming = (
  spec: string
): Effect.Effect<FramingSpec.FramingSpec["framing"], CommandError.CommandError> =>
  Effect.fromResult(Result.mapBoth(FramingSpec.parse(spec), {
    onSuccess: ({ framing }) => framing,
    onFailure: (error) => CommandError.usage(`--framing: ${error.message}`)
  }))

export const parseAddress = (text: string): Effect.Effect<Address.Address, CommandError.CommandError> =>
  Effect.fromResult(Result.mapError(Address.parse(text), (error) => CommandError.usage(error.message)))
