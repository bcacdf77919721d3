/**
 * Bytes in hex and as text, with what a codec takes each of them for.
 *
 * ```text
 * 00000000  00 05                                            ..                frame 0  header
 * 00000002  68 65 6c 6c 6f                                   hello             frame 0  payload
 * 00000007  00 02                                            ..                unfinished, 2 of 4 bytes
 * ```
 *
 * @since 0.1.0
 */
import * as ByteReader from "./ByteReader.ts"
import type { Framing } from "./Codec.ts"
import * as Decoder from "./Decoder.ts"
import { FrameError } from "./FramingError.ts"
import { toHex, toText } from "./internal/hex.ts"

/**
 * What a span of bytes is: of a frame its `header`, its `payload`, or the `trailer` behind it, such as a delimiter or a
 * checksum; a `frame` as a whole, whose payload does not stand in it as it is, because it is escaped or in fragments;
 * bytes that were `discarded`, as they belong to no frame; a `refused` frame, which has a bad message; `invalid` bytes, which
 * end the connection; an `unfinished` frame.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = "header" | "payload" | "trailer" | "frame" | "discarded" | "refused" | "invalid" | "unfinished"

/**
 * Bytes that are one thing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Span {
  /** Where they begin. */
  readonly offset: number
  readonly bytes: Uint8Array
  readonly kind: Kind
  /** Which frame they belong to, counted from 0; of discarded bytes, the next. */
  readonly frame: number
  /** The error, or what an unfinished frame needs. */
  readonly note?: string
}

/**
 * What the codec's decoder takes the bytes for, from the first to the last of them. Frames without payload have a header or
 * a trailer alone.
 *
 * @category constructors
 * @since 0.1.0
 */
export const spans = (bytes: Uint8Array, codec: Framing): ReadonlyArray<Span> => {
  const reader = ByteReader.make()
  // A copy, so that a frame can be recognised as a view of it.
  const all = bytes.slice()
  reader.push(all)
  const step = codec.decoder.start()
  const found: Array<Span> = []
  let frame = 0
  const add = (kind: Kind, from: number, to: number, note?: string) => {
    if (to === from) return
    found.push({ offset: from, bytes: bytes.subarray(from, to), kind, frame, ...note === undefined ? {} : { note } })
  }
  for (;;) {
    const before = reader.offset
    const discarded = reader.discarded
    const into: Array<Uint8Array> = []
    const failure = Decoder.run(step, reader, into, 1)
    const from = before + reader.discarded - discarded
    const to = reader.offset
    const [payload] = into
    const isRefused = failure !== undefined && !(failure instanceof FrameError)
    // Of a frame that is skipped because it is too long, everything is discarded.
    if (!isRefused) add("discarded", before, from)
    if (payload !== undefined) {
      const start = placeOf(payload, all, from, to)
      if (start === undefined) {
        add("frame", from, to)
      } else {
        add("header", from, start)
        add("payload", start, start + payload.length)
        add("trailer", start + payload.length, to)
      }
    } else if (failure === undefined) {
      const have = bytes.length - to
      add("unfinished", to, bytes.length, reader.needed > have ? `${have} of ${reader.needed} bytes` : `${have} bytes`)
      return found
    } else if (isRefused) {
      add("refused", before, to, failure.message)
    } else {
      add("invalid", to, bytes.length, failure.message)
      return found
    }
    frame++
  }
}

/** Where the payload stands in its frame: it is a view of those bytes, or equal to some of them. */
const placeOf = (payload: Uint8Array, all: Uint8Array, from: number, to: number): number | undefined => {
  if (payload.buffer === all.buffer) {
    const start = payload.byteOffset - all.byteOffset
    return start >= from && start + payload.length <= to ? start : undefined
  }
  // As far back as it can be, since what announces a payload may look like it.
  return lastIndexOf(payload, all, from, to)
}

/** Of Knuth, Morris and Pratt, from the end on: each byte is looked at twice, whatever a peer has made of them. */
const lastIndexOf = (part: Uint8Array, all: Uint8Array, from: number, to: number): number | undefined => {
  const last = part.length - 1
  if (last < 0) return to
  /** How much of the end of `part`, as far as it was compared, is its very end again. */
  const again = new Uint32Array(part.length)
  const compare = (byte: number | undefined, equal: number): number => {
    let same = equal
    while (same > 0 && part[last - same] !== byte) same = again[same - 1]!
    return part[last - same] === byte ? same + 1 : same
  }
  for (let i = 1; i <= last; i++) again[i] = compare(part[last - i], again[i - 1]!)
  for (let at = to - 1, equal = 0; at >= from; at--) {
    equal = compare(all[at], equal)
    if (equal > last) return at
  }
  return undefined
}

/**
 * A line of at most 16 bytes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Line extends Span {
  readonly hex: string
  readonly text: string
}

const perLine = 16

/**
 * The spans in lines of 16 bytes at most; a span begins a line. Only its first one has the note.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (bytes: Uint8Array, codec: Framing): ReadonlyArray<Line> =>
  spans(bytes, codec).flatMap(({ bytes: all, frame, kind, note, offset }) =>
    Array.from({ length: Math.ceil(all.length / perLine) }, (_, index) => {
      const part = all.subarray(index * perLine, (index + 1) * perLine)
      const line = {
        offset: offset + index * perLine,
        bytes: part,
        kind,
        frame,
        hex: toHex(part, " "),
        text: toText(part)
      }
      return note === undefined || index > 0 ? line : { ...line, note }
    })
  )

/**
 * The lines as text.
 *
 * @category converting
 * @since 0.1.0
 */
export const format = (lines: ReadonlyArray<Line>): string =>
  lines.map(({ frame, hex, kind, note, offset, text }) => {
    const place = offset.toString(16).padStart(8, "0")
    const what = kind === "unfinished" || kind === "discarded" ? kind : `frame ${frame}  ${kind}`
    return `${place}  ${hex.padEnd(3 * perLine - 1)}  ${text.padEnd(perLine)}  ${what}` +
      (note === undefined ? "" : `, ${note}`)
  }).join("\n")
