/**
 * Who the client is, where a proxy stands in front: its PROXY header, read before everything else.
 *
 * ```text
 * accepted -- remote is trusted --> PROXY header -- LOCAL, UNKNOWN --> remote is the socket's --.
 *     |                              |        '---- PROXY ----------> remote is the client's ---+--> TLS, if asked for
 *     '-- is not: ProxyError, RST    '-- none in 5 s, or a bad one: ProxyError, RST             '--> handler
 * ```
 *
 * Whether a header stands there is configured and never guessed: a client could say that it is somebody else. A listener
 * that expects it takes none without.
 *
 * **Source**: The PROXY protocol, versions 1 and 2, haproxy.org.
 *
 * @since 0.1.0
 */
import {
  Address,
  type Connection,
  InvalidOption,
  type Tls,
  type TransportError,
  TransportReason
} from "@framewire/core"
import { ByteReader, Decoder, FramingError, ProxyHeader } from "@framewire/framing"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import type { Handler } from "./Handler.ts"
import { Forwarded } from "./internal/Forwarded.ts"

/**
 * Whom to believe, and for how long to wait.
 *
 * @category options
 * @since 0.1.0
 */
export interface ProxyOptions {
  /**
   * Where the proxies are: addresses and networks, as in `10.0.0.0/8`, and `unix` for whoever may connect to a Unix domain
   * socket. Everybody else is reset without a byte being read.
   */
  readonly trusted: ReadonlyArray<string>
  /** How long the whole header may take. Default 5 s. */
  readonly timeout?: Duration.Input
  /** What may follow the 16 fixed bytes of version 2. Default 8 KiB. */
  readonly limit?: number
}

/**
 * As `ServerOptions.proxy`.
 *
 * @category options
 * @since 0.1.0
 */
export interface ServerProxyOptions extends ProxyOptions {
  /**
   * Connections whose header has not come yet. They are bounded apart from those that are served, so that neither takes the
   * others' room. One more, and the one that has waited longest is reset: a proxy's header comes at once, what waits is
   * something else. Default 256.
   */
  readonly maxPending?: number
}

/**
 * How to go on behind the header.
 *
 * @category options
 * @since 0.1.0
 */
export interface AcceptOptions extends ProxyOptions {
  /**
   * Secure the connection behind the header: a listener's own `tls` would take the header for a handshake. An effect is asked
   * for each connection; options that cannot work then fail it with `InvalidTls`.
   */
  readonly tls?: Tls.ServerOptions | Effect.Effect<Tls.ServerOptions> | undefined
}

/**
 * The connection comes from where no proxy is.
 *
 * @category reasons
 * @since 0.1.0
 */
export class UntrustedProxy extends Data.TaggedError("UntrustedProxy")<{}> {
  override readonly message = "it is in no trusted network"
}

/**
 * The peer closed and had sent nothing: a probe that asks only whether the port is open.
 *
 * @category reasons
 * @since 0.1.0
 */
export class NoHeader extends Data.TaggedError("NoHeader")<{}> {
  override readonly message = "it closed before the first byte"
}

/**
 * There is no header to believe. `proxy` is the socket's own remote address.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProxyError extends Data.TaggedError("ProxyError")<{
  readonly reason: UntrustedProxy | NoHeader | TransportReason.TimedOut | FramingError.FrameError
  readonly proxy: Address.Address
}> {
  override get message(): string {
    return `no PROXY header from ${Address.format(this.proxy)}: ${this.reason.message}`
  }
}

/**
 * A connection that a proxy forwards. `remote` is the client, where the header says so, and `traffic` has the header in it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Proxied extends Connection.Connection {
  /** The other end of the socket. */
  readonly proxy: Address.Address
  /** All that the header says: `destination`, and what the elements of version 2 tell of the client's TLS. */
  readonly header: ProxyHeader.ProxyHeader
}

/**
 * Who forwards a connection, and all that the header says.
 *
 * @category models
 * @since 0.1.0
 */
export type Forwarding = Pick<Proxied, "proxy" | "header">

/**
 * Of the connection whose handler runs, as the server's `proxy` read it; undefined where the server has none.
 *
 * @category references
 * @since 0.1.0
 */
export const Current: Context.Reference<Forwarding | undefined> = Context.Reference(
  "@framewire/server/ProxyProtocol/Current",
  { defaultValue: (): Forwarding | undefined => undefined }
)

