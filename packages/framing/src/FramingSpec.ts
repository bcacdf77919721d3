/**
 * A framing as one line of text, for command lines and configuration.
 *
 * ```text
 * SPEC     NAME or NAME:OPTION,OPTION,...
 * OPTION   FLAG, KEY=VALUE, or for some names a VALUE alone
 * VALUE    as it is, or as a JSON string where it has a comma or a quote
 *
 * lines                             LF or CRLF in, LF out
 * lines:crlf,strict                 CRLF and nothing else, both ways
 * u8 u16be u16le u24be u24le u32be u32le
 * length:width=2,endian=le,offset=1,counts=frame,strip=0
 * fixed:188                         frames of one size
 * delimited:0d0a+0a                 byte strings in hex, the first is written
 * delimited:text="a,b",keep         one as text
 * slip:limit=1000,onTooLong=skip    the options of each codec, by their names there
 * erlang:4   fix:FIX.4.4   dns      what `Preset` has
 * checked:crc32,at=start,of=SPEC    a checksum in the frames of another, whose spec takes the rest of the line
 * ```
 *
 * What is named here has bytes as messages. Those of RESP, MySQL and PROXY headers are values, which a line of text does
 * not give a type: `Resp.make`, `MySqlPacket.make`, `ProxyHeader.make`. JSON lines are `lines` and `Codec.json`.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import type { Framing } from "./Codec.ts"
import { InvalidOption } from "./FramingError.ts"
import { catalogue, entries, type Entry } from "./internal/specCatalogue.ts"
import { flag, type Kind, quoted, spec, text, unquoted } from "./internal/specValue.ts"

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

/**
 * The names that a spec can begin with, by what tells the frames apart.
 *
 * @category constants
 * @since 0.1.0
 */
export const groups: Readonly<Record<string, ReadonlyArray<string>>> = Object.fromEntries(
  Object.entries(catalogue).map(([group, named]) => [group, Object.keys(named)])
)

/**
 * All names.
 *
 * @category constants
 * @since 0.1.0
 */
export const names: ReadonlyArray<string> = Array.from(entries.keys())

const describe = (entry: Entry, keys: ReadonlyArray<string>): string =>
  keys.map((key) => {
    const { shown = "" } = entry.options[key] ?? {}
    return key === entry.main ? shown : shown === "" ? key : `${key}=${shown}`
  }).join(", ")

interface Option {
  readonly key: string
  readonly kind: Kind
  /** What it is in the text, from here to there; undefined where it has not the form that the kind has. */
  readonly value: string | undefined
  readonly from: number
  readonly end: number
}

const upTo = (end: RegExp, input: string, from: number): string => {
  const found = input.slice(from).search(end)
  return found < 0 ? input.slice(from) : input.slice(from, from + found)
}

/** The option that begins here, if one of these does. */
const optionAt = (input: string, position: number, { main, options }: Entry): Option | undefined => {
  const word = upTo(/[,=]/, input, position)
  const isNamed = Object.hasOwn(options, word)
  const key = isNamed ? word : main
  const kind = key === undefined ? undefined : options[key]
  if (key === undefined || kind === undefined) return undefined

  const hasEquals = isNamed && input[position + word.length] === "="
  const from = position + (isNamed ? word.length : 0) + (hasEquals ? 1 : 0)
  if (kind === spec) return { key, kind, value: hasEquals ? input.slice(from) : undefined, from, end: input.length }
  if (kind === text && input[from] === "\"") {
    const [string = "\""] = /^"[^"\\]*(?:\\.[^"\\]*)*"/.exec(input.slice(from)) ?? []
    return { key, kind, value: unquoted(string), from, end: from + string.length }
  }
  const written = upTo(/,/, input, from)
  if (!isNamed && !kind.pattern.test(written)) return undefined
  const value = isNamed && hasEquals === (kind === flag) ? undefined : written
  return { key, kind, value, from, end: from + written.length }
}

/** The spec that begins here and takes the rest, or throws where it is none: `refuse` makes the error of a place. */
const read = (
  input: string,
  start: number,
  known: ReadonlyArray<string>,
  refuse: (position: number, expected: string) => FramingSpecError
): FramingSpec => {
  const name = upTo(/:/, input, start)
  const entry = known.includes(name) ? entries.get(name) : undefined
  if (entry === undefined) throw refuse(start, `one of ${known.join(", ")}`)

  const given: Record<string, string> = {}
  const positions: Record<string, number> = {}
  let inner: FramingSpec | undefined
  let position = start + name.length
  while (position < input.length) {
    position++
    const option = optionAt(input, position, entry)
    if (option === undefined) throw refuse(position, `one of ${describe(entry, Object.keys(entry.options))}`)
    const { end, from, key, kind, value } = option
    if (value === undefined || !kind.pattern.test(value)) throw refuse(position, describe(entry, [key]))
    if (end < input.length && input[end] !== ",") throw refuse(end, "a comma, or the end")
    if (Object.hasOwn(given, key)) throw refuse(position, `${key} only once`)
    // Once is enough, and more would go as deep as the text is long.
    if (kind === spec) inner = read(input, from, names.filter((other) => other !== name), refuse)
    given[key] = inner !== undefined && kind === spec ? format(inner) : value
    positions[key] = position
    position = end
  }
  for (const keys of entry.required ?? []) {
    if (!keys.some((key) => Object.hasOwn(given, key))) throw refuse(input.length, describe(entry, keys))
  }

  try {
    return { name, options: given, framing: entry.make(given, inner?.framing) }
  } catch (error) {
    if (!(error instanceof InvalidOption)) throw error
    const at = positions[error.option] ?? Object.values(positions)[0] ?? start
    throw refuse(at, `for ${error.option} ${error.allowed}`)
  }
}

/**
 * Reads a spec, and builds the framing that it says.
 *
 * **Errors**: `FramingSpecError`, with the place in the text and what can stand there.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (input: string): Result.Result<FramingSpec, FramingSpecError> => {
  try {
    return Result.succeed(
      read(input, 0, names, (position, expected) => new FramingSpecError({ input, position, expected }))
    )
  } catch (error) {
    if (error instanceof FramingSpecError) return Result.fail(error)
    throw error
  }
}

/**
 * Writes a spec as the text that `parse` reads.
 *
 * @category encoding
 * @since 0.1.0
 */
export const format = ({ name, options }: Pick<FramingSpec, "name" | "options">): string => {
  const entry = entries.get(name)
  const isInner = (key: string) => entry?.options[key] === spec
  // What takes the rest of the text comes last.
  const written = Object.entries(options).toSorted(([a], [b]) => Number(isInner(a)) - Number(isInner(b))).map(
    ([key, value]) =>
      key === entry?.main ? value : value === "" ? key : `${key}=${isInner(key) ? value : quoted(value)}`
  )
  return written.length === 0 ? name : `${name}:${written.join(",")}`
}
