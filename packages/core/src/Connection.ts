/**
 * One TCP connection, or one over a Unix domain socket, secured by TLS or not, as a scoped resource.
 *
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type { Address } from "./Address.ts"
import type { CloseReason, ConnectionState } from "./ConnectionState.ts"
import type * as Tls from "./Tls.ts"
import type { HandshakeError, ReceiveError, SendError } from "./TransportError.ts"

/**
 * Bytes of the application since the connection was made; what TLS adds is not counted.
 *
 * @category models
 * @since 0.1.0
 */
export interface Traffic {
  /** Read from the platform. */
  readonly received: number
  /** Taken by the kernel. */
  readonly sent: number
  /** Handed over by a send, and not taken yet, because the peer does not read; 0 once the connection is over. */
  readonly waiting: number
}

/**
 * A connected socket.
 *
 * **Contract** for whoever implements a transport:
 *
 * 1. Every effect here settles: with a value, a typed error, or when the connection's scope closes.
 * 2. Bytes that arrived are delivered before the error or the end that followed them. Where a send is the first to hear of the
 *    error, that holds for what was read from the platform: what nobody had wanted to receive goes with the socket (Node).
 * 3. There is exactly one `CloseReason`, and `closed` gives it to everyone who asks, however late.
 * 4. Closing the scope closes the connection gracefully, and never waits for the peer longer than `linger`.
 * 5. FIN is sent by this side only: the peer's half-close does not end our sending.
 * 6. Nothing is read from the platform before the first `receive`; from then on a bounded number of bytes ahead of it
 *    (`readBuffer`), so a reader that stops stops the peer. It also sees neither FIN nor RST before it goes on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Connection {
  /** Distinct in this process, counted from 1. */
  readonly id: number
  readonly local: Address
  readonly remote: Address

  /**
   * The bytes that have arrived since the last call, at least one chunk of at least one byte; suspends until there are
   * some. The chunks belong to the caller. The peer's FIN is `Cause.Done`. Only one fiber may receive at a time: a second
   * one is a defect. After our own `close` or `abort` it gives what had arrived, then `ConnectionClosed`. Interruption
   * loses no byte.
   */
  readonly receive: Pull.Pull<NonEmptyReadonlyArray<Uint8Array>, ReceiveError>

  /**
   * `receive` for all that comes: gives each batch to `handle` in the turn of the loop in which it arrives, until the peer's
   * FIN. Where `handle` returns an `Exit`, as `Effect.void` is one, no fiber is woken; any other effect is run before the next
   * batch.
   */
  readonly receiveEach: Each

  /**
   * As `receiveEach`, and copies nothing: the chunks are **borrowed**. When `handle` returns, the next bytes overwrite them, of
   * another connection even. Copy what is needed for longer, by the effect that it returns, too. `sendAllUnsafe` sends them
   * as they were.
   *
   * ```text
   *             batch[0].byteOffset
   *             |
   * [  headroom ][ batch[0] ]      one buffer, borrowed as a whole
   * ```
   *
   * So many bytes in front of the first chunk, the `headroom`, may be overwritten until `handle` returns: what waits for the
   * rest of a frame can be put there, and the frame lies in one piece.
   */
  readonly lendEach: Each

  /**
   * Hands the bytes to the kernel and suspends while it does not take them. The connection reads `bytes` until then, so
   * do not change them before. Success says that the kernel has them, not that the peer has.
   *
   * **Limits**: fails with `WriteBufferExceeded`, and sends nothing, while more than `maxWriteBuffer` bytes of earlier
   * sends wait. Interruption stops the waiting, not the sending.
   */
  readonly send: (bytes: Uint8Array) => Effect.Effect<void, SendError>

  /** `send` for many chunks in order, as one write to the platform. */
  readonly sendAll: (chunks: ReadonlyArray<Uint8Array>) => Effect.Effect<void, SendError>

  /**
   * The fast form of `sendAll`, for the handler of `receiveEach` and `lendEach`: the bytes are sent when it is called, whether the effect is
   * run or not. Where the kernel has taken them at once it is an `Exit`; else they must not change before it is done, but
   * for borrowed ones, of which it keeps a copy.
   */
  readonly sendAllUnsafe: (chunks: ReadonlyArray<Uint8Array>) => Effect.Effect<void, SendError>

  /** Half-close: sends FIN after all that was sent before. Receiving goes on. Again: nothing happens. */
  readonly shutdownWrite: Effect.Effect<void, SendError>

  /**
   * Stops reading from the peer: what has arrived on this host, in the kernel's buffer too, is still delivered, then
   * `receive` is `Cause.Done`. A peer that keeps sending is stopped after some 1 MiB.
   */
  readonly shutdownRead: Effect.Effect<void>

  /**
   * Closes gracefully: sends what waits and FIN, discards what still comes, and ends when the peer's FIN is there. After
   * `linger` (default: the connection's), or 64 KiB discarded, the socket is freed as it is, by RST where our bytes are
   * still unsent. Later calls join the first.
   */
  readonly close: (options?: { readonly linger?: Duration.Input }) => Effect.Effect<CloseReason>

  /** Frees the socket at once and answers the peer with RST; what was not yet sent is lost. */
  readonly abort: Effect.Effect<CloseReason>

  /**
   * Secures the connection in place, by a handshake as client or server: STARTTLS. What was sent before goes out first,
   * as plaintext; a `send` or `shutdownWrite` during the handshake waits for its end, and a `receive` gives what came after
   * it. What the interruption or failure of a handshake leaves cannot be used: the connection is over.
   *
   * **Errors**: `HandshakeError`, with the reason `PlaintextWaiting`, `UntrustedCertificate`, `HostnameMismatch`,
   * `CertificateMissing`, `CertificateRefused`, `VersionMismatch`, `CipherMismatch`, `AlpnMismatch`, `NotTls`, `TimedOut`,
   * `HandshakeAborted`, `TlsViolation`, `ConnectionReset`; and `InvalidTls`, where the options cannot work, the connection is
   * secured or half-closed already, or its transport has no TLS.
   */
  readonly upgradeTls: (tls: Tls.Upgrade) => Effect.Effect<Tls.Session, HandshakeError>

  /** What the last handshake agreed on; undefined before one. */
  readonly tls: Effect.Effect<Tls.Session | undefined>

  /** How much has gone either way. */
  readonly traffic: Effect.Effect<Traffic>

  /**
   * Suspends until the listener that accepted it drains: time to say goodbye, as far as the protocol can. On a connection
   * that this side dialled it suspends for ever.
   */
  readonly draining: Effect.Effect<void>

  /** Where the connection is in its life now. */
  readonly state: Effect.Effect<ConnectionState>

  /** Suspends until the socket is freed. */
  readonly closed: Effect.Effect<CloseReason>
}

