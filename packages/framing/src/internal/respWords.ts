/** The words of an inline command, quoted as at the prompt of redis-cli. */
import { Malformed } from "../FramingError.ts"
import type { Value } from "../Resp.ts"
import { rejected } from "./failure.ts"

const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", b: "\b", a: "\x07" }
const isSpace = (letter: string | undefined): boolean => letter === undefined || " \t\r\n\0\v\f".includes(letter)

/** The words as an array of bytes, of which there may be `most` values with the array itself. */
export const words = (bytes: Uint8Array, most: number): Value => {
  const line = Array.from(bytes, (byte) => String.fromCharCode(byte))
  const bad = (detail: string) => rejected(new Malformed({ detail }))
  let at = 0

  const escaped = (): string => {
    const letter = line[at++] ?? ""
    if (letter === "x" && /^[\da-f]{2}$/i.test(line.slice(at, at + 2).join(""))) {
      at += 2
      return String.fromCharCode(Number.parseInt(line.slice(at - 2, at).join(""), 16))
    }
    return escapes[letter] ?? letter
  }

  /** What stands between quotes, the first of which is taken. */
  const quoted = (quote: string): string => {
    let text = ""
    for (;;) {
      const letter = line[at++]
      if (letter === undefined) throw bad("a quote without its other")
      if (letter === quote) break
      if (letter !== "\\") text += letter
      else if (quote === "\"") text += escaped()
      else text += line[at] === quote ? line[at++] : letter
    }
    if (!isSpace(line[at])) throw bad("no space after a quote")
    return text
  }

  const value: Array<Value> = []
  for (;;) {
    while (at < line.length && isSpace(line[at])) at++
    if (at === line.length) return { type: "array", value }
    let text = ""
    while (!isSpace(line[at])) {
      const letter = line[at++] ?? ""
      text += letter === "\"" || letter === "'" ? quoted(letter) : letter
    }
    if (value.length + 1 === most) throw bad(`more than ${most} values`)
    value.push({ type: "bytes", value: Uint8Array.from(text, (letter) => letter.charCodeAt(0)) })
  }
}
