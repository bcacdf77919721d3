/**
 * What a live connection received, as a vector: a failure that happened once becomes a test.
 *
 * ```text
 * peer -> Connection.receive -> recorder -> Framed, or whoever receives
 *                                  |
 *                                  '-> Vector: chunks, when they came, what the codec gives for them
 * ```
 *
 * @since 0.1.0
 */
import { type Connection, Delegate, InvalidOption } from "@framewire/core"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Codec } from "../Codec.ts"
import { toHex } from "../internal/hex.ts"
import * as Vector from "./Vector.ts"

/**
 * A connection that is listened to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Recorder {
  /** The same connection; what is received on it is recorded. */
  readonly connection: Connection.Connection

  /** What was recorded until now. A `note` says if the connection failed, or if there was more than is recorded. */
  readonly vector: Effect.Effect<Vector.Vector>
}

/**
 * What is recorded.
 *
 * @category options
 * @since 0.1.0
 */
export interface RecorderOptions {
  readonly id: string
  /** Where the bytes come from, for who reads the vector. */
  readonly source: string
  /** The codec that both ends speak. It gets a decoder of its own, which takes nothing from anyone. */
  readonly codec: Codec<unknown, never>
  /** The codec by name, as the vector says it: `{ kind: "framewire", spec: "u32be" }`. */
  readonly spec: Vector.Vector["codec"]
  /** Bytes that are kept. Default 1 MiB. */
  readonly maxBytes?: number
  /** Chunks that are kept. Default 10,000. */
  readonly maxChunks?: number
}

/**
 * Listens to the connection from now on.
 *
 * **Errors**: throws `InvalidOption` for a bound that is no whole number.
 *
 * **Limits**: the recording ends before the first chunk that would pass `maxBytes` or `maxChunks`; the connection goes on.
 *
 * @category constructors
 * @since 0.1.0
 */
export const record = (connection: Connection.Connection, options: RecorderOptions): Effect.Effect<Recorder> => {
  InvalidOption.check(options, { maxBytes: InvalidOption.whole(0), maxChunks: InvalidOption.whole(0) })
  return Clock.clockWith((clock) => Effect.sync(() => make(connection, options, () => clock.currentTimeMillisUnsafe())))
}

const make = (connection: Connection.Connection, options: RecorderOptions, now: () => number): Recorder => {
  const { codec, id, maxBytes = 1_048_576, maxChunks = 10_000, source, spec } = options
  const began = now()
  const chunks: Array<Uint8Array> = []
  const times: Array<number> = []
  let size = 0
  let lost = 0
  let eof = false
  let failure: string | undefined

  const keep = (chunk: Uint8Array): void => {
    if (lost > 0 || chunks.length >= maxChunks || size + chunk.length > maxBytes) {
      lost += chunk.length
      return
    }
    size += chunk.length
    // A copy, because the chunk is the receiver's, and may be a small part of a large buffer.
    chunks.push(new Uint8Array(chunk))
    times.push(now() - began)
  }

  return {
    connection: Delegate.observe(connection, {
      received: (batch) => batch.forEach(keep),
      ended: () => {
        eof = true
      },
      failed: (error) => {
        failure ??= String(error)
      }
    }),
    vector: Effect.sync(() => {
      const ends = eof && lost === 0
      const notes = [
        ...lost > 0 ? [`the recording is full: ${lost} bytes more came`] : [],
        ...failure === undefined ? [] : [`the connection failed: ${failure}`]
      ]
      return {
        id,
        source,
        codec: spec,
        chunks: chunks.map((chunk) => toHex(chunk)),
        times: [...times],
        eof: ends,
        expect: Vector.play(codec, chunks, ends),
        ...notes.length > 0 ? { note: notes.join("; ") } : {}
      }
    })
  }
}
