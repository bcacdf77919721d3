/**
 * A bound and listening socket as a scoped resource.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import type { Address } from "./Address.ts"
import type { Connection, ConnectionOptions } from "./Connection.ts"
import type { InvalidTls } from "./HandshakeReason.ts"
import type * as Tls from "./Tls.ts"
import type { HandshakeError, ListenError } from "./TransportError.ts"
import type { TransportReason } from "./TransportReason.ts"

/**
 * A connection that was closed instead of handed to `accept`, and why:
 *
 * - `descriptors`: this process is near its limit of open descriptors. Beyond it the platform closes every client that
 *   waits, and tells nobody. It was reset.
 * - `backlog`: as many as `backlog` waited for `accept` already. It was reset.
 * - `handshake`: TLS failed, as `error` says.
 *
 * @category models
 * @since 0.1.0
 */
export type AcceptShed =
  | { readonly _tag: "AcceptShed"; readonly reason: "descriptors" | "backlog"; readonly remote: Address }
  | {
    readonly _tag: "AcceptShed"
    readonly reason: "handshake"
    readonly remote: Address
    readonly error: HandshakeError
  }

/**
 * How many connections came since the listener was made: each is in one of the two.
 *
 * @category models
 * @since 0.1.0
 */
export interface AcceptCounters {
  /** Given to `accept`, or waiting for it, or in a handshake. */
  readonly accepted: number
  /** Closed: one `AcceptShed` each. */
  readonly shed: number
}

/**
 * A listening socket.
 *
 * **Contract** for whoever implements a transport:
 *
 * 1. The port is bound when the value exists, and free when its scope has closed.
 * 2. A connection belongs to the scope that accepted it, not to the listener's.
 * 3. When the scope closes, connections that nobody accepted are reset.
 * 4. No connection is dropped in silence: it comes out of `accept`, or it is an `AcceptShed`.
 * 5. `suspend`, `resume` and `drain` happen one after the other, in the order of the calls. None touches a connection that
 *    has come.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listener {
  /** Where it listens: with the port that the kernel chose, if 0 was asked for. */
  readonly address: Address

  /**
   * The next connection, in the order in which they came; suspends until there is one, also while the listener is
   * suspended. The scope owns it. After `drain`, when all that had come are handed out, `Cause.Done`.
   *
   * **Errors**: `ListenError`, where the platform could not accept one; in its turn, and of this call alone: the next one goes
   * on.
   */
  readonly accept: Pull.Pull<Connection, ListenError, void, Scope.Scope>

  /**
   * Closes the port for a while and loses nobody: empties the kernel's queue as `drain` does, then new clients are refused,
   * until `resume`. Who had come is still handed out. On a suspended or drained listener nothing happens. It cannot be
   * interrupted half-way.
   *
   * **Limits**: while it is suspended another process can take the address.
   *
   * **Errors**: `ListenError` with `InvalidAddress` for a listener on an inherited descriptor (`fd`): once closed, that
   * cannot be opened again. It goes on listening.
   */
  readonly suspend: Effect.Effect<void, ListenError>

  /**
   * Listens again, on the very same address, after `suspend`. On a listener that is not suspended, or is drained, nothing
   * happens.
   *
   * **Errors**: `ListenError`, with `AddressInUse` where the address was taken meanwhile. The listener is suspended still,
   * so `resume` can be tried again.
   */
  readonly resume: Effect.Effect<void, ListenError>

  /**
   * Stops listening and loses nobody: first empties the kernel's queue of established connections into this one, because
   * closing a port resets those in the kernel's queue; then frees the port. Bounded to 4096 connections and 250 ms.
   * Later calls join the first.
   *
   * **Limits**: one that the kernel establishes in the very moment of the close is reset. A client that comes while the queue
   * is emptied is refused; by a Unix socket the platform may tell it `EAGAIN`.
   *
   * An inherited descriptor (`fd`) is only let go: its queue belongs to the process that passed it, and who waits there is
   * served by the next one that listens. Where there is none, `ListenOptions.lastListener` has it emptied, too.
   */
  readonly drain: Effect.Effect<void>

  /** What has come so far. */
  readonly counters: Effect.Effect<AcceptCounters>

  /** How many descriptors this process may still open; undefined, or missing, where the platform does not tell. */
  readonly freeDescriptors?: Effect.Effect<number | undefined>

  /** With `deferTls`, the options of the next handshake: the last that can work. Fails where nobody says which. */
  readonly tls?: Effect.Effect<Tls.ServerOptions, InvalidTls>
}

/**
 * How to listen.
 *
 * @category options
 * @since 0.1.0
 */
export interface ListenOptions extends ConnectionOptions {
  /**
   * Connections that may wait to be accepted, in the kernel and again here; more are reset, as `AcceptShed`. Default 511.
   */
  readonly backlog?: number
  /**
   * Several sockets, of any process of this user, may listen on the same port, and the kernel spreads the clients over
   * them (SO_REUSEPORT). TCP only. Default false.
   *
   * **Errors**: `InvalidAddress` with `ENOTSUP` where the platform cannot spread them (macOS, Windows).
   */
  readonly reusePort?: boolean
  /** An IPv6 address, `::` above all, takes no IPv4 clients (IPV6_V6ONLY). Default false. */
  readonly ipv6Only?: boolean
  /**
   * Listen on this open descriptor, which was inherited, instead of opening a socket: systemd's socket activation, see
   * `SocketActivation` of `@framewire/core/node`. `undefined` opens one. The listener owns it from then on.
   *
   * The address then binds nothing: it says of which kind the descriptor is, is in the error if listening fails, and is the
   * path of a Unix socket, which the descriptor does not tell. A TCP listener's `address` is the descriptor's own.
   *
   * **Errors**: `InvalidAddress`, where it is no listening socket, or of the other kind than the address.
   */
  readonly fd?: number | undefined
  /**
   * Asked by `drain`: whether nobody listens on `fd` after this listener, so that who waits in its queue has to be taken now.
   * Default false for a descriptor that was inherited.
   */
  readonly lastListener?: Effect.Effect<boolean> | undefined
  /**
   * Secure each connection before `accept` gives it. Handshakes go on side by side, so that one that is slow keeps nobody
   * waiting.
   *
   * An effect is asked for each connection, so that a renewed certificate holds from the next one on: give the very same
   * object for as long as nothing changes, because it is read once. Options that cannot work are refused when it listens;
   * later they replace none that can: `onTlsRefused` tells, and the last good ones stay in force. Where it dies, or says nothing
   * within `handshakeTimeout` of those, this one client is refused with `InvalidTls`.
   *
   * **Limits**: as many as `backlog` may be in a handshake, or done and not accepted; more are reset, as `AcceptShed`.
   */
  readonly tls?: Tls.ServerOptions | Effect.Effect<Tls.ServerOptions> | undefined
  /** Told once of each set of options that `tls` gives and that cannot work, such as a key that is not the certificate's. */
  readonly onTlsRefused?: (reason: TransportReason) => void
  /**
   * Only look whether `tls` can work, and leave the handshake to whoever accepts, by `upgradeTls` with the listener's `tls`: for
   * what comes before TLS, such as a PROXY header. Default false.
   */
  readonly deferTls?: boolean
  /**
   * Told of each connection that is closed instead of accepted, in the turn of the loop in which that is known. It must
   * return soon, and not throw. For one number, `counters` is enough.
   *
   * **Limits**: descriptors are watched on Linux only. One in 16 of the limit, from 8 to 64, is kept free for all else that
   * the process opens.
   */
  readonly onShed?: (event: AcceptShed) => void
}
