/**
 * A framing as one line of text, for command lines and configuration.
 *
 * ```text
 * SPEC     NAME or NAME:OPTION,OPTION,...
 *
 * lines                       LF or CRLF in, LF out
 * lines:crlf                  CRLF out
 * lines:crlf,strict           CRLF and nothing else, also in
 * u8 u16be u16le u24be u24le u32be u32le
 * length:width=4,endian=le    the same, spelled out
 * ...:limit=BYTES             the payload limit of any of them
 * ```
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import type { Framing } from "./Codec.ts"
import { InvalidOption } from "./FramingError.ts"
import * as LengthPrefixed from "./LengthPrefixed.ts"
import * as Lines from "./Lines.ts"

/**
 * A framing by name, with the options that were given. A flag has the value `""`.
 *
 * @category models
 * @since 0.1.0
 */
export interface FramingSpec {
  readonly name: string
  readonly options: Readonly<Record<string, string>>
  /** What it says. */
  readonly framing: Framing
}

/**
 * The text is no spec: `position` is where, counted from 0, and `expected` what can stand there.
 *
 * @category errors
 * @since 0.1.0
 */
export class FramingSpecError extends Data.TaggedError("FramingSpecError")<{
  readonly input: string
  readonly position: number
  readonly expected: string
}> {
  override get message(): string {
    return `expected ${this.expected}\n  ${this.input}\n  ${" ".repeat(this.position)}^`
  }
}

type Options = Readonly<Record<string, string>>

/** What an option can be: the words themselves, or a number of bytes. A flag is the one word `""`. */
type Values = ReadonlyArray<string> | "bytes"

interface Entry {
  readonly values: Readonly<Record<string, Values>>
  readonly required: ReadonlyArray<string>
  readonly make: (options: Options) => Framing
}

const flag: Values = [""]

const limitOption = (options: Options) => options["limit"] === undefined ? {} : { limit: Number(options["limit"]) }

const widths = { 1: 1, 2: 2, 3: 3, 4: 4 } as const
const isWidth = (width: string | undefined): width is `${keyof typeof widths}` => width !== undefined && width in widths

const lengthPrefixed = (fixed: Options): Entry => ({
  values: {
    ...("width" in fixed ? {} : { width: Object.keys(widths), endian: ["be", "le"] }),
    limit: "bytes"
  },
  required: "width" in fixed ? [] : ["width"],
  make: (given) => {
    const { endian, width } = { ...fixed, ...given }
    if (!isWidth(width)) throw new InvalidOption({ option: "width", value: width, allowed: "1, 2, 3 or 4" })
    return LengthPrefixed.make({
      width: widths[width],
      endian: endian === "le" ? "le" : "be",
      ...limitOption(given)
    })
  }
})

const catalogue: Readonly<Record<string, Entry>> = {
  lines: {
    values: { crlf: flag, strict: flag, limit: "bytes" },
    required: [],
    make: (options) =>
      Lines.make({ ending: "crlf" in options ? "crlf" : "lf", strict: "strict" in options, ...limitOption(options) })
  },
  u8: lengthPrefixed({ width: "1" }),
  u16be: lengthPrefixed({ width: "2" }),
  u16le: lengthPrefixed({ width: "2", endian: "le" }),
  u24be: lengthPrefixed({ width: "3" }),
  u24le: lengthPrefixed({ width: "3", endian: "le" }),
  u32be: lengthPrefixed({ width: "4" }),
  u32le: lengthPrefixed({ width: "4", endian: "le" }),
  length: lengthPrefixed({})
}

/**
 * The names that a spec can begin with.
 *
 * @category constants
 * @since 0.1.0
 */
export const names: ReadonlyArray<string> = Object.keys(catalogue)

const describe = (name: string, values: Values) =>
  values === "bytes" ? `${name}=BYTES` : values === flag ? name : `${name}=${values.join("|")}`

const isValue = (value: string | undefined, values: Values) =>
  value === undefined || values === flag
    ? value === undefined && values === flag
    : values === "bytes"
    ? /^\d{1,16}$/.test(value)
    : values.includes(value)

/**
 * Reads a spec, and builds the framing that it says.
 *
 * **Errors**: `FramingSpecError`, with the place in the text and what can stand there.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (input: string): Result.Result<FramingSpec, FramingSpecError> => {
  const fail = (position: number, expected: string) => Result.fail(new FramingSpecError({ input, position, expected }))

  const colon = input.indexOf(":")
  const name = colon < 0 ? input : input.slice(0, colon)
  const entry = Object.hasOwn(catalogue, name) ? catalogue[name] : undefined
  if (entry === undefined) return fail(0, `one of ${names.join(", ")}`)
  const allowed = Object.entries(entry.values).map(([option, values]) => describe(option, values)).join(", ")

  const options: Record<string, string> = {}
  const positions: Record<string, number> = {}
  let position = name.length + 1
  for (const part of colon < 0 ? [] : input.slice(position).split(",")) {
    const equals = part.indexOf("=")
    const key = equals < 0 ? part : part.slice(0, equals)
    const value = equals < 0 ? undefined : part.slice(equals + 1)
    const values = Object.hasOwn(entry.values, key) ? entry.values[key] : undefined
    if (values === undefined) return fail(position, `one of ${allowed}`)
    if (!isValue(value, values)) return fail(position, describe(key, values))
    if (key in options) return fail(position, `${key} only once`)
    options[key] = value ?? ""
    positions[key] = position
    position += part.length + 1
  }
  for (const key of entry.required) {
    if (!(key in options)) return fail(input.length, `one of ${allowed}`)
  }

  try {
    return Result.succeed({ name, options, framing: entry.make(options) })
  } catch (error) {
    if (!(error instanceof InvalidOption)) throw error
    return fail(positions[error.option] ?? 0, `for ${error.option} ${error.allowed}`)
  }
}

/**
 * Writes a spec as the text that `parse` reads.
 *
 * @category encoding
 * @since 0.1.0
 */
export const format = (self: Pick<FramingSpec, "name" | "options">): string => {
  const options = Object.entries(self.options).map(([key, value]) => value === "" ? key : `${key}=${value}`)
  return options.length === 0 ? self.name : `${self.name}:${options.join(",")}`
}