/**
 * Whether a header from there is believed.
 *
 * **Errors**: throws `InvalidOption` for what is neither an address, nor a network, nor `unix`.
 *
 * @category operations
 * @since 0.1.0
 */
export const trusts = ({ trusted }: ProxyOptions): (address: Address.Address) => boolean => {
  const networks = trusted.filter((text) => text !== "unix").map((value) => {
    const network = Address.parseNetwork(value)
    if (Result.isSuccess(network)) return network.success
    throw new FramingError.InvalidOption({ option: "trusted", value, allowed: `${network.failure.expected}, or unix` })
  })
  const unix = trusted.includes("unix")
  return (address) => Address.isUnix(address) ? unix : networks.some(({ contains }) => contains(address.host))
}

/**
 * Reads the header of a connection and gives the connection behind it, for whoever has more to do before the handler than
 * `accept` does.
 *
 * **Contract**: what follows the header is the first to be received. A connection that fails is over: it was reset, but
 * for one that closed before the first byte.
 *
 * **Limits**: `timeout` for the whole header; it has 107 bytes at most in version 1, 16 and `limit` in version 2.
 *
 * **Errors**: `ProxyError`; `ReceiveError` where the network fails. Throws `InvalidOption` for what `trusted` or `limit`
 * cannot be.
 *
 * @category operations
 * @since 0.1.0
 */
export const read = (
  options: ProxyOptions
): (connection: Connection.Connection) => Effect.Effect<Proxied, ProxyError | TransportError.ReceiveError> => {
  const isTrusted = trusts(options)
  InvalidOption.check(options, { timeout: InvalidOption.duration })
  const codec = ProxyHeader.make(options.limit === undefined ? {} : { limit: options.limit })
  const timeout = Duration.fromInputUnsafe(options.timeout ?? "5 seconds")
  return (connection) => {
    const proxy = connection.remote
    const fail = (reason: ProxyError["reason"]) => Effect.fail(new ProxyError({ reason, proxy }))
    const refuse = (reason: ProxyError["reason"]) => Effect.andThen(connection.abort, fail(reason))
    if (!isTrusted(proxy)) return Effect.suspend(() => refuse(new UntrustedProxy()))

    const header = Effect.suspend(() => {
      const reader = ByteReader.make()
      const step = codec.decoder.start()
      const headers: Array<ProxyHeader.ProxyHeader> = []
      const look = (): Effect.Effect<Proxied, ProxyError | TransportError.ReceiveError> => {
        const failure = Decoder.run(step, reader, headers, 1)
        const [found] = headers
        if (found !== undefined) {
          return Effect.succeed(
            new Forwarded(connection, found, reader.length === 0 ? undefined : reader.take(reader.length))
          )
        }
        // Of this codec every failure ends the connection.
        if (failure instanceof FramingError.FrameError) return refuse(failure)
        return reader.ended ? fail(new NoHeader()) : receive
      }
      const receive = Pull.matchEffect(connection.receive, {
        onSuccess: (chunks) => {
          for (const chunk of chunks) reader.push(chunk)
          return look()
        },
        onDone: () => {
          reader.end()
          return look()
        },
        onFailure: Effect.failCause
      })
      return receive
    })
    return Effect.timeoutOrElse(header, {
      duration: timeout,
      orElse: () =>
        refuse(
          new TransportReason.TimedOut({ afterMillis: Duration.toMillis(timeout), waitedFor: "the PROXY header" })
        )
    })
  }
}

/**
 * A handler for connections that come through a proxy: it gets each with the client's address, behind the header and, where
 * `tls` is asked for, behind the handshake.
 *
 * It is for one who listens without a server: the admission of a server would know the proxies, not the clients. A server
 * has `ServerOptions.proxy`.
 *
 * **Errors**: those of `read`, and `HandshakeError`.
 *
 * @category handlers
 * @since 0.1.0
 */
export const accept = (options: AcceptOptions) => {
  const readHeader = read(options)
  const { tls } = options
  return <E, R>(
    handler: (connection: Proxied) => Effect.Effect<void, E, R>
  ): Handler<E | ProxyError | TransportError.ReceiveError | TransportError.HandshakeError, R> =>
  (connection) =>
    Effect.flatMap(readHeader(connection), (proxied) => {
      if (tls === undefined) return handler(proxied)
      return (Effect.isEffect(tls) ? tls : Effect.succeed(tls)).pipe(
        Effect.flatMap((server) => proxied.upgradeTls({ server, received: [] })),
        Effect.andThen(Effect.suspend(() => handler(proxied)))
      )
    })
}
