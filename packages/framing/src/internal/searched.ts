/** Frames whose end has to be searched for, and what becomes of one that has none within the limit. */
import type { ByteReader } from "../ByteReader.ts"
import type * as Decoder from "../Decoder.ts"
import { type BareLineFeed, FrameError, FrameTooLong, InvalidOption, MessageError, Truncated } from "../FramingError.ts"
import type { More } from "./more.ts"
import { oneOf } from "./options.ts"

/** A search for the end of frames, with what it remembers of the bytes it has seen. */
export interface Search {
  /**
   * Looks at the bytes from `from` on, which it has not seen, and returns the index behind the frame's ending, or -1. The
   * end of the stream may be an ending.
   */
  readonly find: (reader: ByteReader, from: number) => number
  /** Of how many bytes the ending is that was found; else how many of the last bytes may turn out to be of one. */
  ending: number
  /** Why what was found is no ending after all. */
  fault: BareLineFeed | undefined
}

export interface SearchedOptions {
  readonly limit: number
  readonly onTooLong: "fail" | "skip" | "truncate"
  /** Leaves the ending in the frame. */
  readonly keep: boolean
  readonly search: () => Search
}

/** What to do about a frame that is too long, checked. */
export const onTooLongOf = (onTooLong: SearchedOptions["onTooLong"] = "fail", limit: number) => {
  if (onTooLong === "truncate" && limit === 0) {
    throw new InvalidOption({ option: "limit", value: limit, allowed: "1 byte or more to truncate to, or skip" })
  }
  return oneOf("onTooLong", onTooLong, ["fail", "skip", "truncate"])
}

/** How many bytes a character of UTF-8 has that begins with this one; 0 where none does. */
const widthOf = (lead: number): number => lead < 0xc2 || lead > 0xf4 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4

/**
 * How much of a frame that goes on behind `limit` to keep: all of that, but for the beginning of a character of UTF-8, which
 * would make what is kept of a text none.
 */
const beginning = (reader: ByteReader, limit: number): number => {
  let lead = limit
  while (lead > 0 && limit - lead < 3 && (reader.at(lead) & 0xc0) === 0x80) lead--
  return lead > 0 && lead + widthOf(reader.at(lead)) > limit ? lead : limit
}

/**
 * The steps of one stream. A frame is known to be too long when bytes that cannot be of its ending pass the limit, so
 * `limit + 1` is its size in a failure that ends the connection. What is skipped is discarded as it comes, but for one
 * byte, so that its last step has something to take.
 */
export const searched = ({ keep, limit, onTooLong, search }: SearchedOptions): Decoder.Step<Uint8Array> => {
  const state = search()
  // How far the stream was searched, so that no byte is looked at twice.
  let seen = 0
  // Of a frame that is too long, from when this is known until its end: where it began, and with which bytes.
  let begin = 0
  let head: Uint8Array | undefined
  let found = false

  const fail = (reason: FrameError["reason"], offset: number, head: Uint8Array) =>
    new FrameError({ reason, offset, head })

  const skip = (reader: ByteReader, first: Uint8Array): More => {
    if (!found) {
      const end = state.find(reader, seen - reader.offset)
      found = end >= 0
      seen = reader.offset + (found ? end : reader.length)
    }
    if (!found) {
      if (reader.ended) throw fail(new Truncated({ have: seen - begin, need: undefined }), begin, first)
      reader.discard(reader.length - Math.max(1, state.ending))
      reader.skipping = true
      return reader.need()
    }
    reader.skipping = false
    if (state.fault !== undefined) throw fail(state.fault, begin, first)
    reader.skip(seen - reader.offset)
    head = undefined
    const size = seen - begin - state.ending
    throw new MessageError({ direction: "decode", reason: new FrameTooLong({ size, limit }), offset: begin })
  }

  const tooLong = (reader: ByteReader, end: number): Uint8Array | More => {
    head = reader.peek(Math.min(16, limit + 1))
    begin = reader.offset
    if (onTooLong === "fail") throw fail(new FrameTooLong({ size: limit + 1, limit }), begin, head)
    found = end >= 0
    seen = begin + (found ? end : reader.length)
    return onTooLong === "truncate" ? reader.take(beginning(reader, limit)) : skip(reader, head)
  }

  return (reader) => {
    if (head !== undefined) return skip(reader, head)
    const offset = reader.offset
    const end = state.find(reader, Math.max(0, seen - offset))
    const looked = end < 0 ? reader.length : end
    const size = looked - state.ending
    if (size > limit) return tooLong(reader, end)
    if (end < 0) {
      seen = offset + looked
      return reader.need()
    }
    if (state.fault !== undefined) throw fail(state.fault, offset, reader.peek(Math.min(16, end)))
    if (keep) return reader.take(end)
    const frame = reader.take(size)
    reader.skip(state.ending)
    return frame
  }
}
