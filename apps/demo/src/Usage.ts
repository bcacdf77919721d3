// What the command says about a wrong call: what is wrong, how it is called, where the whole help is. The help itself is as
// long as a screen, and would hide the first of these.
import * as CliOutput from "effect/cli/CliOutput"
import * as Console from "effect/Console"
import type * as Layer from "effect/Layer"

/** What the environment says wrongly is said by its name there. */
const shown = (message: string): string => {
  const [, expected, variable] = /SchemaError\(Expected ([^]*?)\s+at \["(\w+)"\]\)/.exec(message) ?? []
  return variable === undefined ? message : `${variable}: expected ${expected}`
}

export const layer: Layer.Layer<never> = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Console.error(
        [
          ...event.errors.map(({ message }) => `framewire: ${shown(message)}`),
          `usage: ${event.helpDoc.usage}`,
          `       ${event.commandPath.join(" ")} --help tells more`
        ].join("\n")
      )
      : CliOutput.defaultPresenter.present(event)
})
