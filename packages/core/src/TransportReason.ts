/**
 * What can go wrong with a socket, one tagged class a cause. A `TransportError` says during which operation.
 *
 * Classified by the errno or OpenSSL code alone: Node's `syscall` says "listen" for a failed bind(2).
 * A code that is not known here is kept in `Unknown`, never lost. Those of a TLS handshake are in `HandshakeReason`.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as HandshakeReason from "./HandshakeReason.ts"

/**
 * Whether it makes sense to try again.
 *
 * - `safe`: nothing has left this machine, and the same call may succeed at once.
 * - `after-backoff`: nothing has been delivered; wait first, because the cause needs time to go away.
 * - `unsafe`: the peer may have received what was sent; repeat only what is idempotent.
 * - `never`: the call, the configuration or the program has to change first.
 *
 * @category models
 * @since 0.1.0
 */
export type Retry = "safe" | "after-backoff" | "unsafe" | "never"

/**
 * What the platform said: the errno name (`ECONNREFUSED`) or the platform's own code, absent where we decided, and the
 * error as it came.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fault {
  readonly code?: string | undefined
  readonly cause?: unknown
}

/**
 * `EADDRINUSE`: another socket listens there, or there is a file at the path that is not a socket: it is never removed.
 *
 * @category reasons
 * @since 0.1.0
 */
export class AddressInUse extends Data.TaggedError("AddressInUse")<Fault & { readonly detail?: string }> {
  readonly retry: Retry = "never"
  override get message(): string {
    return `the address is in use${this.detail === undefined ? "" : `: ${this.detail}`}`
  }
}

/**
 * `EADDRNOTAVAIL`: no interface of this host has the address or, while connecting, no local port is free.
 *
 * @category reasons
 * @since 0.1.0
 */
export class AddressNotAvailable extends Data.TaggedError("AddressNotAvailable")<Fault> {
  readonly retry: Retry = "after-backoff"
  override readonly message = "the address is not available on this host"
}

/**
 * `EACCES`, `EPERM`, `EROFS`: a privileged port, a directory without permission or on a read-only file system, a route or
 * firewall that prohibits it.
 *
 * @category reasons
 * @since 0.1.0
 */
export class PermissionDenied extends Data.TaggedError("PermissionDenied")<Fault> {
  readonly retry: Retry = "never"
  override readonly message = "permission denied"
}

/**
 * `EINVAL`, `EAFNOSUPPORT`, `ENOTSUP`, `ENOTDIR`, `EPROTOTYPE` (a Unix socket of datagrams), or refused by us before any
 * system call: a port out of range, a path too long.
 *
 * @category reasons
 * @since 0.1.0
 */
export class InvalidAddress extends Data.TaggedError("InvalidAddress")<Fault & { readonly detail?: string }> {
  readonly retry: Retry = "never"
  override get message(): string {
    return `the address is invalid${this.detail === undefined ? "" : `: ${this.detail}`}`
  }
}

/**
 * `ENOTFOUND`, `EAI_ADDRFAMILY`, `EAI_FAIL`: the name has no address, or none of the family.
 *
 * @category reasons
 * @since 0.1.0
 */
export class NameNotFound extends Data.TaggedError("NameNotFound")<Fault> {
  readonly retry: Retry = "never"
  override readonly message = "the name does not resolve"
}

/**
 * `EAI_AGAIN`: no resolver answered.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ResolverUnavailable extends Data.TaggedError("ResolverUnavailable")<Fault> {
  readonly retry: Retry = "after-backoff"
  override readonly message = "no resolver answered"
}

/**
 * `EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`, `EAI_MEMORY`: this process or host is out of descriptors or memory. `ENOSPC`:
 * the file system has no room for a Unix socket. `EAGAIN`: the queue of the Unix socket that we connect to is full.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ResourceExhausted extends Data.TaggedError("ResourceExhausted")<Fault> {
  readonly retry: Retry = "after-backoff"
  override readonly message = "out of descriptors, memory or room in a queue"
}

/**
 * `ECONNREFUSED`, and `ENOENT` of a Unix socket: nobody listens there.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ConnectionRefused extends Data.TaggedError("ConnectionRefused")<Fault> {
  readonly retry: Retry = "after-backoff"
  override readonly message = "connection refused"
}

/**
 * `ENETUNREACH`, `EHOSTUNREACH`, `ENETDOWN`, `EHOSTDOWN`, `ENONET`: no route to the address. `ENOPROTOOPT`: the host says
 * that it has no TCP.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Unreachable extends Data.TaggedError("Unreachable")<Fault> {
  readonly retry: Retry = "after-backoff"
  override readonly message = "the address is unreachable"
}

/**
 * Nothing came in time: our deadline (no `code`; `waitedFor` says what did not come) or the kernel's (`ETIMEDOUT`).
 *
 * @category reasons
 * @since 0.1.0
 */
export class TimedOut extends Data.TaggedError("TimedOut")<
  Fault & { readonly afterMillis?: number; readonly waitedFor?: string }
> {
  readonly retry: Retry = "after-backoff"
  override get message(): string {
    return "timed out" + (this.afterMillis === undefined ? "" : ` after ${this.afterMillis} ms`) +
      (this.waitedFor === undefined ? "" : `, waiting for ${this.waitedFor}`)
  }
}

