import { assert } from "@effect/vitest"
import { ByteReader, Codec, type FramingError } from "@framewire/framing"
import * as Result from "effect/Result"

/** How many random bytes the laws read of each codec: `npm run noise` has 10 million. */
export const noise = Number(process.env["FRAMEWIRE_NOISE"] ?? 200_000)

/** The bytes of a text, one a character. */
export const bytes = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))

/** The text that `bytes` made them from. */
export const show = (of: Uint8Array): string => Array.from(of, (byte) => String.fromCharCode(byte)).join("")

export const hex = (digits: string): Uint8Array =>
  Uint8Array.from(digits.replaceAll(" ", "").match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))

export const toHex = (of: Uint8Array): string => Array.from(of, (byte) => byte.toString(16).padStart(2, "0")).join("")

export const join = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const joined = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    joined.set(chunk, at)
    at += chunk.length
  }
  return joined
}

/** Chunks of `size` bytes; the last one has the rest. Each is memory of its own. */
export const inChunks = (all: Uint8Array, size: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, index) => all.slice(index * size, (index + 1) * size))

/** Numbers from 0 to below `below`, the same ones for the same seed (mulberry32). */
export const random = (seed: number): (below: number) => number => {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 * below)
  }
}

/** Chunks of 1 to `most` bytes. */
export const atRandom = (all: Uint8Array, most: number, next: (below: number) => number): Array<Uint8Array> => {
  const chunks = []
  for (let at = 0; at < all.length;) {
    const size = 1 + next(most)
    chunks.push(all.slice(at, at + size))
    at += size
  }
  return chunks
}

/** Whole, byte by byte, and cut in two at every place. */
export const cuttings = (all: Uint8Array): ReadonlyArray<ReadonlyArray<Uint8Array>> => [
  [all],
  inChunks(all, 1),
  ...Array.from({ length: all.length + 1 }, (_, at) => [all.slice(0, at), all.slice(at)])
]

/** A failure as one line: what a caller can rely on, and nothing that says how the bytes were cut. */
export const failureOf = (error: FramingError.FrameError | FramingError.MessageError): string => {
  const { reason } = error
  const detail = reason._tag === "FrameTooLong"
    ? ` ${reason.size} > ${reason.limit}`
    : reason._tag === "Truncated"
    ? ` ${reason.have} of ${reason.need ?? "?"}`
    : reason._tag === "FrameTimeout"
    ? ` ${reason.have} of ${reason.need ?? "?"} in ${reason.millis} ms`
    : reason._tag === "ContainsDelimiter"
    ? ` ${reason.index}`
    : ""
  return `${error._tag} ${reason._tag}${detail}${error.offset === undefined ? "" : ` @${error.offset}`}`
}

/** What a stream gives, in order: messages as they are, failures as `!` and a line. */
export const events = (
  codec: Codec.Codec<unknown, never>,
  chunks: Iterable<Uint8Array>
): ReadonlyArray<unknown> => {
  const { failures, messages } = Codec.decodeAll(codec, chunks)
  const all: Array<unknown> = messages.map((message) => message instanceof Uint8Array ? show(message) : message)
  failures.toReversed().forEach(({ after, error }) => all.splice(after, 0, `!${failureOf(error)}`))
  return all
}

/** The stream gives this, however it is cut. */
export const gives = (
  codec: Codec.Codec<unknown, never>,
  stream: Uint8Array | string,
  expected: ReadonlyArray<unknown>
): void => {
  const all = typeof stream === "string" ? bytes(stream) : stream
  for (const chunks of cuttings(all)) {
    assert.deepStrictEqual(
      events(codec, chunks),
      expected,
      `in chunks of ${chunks.map(({ length }) => length).join(", ")}`
    )
  }
}

/** The bytes of some messages. */
export const encoded = <In, Out>(codec: Codec.Codec<In, Out>, messages: Iterable<Out>): Uint8Array =>
  join(Result.getOrThrow(Codec.encodeAll(codec, messages)))

/** How a message is refused, or undefined where it is not. */
export const refusal = <In, Out>(codec: Codec.Codec<In, Out>, message: Out): string | undefined => {
  const result = Codec.encodeAll(codec, [message])
  return Result.isFailure(result) ? failureOf(result.failure) : undefined
}

/** A reader with the bytes in these chunks. */
export const readerOf = (...chunks: ReadonlyArray<Uint8Array>): ByteReader.ByteReader => {
  const reader = ByteReader.make()
  for (const chunk of chunks) reader.push(chunk)
  return reader
}

export interface Work {
  /** Bytes that a search has looked at. */
  searched: number
  /** Bytes copied, and in how many pieces. */
  copied: number
  copies: number
  /** Bytes read one by one through the reader. */
  read: number
  /** How often the length of any chunk was asked for, or it was searched: no walk over chunks can do without. */
  looked: number
  /** Bytes of new memory. */
  allocated: number
}

const typed = Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array
const readers = ByteReader.ByteReader.prototype

/** What is done to bytes while `run` runs. Counts, because a clock says more about the machine. */
export const work = (run: () => void): Work => {
  const done: Work = { searched: 0, copied: 0, copies: 0, read: 0, looked: 0, allocated: 0 }
  const Original = Uint8Array
  const { indexOf, length, set } = Object.getOwnPropertyDescriptors(typed)
  const { at } = Object.getOwnPropertyDescriptors(readers)
  const lengthOf = (of: unknown): number => length.get!.call(of as Uint8Array)
  Object.defineProperties(typed, {
    indexOf: {
      ...indexOf,
      value(this: Uint8Array, byte: number, from = 0) {
        const found = indexOf.value!.call(this, byte, from)
        done.looked++
        done.searched += Math.max(0, (found < 0 ? lengthOf(this) : found + 1) - from)
        return found
      }
    },
    set: {
      ...set,
      value(this: Uint8Array, source: Uint8Array, offset: number) {
        done.copies++
        done.copied += lengthOf(source)
        set.value!.call(this, source, offset)
      }
    },
    length: {
      ...length,
      get(this: Uint8Array) {
        done.looked++
        return lengthOf(this)
      }
    }
  })
  Object.defineProperty(readers, "at", {
    ...at,
    value(this: ByteReader.ByteReader, index: number) {
      done.read++
      return at.value!.call(this, index)
    }
  })
  globalThis.Uint8Array = new Proxy(Original, {
    construct: (target, args: [number | Uint8Array | ArrayBufferLike]) => {
      const [of] = args
      if (typeof of === "number") done.allocated += of
      else if (of instanceof Original) {
        done.copies++
        done.copied += lengthOf(of)
        done.allocated += lengthOf(of)
      }
      return Reflect.construct(target, args) as Uint8Array
    }
  })
  try {
    run()
  } finally {
    globalThis.Uint8Array = Original
    Object.defineProperty(readers, "at", at)
    Object.defineProperties(typed, { indexOf, length, set })
  }
  return done
}
