/** Texts and values of JSON, nested no deeper than was asked for. */
import { InvalidJson, MessageError } from "../FramingError.ts"

const quote = 0x22
const backslash = 0x5c

/** The index of the quote that ends the string which begins before `from`, or the end of the text. */
const stringEnd = (text: string, from: number): number => {
  for (let at = from;; at++) {
    at = text.indexOf("\"", at)
    if (at < 0) return text.length
    let backslashes = at
    while (text.charCodeAt(backslashes - 1) === backslash) backslashes--
    if ((at - backslashes) % 2 === 0) return at
  }
}

/** Whether arrays and objects stand within one another more often than this. */
const isDeeper = (text: string, depth: number): boolean => {
  // Each level has two characters; most messages need no look.
  let open = 0
  for (let i = 0; text.length > depth && i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === quote) i = stringEnd(text, i + 1)
    // { and [, or } and ], differ in one bit.
    else if ((code | 0x20) === 0x7b && ++open > depth) return true
    else if ((code | 0x20) === 0x7d) open--
  }
  return false
}

const detailOf = (cause: unknown) => cause instanceof Error ? cause.message : String(cause)
const tooDeep = (depth: number) => `more than ${depth} arrays and objects within one another`

const invalid = (detail: string) => new MessageError({ direction: "decode", reason: new InvalidJson({ detail }) })

/** The value of a text that came. */
export const parseJson = (text: string, depth: number): unknown => {
  // Before it is parsed, because how deep a parser goes is the platform's choice, and how deep a schema goes the stack's.
  if (isDeeper(text, depth)) throw invalid(tooDeep(depth))
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw invalid(detailOf(cause))
  }
}

/** The text of a value that is to be sent. */
export const stringifyJson = (value: unknown, depth: number): string => {
  let detail = "it has no JSON form"
  try {
    // Undefined for a function, a symbol and undefined itself, whatever its type says.
    const text: string | undefined = JSON.stringify(value)
    if (text !== undefined && !isDeeper(text, depth)) return text
    if (text !== undefined) detail = tooDeep(depth)
  } catch (cause) {
    detail = detailOf(cause)
  }
  throw new MessageError({ direction: "encode", reason: new InvalidJson({ detail }) })
}
