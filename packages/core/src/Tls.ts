/**
 * Transport Layer Security on a connection: what both ends ask for, and what they agreed on.
 *
 * ```text
 * connect({ tls })  dialled,  then a handshake as the client
 * listen({ tls })   accepted, then a handshake as the server; `accept` gives it when it is secured
 * upgradeTls(...)   on any connection, in the middle of its life: STARTTLS
 * ```
 *
 * **Limits**: FIN without TLS's own end (close_notify) is reported as the peer's end like any other (Node): a truncation is
 * found by the framing, not by TLS. With TLS 1.3 a client is secured before the server has judged its certificate, so
 * that a refusal is the first thing that it receives.
 *
 * **Source**: RFC 8446 (TLS 1.3), RFC 5246 (1.2), RFC 6066 section 3 (SNI), RFC 7301 (ALPN).
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Redacted from "effect/Redacted"

/**
 * Certificates or a key in PEM, one after the other.
 *
 * @category models
 * @since 0.1.0
 */
export type Pem = string | Uint8Array

/**
 * Who this end is: its certificate, followed by those up to the root, and the private key of the first.
 *
 * @category models
 * @since 0.1.0
 */
export interface Identity {
  readonly certificate: Pem
  readonly key: Pem | Redacted.Redacted<Pem>
  /** Of an encrypted key. */
  readonly passphrase?: Redacted.Redacted
}

/**
 * The version of the protocol.
 *
 * @category models
 * @since 0.1.0
 */
export type Version = "TLSv1.2" | "TLSv1.3"

/**
 * What either end can ask for.
 *
 * **Limits**: options are read once, at the first handshake with this very object; keep one for all connections, and make
 * another one to change something.
 *
 * @category options
 * @since 0.1.0
 */
export interface TlsOptions {
  /** The roots that the peer's certificate is trusted by, instead of those of the platform. */
  readonly ca?: Pem | ReadonlyArray<Pem>
  /** Protocols to speak inside (ALPN), the preferred one first. Default: none is agreed on. */
  readonly alpn?: ReadonlyArray<string>
  /** Default `TLSv1.2`. */
  readonly minVersion?: Version
  /** Default `TLSv1.3`. */
  readonly maxVersion?: Version
  /** Ciphers in OpenSSL's words. Default: the platform's. */
  readonly ciphers?: string
  /** How long the handshake may take; then the connection is reset. Default 5 s. */
  readonly handshakeTimeout?: Duration.Input
}

/**
 * What a client asks for.
 *
 * @category options
 * @since 0.1.0
 */
export interface ClientOptions extends TlsOptions {
  /** The name that the certificate has to bear, sent as SNI unless it is an IP address. Default: the host that was dialled. */
  readonly serverName?: string
  /** For servers that ask who we are (mTLS). */
  readonly identity?: Identity
  /**
   * Whether the certificate has to be trusted and bear the name. Default true; `false` takes any, also that of somebody who
   * sits between.
   */
  readonly verify?: boolean
}

/**
 * What a server offers and asks for.
 *
 * @category options
 * @since 0.1.0
 */
export interface ServerOptions extends TlsOptions {
  /** For clients that name no server, or one that is not in `names`. */
  readonly identity: Identity
  /** By server name (SNI), in lower case; `*.example.com` is any one label before `.example.com`. */
  readonly names?: Readonly<Record<string, Identity>>
  /**
   * Whether a client has to say who it is (mTLS), by a certificate that `ca` trusts. `request` takes one without, and refuses
   * one that is not trusted all the same. Default `none`.
   */
  readonly clientCertificate?: "none" | "request" | "require"
}

/**
 * On which end of the handshake this one is.
 *
 * @category options
 * @since 0.1.0
 */
export type Upgrade = ({ readonly client: ClientOptions } | { readonly server: ServerOptions }) & {
  /**
   * Bytes of the handshake that were received already, such as what came behind a PROXY header; what waits to be received
   * follows them. Without this, bytes that wait are plaintext, and the upgrade refuses them: whoever sits between could
   * have put them there, to be taken as secured (CVE-2011-0411).
   */
  readonly received?: ReadonlyArray<Uint8Array>
}

/**
 * The peer's certificate.
 *
 * @category models
 * @since 0.1.0
 */
export interface Certificate {
  /** One attribute a line, as in `CN=alice`. */
  readonly subject: string
  /** As in `DNS:example.com, IP Address:127.0.0.1`. */
  readonly altNames: string | undefined
  readonly issuer: string
  /** SHA-256, in hex with colons. */
  readonly fingerprint: string
  readonly validFrom: Date
  readonly validTo: Date
  /** DER. */
  readonly raw: Uint8Array
}

/**
 * What both ends agreed on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Session {
  /** As in `TLSv1.3`. */
  readonly version: string
  /** By its name in the standard, as in `TLS_AES_256_GCM_SHA384`. */
  readonly cipher: string
  /** The protocol to speak inside, where one was agreed on. */
  readonly alpn: string | undefined
  /** The name that the client asked for, where it did. */
  readonly serverName: string | undefined
  /** A client has it always, a server where it asked for it and got it. It was verified, unless that was turned off. */
  readonly peer: Certificate | undefined
}
