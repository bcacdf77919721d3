// What an option is where it is left out, as the code has it: `{ name = value }` or `options.name ?? value`.
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "./model.ts"

const sources = new Map<string, string>()
const sourceOf = (path: string): string => {
  const text = sources.get(path) ?? readFileSync(path, "utf8")
  sources.set(path, text)
  return text
}

const literal = String.raw`("[^"]*"|-?[\d_]+(?:\.\d+)?|true|false)`

const literalsIn = (text: string, name: string): ReadonlyArray<string> =>
  [
    ...text.matchAll(new RegExp(String.raw`(?<![\w.?])${name} = ${literal}(?=,? [\w}]|,? \.\.\.|\n)`, "g")),
    ...text.matchAll(new RegExp(String.raw`\b${name} \?\? ${literal}`, "g"))
  ].map(([, value = ""]) => value)

const helpers: Readonly<Record<string, string>> = { limit: "1_048_576", onTooLong: "\"fail\"" }

// Where the value stands under another name.
const elsewhere: Readonly<Record<string, readonly [file: string, name: string]>> = {
  "Framed.frameTimeout": ["framing/src/internal/Inbound.ts", "defaultMillis"],
  "CodecLaws.noise": ["framing/src/testing/internal/readingLaws.ts", "perRound"],
  "ProxyProtocol.limit": ["framing/src/ProxyHeader.ts", "limit"]
}

/** Of the noun's own file, or, where that has none, of its package. */
export const literalsOf = (entry: string, noun: string, name: string): ReadonlyArray<string> => {
  const place = elsewhere[`${noun}.${name}`]
  if (place !== undefined) return literalsIn(sourceOf(join(root, "packages", place[0])), place[1])
  const folder = join(root, "packages", entry.split("/")[1]!, "src")
  const files = globSync("**/*.ts", { cwd: folder }).toSorted()
  const own = files.filter((file) => file === `${noun}.ts` || file.endsWith(`/${noun}.ts`))
  for (const some of [own, files]) {
    const text = some.map((file) => sourceOf(join(folder, file))).join("\n")
    const found = literalsIn(text, name)
    if (found.length > 0) return Array.from(new Set(found))
    const helper = helpers[name]
    if (some === own && helper !== undefined && new RegExp(`\\b${name}Of\\(`).test(text)) return [helper]
  }
  return []
}

const units: Readonly<Record<string, number>> = {
  ms: 1,
  millis: 1,
  s: 1000,
  second: 1000,
  seconds: 1000,
  min: 60_000,
  minute: 60_000,
  minutes: 60_000,
  KiB: 1024,
  MiB: 1024 ** 2
}

/** A duration in milliseconds, a size in bytes, a number, or the word itself: "5 s", `"5 seconds"` and 5000 are one. */
export const valueOf = (said: string): string => {
  const text = said.replaceAll(/[`"]/g, "").replaceAll(/(?<=\d)[ ,_](?=\d{3})/g, "")
  const [, base, exponent, less = "0"] = /^(\d+)\^(\d+)(?: - (\d+))?/.exec(text) ?? []
  if (base !== undefined) return String(Number(base) ** Number(exponent) - Number(less))
  const [, number, unit = ""] = /^(-?\d+(?:\.\d+)?)(?: ([A-Za-z]+))?(?=$|[,;: ])/.exec(text) ?? []
  if (number !== undefined) return String(Number(number) * (units[unit] ?? 1))
  return /^\w+/.exec(text)?.[0] ?? text
}

/** Whether that is a value, and not a sentence about one. */
export const isValue = (said: string): boolean =>
  /^`?"?(?:-?[\d.]|true\b|false\b)/.test(said) && !/^[\d.]+ of/.test(said)
