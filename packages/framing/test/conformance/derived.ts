/**
 * The rule by which we differ for a vector that is not in the list of deviations: each holds what we give against what they
 * give, or against what design.md says of lines in the plainest words, so that none excuses anything else.
 */
import { hex, show } from "../support.ts"
import type { Rule } from "./deviations.ts"

export interface Case {
  readonly kind: string
  readonly config: { readonly [option: string]: unknown }
  /** Of our codec, in payload bytes. */
  readonly limit: number
  readonly chunks: ReadonlyArray<string>
  readonly eof: boolean
  /** A note of theirs that begins with `BUG`. */
  readonly isBug: boolean
  /** Errors are called as ours are. */
  readonly theirs: ReadonlyArray<string>
  readonly got: ReadonlyArray<string>
}

type Events = ReadonlyArray<string>

const isSame = (a: Events, b: Events) => a.join() === b.join()
const tooLong = "!FrameTooLong"

// Lines of LF or CRLF, the last of which needs no end.
const lines = new Set(["netty.line", "tokio.lines", "go.scanLines", "npm.split2", "npm.byline", "effect.splitLines"])
// Frames that end in one delimiter.
const delimited = new Set(["twisted.line", "twisted.lineOnly", "pekko.delimiter", "netty.delimiter"])
// Those that go on behind a frame that is too long.
const skips = new Set(["netty.line", "tokio.lines", "tokio.anyDelimiter", "netty.delimiter"])

/** What the rules of design.md give for lines or one delimiter: the whole stream is split at once. */
const reference = ({ chunks, config, eof, kind, limit }: Case): Events | undefined => {
  const isLines = lines.has(kind)
  const several = config["delimiters"]
  const given = Array.isArray(several) ? several.length === 1 ? several[0] as unknown : undefined : config["delimiter"]
  if (config["stripDelimiter"] === false || !isLines && (!delimited.has(kind) || typeof given !== "string")) {
    return undefined
  }
  const delimiter = isLines ? "\n" : show(hex(String(given)))
  const skip = skips.has(kind) || config["skipOverflow"] === true
  const pieces = show(hex(chunks.join(""))).split(delimiter)
  const events: Array<string> = []
  for (const [index, piece] of pieces.entries()) {
    const isLast = index === pieces.length - 1
    if (isLast && (eof ? piece === "" : skip)) break
    // What may be a part of the ending is not counted.
    const pending = isLines || !isLast ? isLines && piece.endsWith("\r") ? 1 : 0 : prefixAtEnd(piece, delimiter)
    const payload = piece.slice(0, isLines || !isLast || !eof ? piece.length - pending : piece.length)
    if (payload.length > limit) {
      events.push(tooLong)
      if (!skip) break
    } else if (!isLast || eof) {
      const isTail = isLast && !isLines && config["allowTruncation"] !== true
      events.push(isTail ? "!Truncated" : Buffer.from(payload, "latin1").toString("hex"))
    }
  }
  return events
}

const prefixAtEnd = (text: string, delimiter: string): number => {
  for (let size = delimiter.length - 1; size > 0; size--) {
    if (text.endsWith(delimiter.slice(0, size))) return size
  }
  return 0
}

/** In which way what the rules give is not what they give. */
const differenceOf = (rules: Events, theirs: Events): Rule => {
  const at = rules.findIndex((event, index) => event !== theirs[index])
  const [ours, other] = [rules[at], theirs[at]]
  if (other === tooLong && ours !== undefined) return "pending"
  if (ours === tooLong) return "unfinished"
  if (ours === "!Truncated") return "truncated"
  if (other === undefined) return "tail"
  if (other.includes("efbfbd")) return "text"
  return ours === undefined ? "over" : "cr"
}

const without = (events: Events, event: string): Events => events.filter((one) => one !== event)

/** The rule by which we differ, if one of them says just this. */
export const derived = (it: Case): Rule | undefined => {
  const { chunks, config, eof, got, isBug, kind, theirs } = it
  const found = theirs.indexOf(tooLong)
  const isLast = found >= 0 && found === theirs.length - 1
  const isCut = kind === "go.readLine" || config["lineLength"] !== undefined
  const rest = without(got, tooLong)
  if (eof && isSame(got, [...theirs, "!Truncated"])) return "truncated"
  if (found >= 0 && !isLast && isSame(got, theirs.slice(0, found + 1))) return "over"
  // Their script goes on behind a line that is too long.
  if (kind === "twisted.lineRawSwitch" && isSame(got, [...theirs.slice(0, got.length - 1), tooLong])) return "over"
  if (!eof && isLast && skips.has(kind) && isSame(got, theirs.slice(0, -1))) return "skipped"
  if (config["skipOverflow"] === true && isSame(rest, theirs)) return "order"
  if (isCut && rest.length < got.length && rest.every((frame) => theirs.includes(frame))) return "truncate"
  if (kind.startsWith("npm.") && isSame(without(got, ""), theirs)) return "empty"
  if (kind === "twisted.netstring" && isLast && isSame(got, [...theirs.slice(0, -1), "!InvalidLength"])) return "length"
  // They take an indefinite length as none.
  const isIndefinite = config["packet"] === "asn1" && /^..80$/.test(theirs[got.length - 1] ?? "")
  if (isIndefinite && isSame(got, [...theirs.slice(0, got.length - 1), "!InvalidLength"])) return "indefinite"
  if (kind === "effect.ndjson" && chunks.join("").startsWith("efbbbf") && got[0] === "!InvalidJson") return "bom"
  if (/^!Invalid(Json|Utf8)$/.test(theirs.at(-1) ?? "") && isSame(got.slice(0, theirs.length), theirs)) return "message"
  const rules = reference(it)
  if (rules !== undefined && isSame(got, rules)) return differenceOf(rules, theirs)
  return isBug ? "bug" : undefined
}
