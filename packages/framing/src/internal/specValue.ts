/** What the options of a framing spec can be. */

/** How values are shown, and which they are. Of a flag none is shown, and its value is empty. */
export interface Kind {
  readonly shown: string
  readonly pattern: RegExp
}

export const flag: Kind = { shown: "", pattern: /^$/ }

/** These words. */
export const words = (...all: ReadonlyArray<string>): Kind => ({
  shown: all.join("|"),
  pattern: new RegExp(`^(?:${all.join("|")})$`)
})

export const bytes: Kind = { shown: "BYTES", pattern: /^\d{1,16}$/ }

/** What `length:counts` can be, where a number may be negative. */
export const counted: Kind = { shown: "payload|frame|NUMBER", pattern: /^(?:payload|frame|-?\d{1,16})$/ }

/** Byte strings in hex, with a plus between them. */
export const hex: Kind = { shown: "HEX+HEX+...", pattern: /^(?:[0-9a-f]{2})+(?:\+(?:[0-9a-f]{2})+)*$/i }

/** Text that has a form in UTF-8. */
export const text: Kind = { shown: "TEXT", pattern: /^[^\p{Surrogate}]+$/u }

export const version: Kind = { shown: "FIX.4.2|FIX.4.4|FIXT.1.1|...", pattern: /^FIXT?\.\d\.\d$/ }

/** Another spec, which takes the rest of the text. */
export const spec: Kind = { shown: "SPEC", pattern: /^/ }

// What JSON leaves in a string and may yet break a line.
const breaking = /[\x7f-\x9f\u2028\u2029]/g

const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/** The value as it stands in a spec: as a JSON string where it would not be read back otherwise. */
export const quoted = (value: string): string =>
  // oxlint-disable-next-line no-control-regex
  /^[^",\0-\x1f\x7f-\x9f\u2028\u2029]+$/.test(value) ? value : JSON.stringify(value).replaceAll(breaking, escaped)

/** The text of a JSON string; undefined where it is none. */
export const unquoted = (string: string): string | undefined => {
  try {
    const value: unknown = JSON.parse(string)
    return typeof value === "string" ? value : undefined
  } catch {
    return undefined
  }
}
