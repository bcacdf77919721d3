/**
 * The typed failures of a socket, one wrapper an operation, each with a tagged `reason`.
 *
 * `Effect.catchTag("ConnectError", ...)` takes the operation, `Effect.catchReason("ConnectError", "ConnectionRefused", ...)`
 * one cause of it. Every wrapper carries the addresses, the errno `code` where there is one, and `retry`.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Address from "./Address.ts"
import type * as TransportReason from "./TransportReason.ts"

/**
 * `listen` or `accept` failed.
 *
 * @category errors
 * @since 0.1.0
 */
export class ListenError extends Data.TaggedError("ListenError")<{
  readonly reason: TransportReason.TransportReason
  readonly local: Address.Address
}> {
  override get message(): string {
    return `cannot listen on ${Address.format(this.local)}: ${this.reason.message}`
  }
  /** The errno name, where the platform gave one. */
  get code(): string | undefined {
    return this.reason.code
  }
  /** Whether listening again can succeed. */
  get retry(): TransportReason.Retry {
    return this.reason.retry
  }
}

/**
 * One address of a name that was tried, and why it failed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Attempt {
  readonly remote: Address.Address
  readonly reason: TransportReason.TransportReason
}

/**
 * `connect` failed. A name can have several addresses: `attempts` keeps each that was tried, in order, and `reason` is
 * that of the first.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConnectError extends Data.TaggedError("ConnectError")<{
  readonly reason: TransportReason.TransportReason
  readonly remote: Address.Address
  readonly attempts: ReadonlyArray<Attempt>
}> {
  override get message(): string {
    return `cannot connect to ${Address.format(this.remote)}: ${this.reason.message}`
  }
  /** The errno name, where the platform gave one. */
  get code(): string | undefined {
    return this.reason.code
  }
  /** Whether connecting again can succeed. No byte of ours has left, so it is never `unsafe`. */
  get retry(): TransportReason.Retry {
    return this.reason.retry === "unsafe" ? "after-backoff" : this.reason.retry
  }
}

/**
 * A TLS handshake failed, and the connection is over. No byte of the application has left.
 *
 * @category errors
 * @since 0.1.0
 */
export class HandshakeError extends Data.TaggedError("HandshakeError")<{
  readonly reason: TransportReason.TransportReason
  readonly local: Address.Address
  readonly remote: Address.Address
}> {
  override get message(): string {
    return `cannot secure the connection with ${Address.format(this.remote)}: ${this.reason.message}`
  }
  /** The code of OpenSSL, Node or the kernel, where there is one. */
  get code(): string | undefined {
    return this.reason.code
  }
  /** Whether connecting again can succeed: never `unsafe`, because nothing was sent. */
  get retry(): TransportReason.Retry {
    return this.reason.retry === "unsafe" ? "after-backoff" : this.reason.retry
  }
}

/**
 * `receive` failed. The connection is over; every byte that had arrived was delivered before.
 *
 * @category errors
 * @since 0.1.0
 */
export class ReceiveError extends Data.TaggedError("ReceiveError")<{
  readonly reason: TransportReason.TransportReason
  readonly local: Address.Address
  readonly remote: Address.Address
}> {
  override get message(): string {
    return `cannot receive from ${Address.format(this.remote)}: ${this.reason.message}`
  }
  /** The errno name, where the platform gave one. */
  get code(): string | undefined {
    return this.reason.code
  }
  /** What had been sent before may have been delivered: `unsafe`, unless this side closed. */
  get retry(): TransportReason.Retry {
    return this.reason.retry === "never" ? "never" : "unsafe"
  }
}

/**
 * `send`, `sendAll` or `shutdownWrite` failed. How much the peer received is unknown, except where `retry` is not
 * `unsafe`: then nothing of this call was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class SendError extends Data.TaggedError("SendError")<{
  readonly reason: TransportReason.TransportReason
  readonly local: Address.Address
  readonly remote: Address.Address
}> {
  override get message(): string {
    return `cannot send to ${Address.format(this.remote)}: ${this.reason.message}`
  }
  /** The errno name, where the platform gave one. */
  get code(): string | undefined {
    return this.reason.code
  }
  /** `never` and `after-backoff` only where nothing of this call was sent. */
  get retry(): TransportReason.Retry {
    switch (this.reason._tag) {
      case "WriteSideClosed":
      case "WriteBufferExceeded":
        return this.reason.retry
      default:
        return "unsafe"
    }
  }
}

/**
 * Any failure of a transport.
 *
 * @category models
 * @since 0.1.0
 */
export type TransportError = ListenError | ConnectError | HandshakeError | ReceiveError | SendError
