/**
 * How a stream of frames gets on: told by whoever decodes, and heard by whoever keeps the time, as a server's deadlines do.
 *
 * @since 0.1.0
 */
import type { Connection } from "@framewire/core"
import * as Context from "effect/Context"

/**
 * Hears of one connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Progress {
  /** The connection's. What is decoded on another one meanwhile, as on one that a handler dials, is no progress of this one. */
  readonly id: number
  /**
   * To be called after each batch that was decoded, with how many frames were whole, and the bytes that wait for the rest of
   * theirs, `ByteReader.length`. `Framed` calls it; what is read raw counts as one.
   */
  took(frames: number, pending: number): void
  /** To be called with how many frames were handed to the connection together. `Framed` and `Server.respond` call it. */
  gave(frames: number): void
  /** Messages that are worked on while more is received: with one of them the peer waits for us and is not idle. */
  working: number
}

// Connections count from 1.
const nobody: Progress = { id: 0, took() {}, gave() {}, working: 0 }

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
 * Who hears of this connection; in the handler of another one that is nobody.
 *
 * @category getters
 * @since 0.1.0
 */
export const of = (progress: Progress, { id }: Pick<Connection.Connection, "id">): Progress =>
  progress.id === id ? progress : nobody

/**
 * Whether somebody hears, and keeps the time of frames.
 *
 * @category guards
 * @since 0.1.0
 */
export const isKept = (progress: Progress): boolean => progress !== nobody
