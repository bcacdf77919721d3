// The options that several commands share.
import { Address } from "@framewire/core"
import { FramingSpec } from "@framewire/framing"
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as CommandError from "./CommandError.ts"

const perLine = 8

/** The names of a group, a few a line. */
const listed = ([group, names]: readonly [string, ReadonlyArray<string>]): ReadonlyArray<string> => [
  `      ${group}`,
  ...Array.from(
    { length: Math.ceil(names.length / perLine) },
    (_, line) => `        ${names.slice(line * perLine, (line + 1) * perLine).join(" ")}`
  )
]

export const framing = Flag.String("framing").pipe(
  Flag.withMetavar("SPEC"),
  Flag.withDescription(
    [
      "How frames are told apart, NAME or NAME:OPTIONS, as in lines:crlf or u32be:limit=65536; or FRAMEWIRE_FRAMING",
      ...Object.entries(FramingSpec.groups).flatMap(listed)
    ].join("\n")
  ),
  Flag.withFallbackConfig(Config.String("FRAMEWIRE_FRAMING"))
)

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
