// What the cases say, without a test runner.
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { Connection } from "../../Connection.ts"
import type { CloseReason } from "../../ConnectionState.ts"

export class ConformanceError extends Data.TaggedError("ConformanceError")<{
  readonly what: string
  readonly expected: unknown
  readonly got: unknown
}> {
  override get message(): string {
    return `${this.what}: expected ${show(this.expected)}, got ${show(this.got)}`
  }
}

const show = (value: unknown): string => typeof value === "string" ? value : JSON.stringify(value) ?? String(value)

/** Equal as JSON: numbers, texts, and lists of them. */
export const equal = (what: string, got: unknown, expected: unknown): Effect.Effect<void, ConformanceError> =>
  show(got) === show(expected) ? Effect.void : Effect.fail(new ConformanceError({ what, expected, got }))

const tagOf = (error: unknown): string => {
  if (Cause.isDone(error)) return "end"
  if (typeof error !== "object" || error === null) return String(error)
  if ("reason" in error) return tagOf(error.reason)
  return "_tag" in error && typeof error._tag === "string" ? error._tag : show(error)
}

/** How it ends, in one word: the tag of the reason, "end", "defect", "interrupted" or "success". */
export const outcome = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<string, never, R> =>
  Effect.map(Effect.exit(effect), (exit) => {
    if (Exit.isSuccess(exit)) return "success"
    const error = Cause.findErrorOption(exit.cause)
    if (Option.isSome(error)) return tagOf(error.value)
    return Cause.hasDies(exit.cause) ? "defect" : "interrupted"
  })

export const fork = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Fiber.Fiber<A, E>, never, R> =>
  Effect.forkChild(effect, { startImmediately: true })

/** Long enough for what is under way on this host, and on any network of a few milliseconds. */
export const settle: Effect.Effect<void> = Effect.sleep("60 millis")

export const suspended = (what: string, fiber: Fiber.Fiber<unknown, unknown>) =>
  Effect.flatMap(settle, () => equal(what, fiber.pollUnsafe() === undefined ? "suspended" : "settled", "suspended"))

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export const bytes = (text: string): Uint8Array => encoder.encode(text)

/** Bytes that differ from place to place, so that order shows. */
export const pattern = (size: number, from = 0): Uint8Array =>
  Uint8Array.from({ length: size }, (_, index) => ((from + index) * 31 + ((from + index) >> 8) * 17) & 255)

const concat = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    all.set(chunk, at)
    at += chunk.length
  }
  return all
}

/** Receives until this many bytes are there, or whatever ends it. */
export const receive = (connection: Connection, size = Infinity) =>
  Effect.gen(function*() {
    const chunks: Array<Uint8Array> = []
    let have = 0
    const take = Effect.map(connection.receive, (batch) => {
      for (const chunk of batch) {
        have += chunk.length
        chunks.push(chunk)
      }
    })
    const end = yield* outcome(Effect.whileLoop({ while: () => have < size, body: () => take, step: () => {} }))
    return { bytes: concat(chunks), end: end === "success" ? "" : end }
  })

/** As text: what came, and in brackets what ended it. */
export const text = (connection: Connection, size?: number): Effect.Effect<string> =>
  Effect.map(receive(connection, size), ({ bytes, end }) => decoder.decode(bytes) + (end === "" ? "" : `[${end}]`))

/** The first place where they differ, "" if none. */
export const difference = (got: Uint8Array, expected: Uint8Array): string => {
  if (got.length !== expected.length) return `${got.length} bytes instead of ${expected.length}`
  const at = got.findIndex((byte, index) => byte !== expected[index])
  return at < 0 ? "" : `differs at ${at}`
}

export const word = (reason: CloseReason): string =>
  reason._tag === "Graceful" ? `Graceful by ${reason.initiator}` : reason._tag