/**
 * `ECONNRESET`, `ECONNABORTED`, `ENOTCONN`: the peer's host answered with RST.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ConnectionReset extends Data.TaggedError("ConnectionReset")<Fault> {
  readonly retry: Retry = "unsafe"
  override readonly message = "the peer reset the connection"
}

/**
 * `EPIPE`: sending after the peer is gone.
 *
 * @category reasons
 * @since 0.1.0
 */
export class BrokenPipe extends Data.TaggedError("BrokenPipe")<Fault> {
  readonly retry: Retry = "unsafe"
  override readonly message = "the peer no longer receives"
}

/**
 * Sending after `shutdownWrite`: our FIN has been sent, so no byte can follow.
 *
 * @category reasons
 * @since 0.1.0
 */
export class WriteSideClosed extends Data.TaggedError("WriteSideClosed")<Fault> {
  readonly retry: Retry = "never"
  override readonly message = "the write side was shut down"
}

/**
 * The operation came after, or was ended by, this side's own `close` or `abort`.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ConnectionClosed extends Data.TaggedError("ConnectionClosed")<Fault> {
  readonly retry: Retry = "never"
  override readonly message = "the connection is closed"
}

/**
 * The bytes that wait to be sent exceed the limit: the peer reads slower than we send.
 *
 * @category reasons
 * @since 0.1.0
 */
export class WriteBufferExceeded extends Data.TaggedError("WriteBufferExceeded")<
  Fault & { readonly waiting: number; readonly limit: number }
> {
  readonly retry: Retry = "after-backoff"
  override get message(): string {
    return `${this.waiting} bytes wait to be sent, ${this.limit} are allowed`
  }
}

/**
 * A code that is not in this table. It is kept as it came.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Unknown extends Data.TaggedError("Unknown")<Fault> {
  readonly retry: Retry = "never"
  override get message(): string {
    return this.cause instanceof Error && this.cause.message !== ""
      ? this.cause.message
      : `unknown: ${this.code ?? "?"}`
  }
}

/**
 * Any reason.
 *
 * @category models
 * @since 0.1.0
 */
export type TransportReason =
  | HandshakeReason.HandshakeReason
  | AddressInUse
  | AddressNotAvailable
  | PermissionDenied
  | InvalidAddress
  | NameNotFound
  | ResolverUnavailable
  | ResourceExhausted
  | ConnectionRefused
  | Unreachable
  | TimedOut
  | ConnectionReset
  | BrokenPipe
  | WriteSideClosed
  | ConnectionClosed
  | WriteBufferExceeded
  | Unknown

const byCode: Record<string, new(fault: Fault) => TransportReason> = {
  EADDRINUSE: AddressInUse,
  EADDRNOTAVAIL: AddressNotAvailable,
  EACCES: PermissionDenied,
  EPERM: PermissionDenied,
  EROFS: PermissionDenied,
  EINVAL: InvalidAddress,
  EAFNOSUPPORT: InvalidAddress,
  ENOTSUP: InvalidAddress,
  EOPNOTSUPP: InvalidAddress,
  ENAMETOOLONG: InvalidAddress,
  ENOTDIR: InvalidAddress,
  EPROTOTYPE: InvalidAddress,
  // What a resolver of the user's gave node:net to listen on.
  ERR_INVALID_IP_ADDRESS: InvalidAddress,
  EAI_FAMILY: InvalidAddress,
  ENOTFOUND: NameNotFound,
  // Node's own name for these two is ENOTFOUND, but not of every resolver.
  EAI_NONAME: NameNotFound,
  EAI_NODATA: NameNotFound,
  EAI_ADDRFAMILY: NameNotFound,
  EAI_FAIL: NameNotFound,
  EAI_AGAIN: ResolverUnavailable,
  EMFILE: ResourceExhausted,
  ENFILE: ResourceExhausted,
  ENOBUFS: ResourceExhausted,
  ENOMEM: ResourceExhausted,
  EAI_MEMORY: ResourceExhausted,
  ENOSPC: ResourceExhausted,
  // connect(2) to a Unix socket whose queue is full.
  EAGAIN: ResourceExhausted,
  ECONNREFUSED: ConnectionRefused,
  ENOENT: ConnectionRefused,
  ENETUNREACH: Unreachable,
  EHOSTUNREACH: Unreachable,
  ENETDOWN: Unreachable,
  EHOSTDOWN: Unreachable,
  // ICMP: host isolated, protocol unreachable.
  ENONET: Unreachable,
  ENOPROTOOPT: Unreachable,
  ETIMEDOUT: TimedOut,
  ECONNRESET: ConnectionReset,
  ECONNABORTED: ConnectionReset,
  // shutdown(2) after the peer's RST.
  ENOTCONN: ConnectionReset,
  EPIPE: BrokenPipe,
  ERR_STREAM_WRITE_AFTER_END: WriteSideClosed,
  // Ours too: freeing the descriptor cancels what waits.
  ECANCELED: ConnectionClosed,
  ERR_STREAM_DESTROYED: ConnectionClosed,
  ERR_SOCKET_CLOSED: ConnectionClosed
}

/**
 * Classifies an error of the platform by its `code`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromCause = (cause: unknown): TransportReason => {
  const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined
  if (code === undefined) return new Unknown({ cause })
  const Reason = Object.hasOwn(byCode, code) ? byCode[code] : HandshakeReason.fromCode(code)
  return new (Reason ?? Unknown)({ code, cause })
}
