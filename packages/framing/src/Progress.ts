/**
 * How a stream of frames gets on: told by whoever decodes, and heard by whoever keeps the time, as a server's deadlines do.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * Hears of one connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Progress {
  /**
   * To be called after each batch that was decoded, with how many frames were whole, and the bytes that wait for the rest of
   * theirs, `ByteReader.length`. `Framed` calls it; what is read raw counts as one.
   */
  took(frames: number, pending: number): void
  /** Messages that are worked on while more is received: with one of them the peer waits for us and is not idle. */
  working: number
}

const nobody: Progress = { took() {}, working: 0 }

/**
 * Who hears of the connection whose handler runs. Default: nobody.
 *
 * @category references
 * @since 0.1.0
 */
export const Progress: Context.Reference<Progress> = Context.Reference("@framewire/framing/Progress", {
  defaultValue: () => nobody
})

/**
 * Whether somebody hears, and keeps the time of frames.
 *
 * @category guards
 * @since 0.1.0
 */
export const isKept = (progress: Progress): boolean => progress !== nobody
