// One stream through one decoder, and whether two such trials gave the same.
import * as Data from "effect/Data"
import * as Equal from "effect/Equal"
import * as ByteReader from "../../ByteReader.ts"
import type { Codec } from "../../Codec.ts"
import * as Decoder from "../../Decoder.ts"
import { FrameError, type MessageError } from "../../FramingError.ts"

export class LawViolation extends Data.TaggedError("LawViolation")<{
  readonly law: string
  readonly detail: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return `${this.law}: ${this.detail}`
  }
}

export type Failure = FrameError | MessageError

/** What came out of a stream, in order. */
export type Event<In> = { readonly message: In } | { readonly failure: Failure }

export interface Trial<In> {
  readonly events: Array<Event<In>>
  readonly reader: ByteReader.ByteReader
  /** Gives a chunk, or the end, and takes what comes out; false after a `FrameError`. */
  readonly feed: (chunk: Uint8Array | "end") => boolean
}

export const trial = <In>(
  codec: Codec<In, never>,
  reader: ByteReader.ByteReader = ByteReader.make()
): Trial<In> => {
  const step = codec.decoder.start()
  const events: Array<Event<In>> = []
  return {
    events,
    reader,
    feed: (chunk) => {
      if (chunk === "end") reader.end()
      else reader.push(chunk)
      for (;;) {
        const messages: Array<In> = []
        const failure = Decoder.run(step, reader, messages)
        for (const message of messages) events.push({ message })
        if (failure === undefined) return true
        events.push({ failure })
        if (failure instanceof FrameError) return false
      }
    }
  }
}

/** What the chunks give, and then the end of the stream. */
export const decode = <In>(codec: Codec<In, never>, chunks: Iterable<Uint8Array>): Array<Event<In>> => {
  const { events, feed } = trial(codec)
  for (const chunk of chunks) {
    if (!feed(chunk)) return events
  }
  feed("end")
  return events
}

const byte = (value: number) => value.toString(16).padStart(2, "0")

const shown = (value: unknown): string => {
  try {
    return JSON.stringify(value, (_, inner: unknown) => typeof inner === "bigint" ? `${inner}n` : inner) ??
      String(value)
  } catch {
    return String(value)
  }
}

export const show = (value: unknown): string => {
  if (value instanceof Uint8Array) {
    const digits = Array.from(value.subarray(0, 24), byte).join("")
    return `<${digits}${value.length > 24 ? `... ${value.length} bytes` : ""}>`
  }
  const text = shown(value)
  return text.length > 80 ? `${text.slice(0, 80)}...` : text
}

// Without the first bytes that an error shows: those that had come depend on the cut.
const line = (failure: Failure) => `${failure._tag} (${failure.reason.message}), at byte ${failure.offset}`

export const showEvent = (event: Event<unknown> | undefined): string =>
  event === undefined ? "nothing" : "message" in event ? show(event.message) : line(event.failure)

const sameBytes = (a: Uint8Array, b: Uint8Array) => a.length === b.length && a.every((byte, index) => byte === b[index])

export const same = (a: unknown, b: unknown): boolean =>
  a instanceof Uint8Array && b instanceof Uint8Array ? sameBytes(a, b) : Equal.equals(a, b)

const sameEvent = (a: Event<unknown>, b: Event<unknown>) =>
  "message" in a
    ? "message" in b && same(a.message, b.message)
    : !("message" in b) && line(a.failure) === line(b.failure)

/** The first place where they differ, as a line. */
export const difference = (
  got: ReadonlyArray<Event<unknown>>,
  expected: ReadonlyArray<Event<unknown>>
): string | undefined => {
  for (let at = 0; at < Math.max(got.length, expected.length); at++) {
    const [one, other] = [got[at], expected[at]]
    if (one === undefined || other === undefined || !sameEvent(one, other)) {
      return `event ${at} is ${showEvent(one)} instead of ${showEvent(other)}`
    }
  }
  return undefined
}