/**
 * Has every batch handled until the peer's FIN. `headroom` is what `lendEach` says, and 0 otherwise.
 *
 * @category models
 * @since 0.1.0
 */
export interface Each {
  <E = never, R = never>(
    handle: (batch: NonEmptyReadonlyArray<Uint8Array>, headroom: number) => Effect.Effect<void, E, R>
  ): Effect.Effect<void, E | ReceiveError, R>
}

/**
 * How a connection behaves, for `listen` and `connect` alike.
 *
 * @category options
 * @since 0.1.0
 */
export interface ConnectionOptions {
  /** How long `close` waits for the peer. Default 2 s. */
  readonly linger?: Duration.Input
  /**
   * Bytes read ahead of `receive`, the high-water mark: at most this and a chunk of the platform (256 KiB; TLS: 128 KiB) more.
   * Default 64 KiB.
   */
  readonly readBuffer?: number
  /** Bytes of earlier sends that may wait when another send begins. Default 1 MiB. */
  readonly maxWriteBuffer?: number
  /**
   * How long bytes may wait to be sent while the peer takes none; then the connection fails with `TimedOut` and is reset.
   * Any progress begins it anew. Found up to 250 ms late. Default 30 s.
   */
  readonly writeTimeout?: Duration.Input
  /**
   * How long after our FIN the peer may send neither a byte nor its own FIN; then the connection fails with `TimedOut` and
   * is reset. Default 5 min.
   */
  readonly halfCloseTimeout?: Duration.Input
  /**
   * How long `readBuffer` may stay full because nobody receives: for so long neither FIN nor RST of the peer is seen. Then
   * the connection fails with `TimedOut` and is reset. Default 5 min.
   */
  readonly readStallTimeout?: Duration.Input
  /** Send small writes at once (TCP_NODELAY). Default true. */
  readonly noDelay?: boolean
  /** How the kernel probes a peer that is idle (SO_KEEPALIVE). `false` turns it off. */
  readonly keepAlive?: KeepAlive | false
}

/**
 * When the kernel probes an idle peer, and when it gives it up: the connection then fails with `TimedOut`, `ETIMEDOUT`.
 *
 * **Limits**: times are whole seconds, from 1 s to 32767 s; `count` is 1 to 127. Before Node 24.16 `interval` and `count` are
 * Node's own, 1 s and 10.
 *
 * @category options
 * @since 0.1.0
 */
export interface KeepAlive {
  /** Before the first probe. Default 30 s. */
  readonly idle?: Duration.Input
  /** Between two probes. Default 5 s. */
  readonly interval?: Duration.Input
  /** Probes without an answer. Default 4. */
  readonly count?: number
}
