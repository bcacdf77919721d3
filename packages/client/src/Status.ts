/**
 * Where a client is in its life.
 *
 * ```text
 * Connecting <--> Ready        either ---> Draining ---> Closed(reason)
 * ```
 *
 * @since 0.1.0
 */
import type { Address, ConnectionState, TransportError } from "@framewire/core"
import * as Data from "effect/Data"
import type { RequestFailure } from "./RequestError.ts"

/**
 * The connection was made, and what has to come before any request failed: the greeting, or the `session` of the options.
 * `cause` is its failure.
 *
 * @category errors
 * @since 0.1.0
 */
export class SessionError extends Data.TaggedError("SessionError")<{ readonly cause: unknown }> {
  override get message(): string {
    return `no session: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}

/**
 * Why there is no line.
 *
 * @category models
 * @since 0.1.0
 */
export type DialError = TransportError.ConnectError | TransportError.HandshakeError | SessionError

/**
 * How a client ended.
 *
 * @category models
 * @since 0.1.0
 */
export type Ending = ConnectionState.CloseReason | { readonly _tag: "Failed"; readonly error: SessionError }

/**
 * Where a client is.
 *
 * - `Connecting`: no line yet, or no more. `attempt` counts from 1 since the last line that was there, `failure` is the
 *   latest: of the attempt before, or of that line.
 * - `Ready`: requests go out.
 * - `Draining`: no more requests go out; those in flight are waited for.
 * - `Closed`: nothing follows.
 *
 * @category models
 * @since 0.1.0
 */
export type Status =
  | { readonly _tag: "Connecting"; readonly attempt: number; readonly failure: DialError | RequestFailure | undefined }
  | { readonly _tag: "Ready"; readonly remote: Address.Address }
  | { readonly _tag: "Draining" }
  | { readonly _tag: "Closed"; readonly reason: Ending }
