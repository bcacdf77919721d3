/**
 * What every codec has to keep, as data: no test runner is imported.
 *
 * ```text
 * chunks            the same bytes give the same, however they were cut
 * round trip        a message is read back as it was, or refused, typed, before a byte is written
 * one frame         one message in, exactly one frame out, complete with its last byte
 * limit             inclusive, and refused above
 * empty             frames without payload are frames
 * truncation        a stream that ends inside a frame says so
 * any bytes         frames, more, or a typed error, and nothing else; what waits is bounded
 * linear work       twice the bytes are looked at twice as often, not four times
 * memory            an unfinished frame holds the limit and a header at most, and nothing is allocated ahead
 * ```
 *
 * @since 0.1.0
 */
import type { Codec, Framing } from "../Codec.ts"
import { fillers } from "./internal/bytes.ts"
import { costLaws } from "./internal/costLaws.ts"
import { readingLaws } from "./internal/readingLaws.ts"
import { subject } from "./internal/subject.ts"
import { LawViolation } from "./internal/trial.ts"
import { writingLaws } from "./internal/writingLaws.ts"

export {
  /**
   * A codec breaks a law: which, and the shortest example that was found.
   *
   * @category errors
   * @since 0.1.0
   */
  LawViolation
} from "./internal/trial.ts"

/**
 * One law of one codec. `run` throws `LawViolation` where the codec breaks it, and nothing else.
 *
 * @category models
 * @since 0.1.0
 */
export interface Law {
  readonly name: string
  readonly run: () => void
}

/**
 * How the laws look at a codec.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<in In, Out> {
  /** Bytes that the peer might send, beside what the encoder writes: frames by hand, and bad ones. */
  readonly streams?: ReadonlyArray<Uint8Array>
  /**
   * What a stream gives that ends inside a frame: `refused`, an error, by default; `frame` where the end of the stream
   * ends a frame, too, as it does a line.
   */
  readonly tail?: "refused" | "frame"
  /** Bytes that a frame may hold beside its payload while it is unfinished. Default 16. */
  readonly header?: number
  /** How many random bytes are read. Default 200,000. */
  readonly noise?: number
  /** Decides everything random. Default 1. */
  readonly seed?: number
  /** Whether a message was read back as it was sent. Default `Equal.equals`. */
  readonly equal?: (received: In, sent: Out) => boolean
}

/**
 * The options of any codec.
 *
 * @category options
 * @since 0.1.0
 */
export interface SuiteOptions<in out In, in out Out> extends Options<In, Out> {
  readonly codec: Codec<In, Out>
  /** Some messages: short ones, and those that might be read as two. At least one of them the encoder must accept. */
  readonly messages: ReadonlyArray<Out>
  /**
   * A message whose payload has so many bytes, exactly so at the limit and one above it. It may be one that the encoder
   * refuses. Without it the limit and a large frame are not looked at.
   */
  readonly ofSize?: (size: number) => Out
}

const named = (name: string, body: () => void): Law => ({
  name,
  run: () => {
    try {
      body()
    } catch (cause) {
      if (cause instanceof LawViolation) throw cause
      throw new LawViolation({ law: name, detail: `a defect: ${String(cause)}`, cause })
    }
  }
})

/**
 * The laws of a codec.
 *
 * **Limits**: give the codec a small limit, some hundred bytes to 64 KiB: a frame that passes 16 MiB is not tried.
 *
 * **Example**
 *
 * ```ts
 * import { it } from "@effect/vitest"
 * import { Codec, Lines } from "@framewire/framing"
 * import { CodecLaws } from "@framewire/framing/testing"
 *
 * const codec = Codec.text(Lines.make({ limit: 1000 }))
 * const laws = CodecLaws.suite({ codec, messages: ["", "hello", "a\nb"], ofSize: (size) => "x".repeat(size), tail: "frame" })
 * for (const { name, run } of laws) it(name, run)
 * ```
 *
 * @category suites
 * @since 0.1.0
 */
export const suite = <In, Out>(options: SuiteOptions<In, Out>): ReadonlyArray<Law> => {
  const it = subject(options)
  return Object.entries({ ...readingLaws(it), ...writingLaws(it), ...costLaws(it) })
    .map(([name, body]) => named(name, () => body(name)))
}

/**
 * The laws of a codec of bytes, which need no messages: `payloads` are those.
 *
 * @category suites
 * @since 0.1.0
 */
export const framing = (codec: Framing, options: Options<Uint8Array, Uint8Array> = {}): ReadonlyArray<Law> =>
  suite({ ...options, codec, messages: payloads, ofSize: (size) => new Uint8Array(size).fill(0x61) })

/**
 * Payloads that framings get wrong: none, every byte alone, every pair of bytes that some framing gives a meaning to, and
 * each of them around a letter.
 *
 * @category messages
 * @since 0.1.0
 */
export const payloads: ReadonlyArray<Uint8Array> = [
  new Uint8Array(0),
  ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
  ...fillers.flatMap((first) => fillers.map((second) => Uint8Array.of(first, second))),
  ...fillers.map((filler) => Uint8Array.of(filler, 0x61, filler))
]
