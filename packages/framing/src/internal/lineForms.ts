/** The fast forms of lines: many at once where they lie whole in one piece. */
import type { ByteWriter } from "../ByteWriter.ts"
import type { Encode } from "../Codec.ts"
import type * as Decoder from "../Decoder.ts"
import { hasLoneSurrogate } from "./surrogates.ts"
import { bytesOf, textOf } from "./utf8.ts"

const lf = 0x0a
const cr = 0x0d

// One call for all is a fifth faster than one each; how many there are is the peer's choice, and arguments are on the stack.
const maxPushed = 4096

export interface LineRules {
  readonly limit: number
  /** A CR in front of LF is part of the ending. */
  readonly crEnds: boolean
  /** And has to be there. */
  readonly bareFails: boolean
}

/** Behind the last of `room` lines, or of as many as there are; `from` where there is none. */
const behindLines = (bytes: Uint8Array, from: number, to: number, room: number): number => {
  if (room >= to - from) return Math.max(from, bytes.lastIndexOf(lf, to - 1) + 1)
  let end = from
  for (let left = room; left > 0; left--) {
    const found = bytes.indexOf(lf, end)
    if (found < 0) break
    end = found + 1
  }
  return end
}

export const lineForms = ({ bareFails, crEnds, limit }: LineRules) => {
  const forms: Pick<Required<Decoder.FrameStep>, "many" | "texts"> = {
    many: (bytes, from, _to, into, room) => {
      const { buffer, byteOffset } = bytes
      let at = from
      for (let left = room; left > 0; left--) {
        const found = bytes.indexOf(lf, at)
        if (found < 0) break
        const hasCr = crEnds && found > at && bytes[found - 1] === cr
        const end = hasCr ? found - 1 : found
        if (end - at > limit || bareFails && !hasCr) break
        into.push(new Uint8Array(buffer, byteOffset + at, end - at))
        at = found + 1
      }
      return at
    },
    // Decoding a block and splitting the text is three times as fast as decoding each line.
    texts: (bytes, from, to, into, room) => {
      if (bareFails) return from
      const end = behindLines(bytes, from, to, room)
      if (end === from) return from
      const text = textOf(bytes.subarray(from, end - 1))
      if (text === undefined) return from
      const lines = text.split("\n")
      // A character of UTF-16 is three bytes at most.
      if (end - from > limit && lines.some((line) => line.length * 3 > limit)) return from
      // Apart, because most texts have none, and to ask each line costs as much as to keep it.
      if (crEnds && text.includes("\r")) {
        for (const line of lines) into.push(line.endsWith("\r") ? line.slice(0, -1) : line)
      } else if (lines.length <= maxPushed) into.push(...lines)
      else for (const line of lines) into.push(line)
      return end
    }
  }
  return forms
}

// What is joined at once, in characters.
const maxJoined = 262_144

/** Lines of text: joined and encoded at once where none of them has to be looked at closely. */
export const encodeTexts = (encode: Encode<Uint8Array>, { ending, lastCrEnds, limit }: {
  readonly limit: number
  readonly ending: "\n" | "\r\n"
  /** A CR at the end of a line would be read as part of its ending. */
  readonly lastCrEnds: boolean
}) =>
(lines: ReadonlyArray<string>, writer: ByteWriter): void => {
  if (lines.length === 0) return
  let size = 0
  const isPlain = (line: string) => {
    size += line.length
    // A character of UTF-16 is three bytes at most.
    return line.length * 3 <= limit && !line.includes("\n") && !(lastCrEnds && line.endsWith("\r"))
  }
  if (lines.every(isPlain) && size <= maxJoined) {
    const text = lines.join(ending) + ending
    if (!hasLoneSurrogate(text)) return writer.text(text)
  }
  for (const line of lines) encode(bytesOf(line), writer)
}
