/**
 * What can go wrong with a TLS handshake, one tagged class a cause, classified by OpenSSL's and Node's codes.
 *
 * They are `TransportReason`s: with TLS 1.3 a server's refusal of a client arrives when that already receives.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type { Fault, Retry } from "./TransportReason.ts"

/**
 * The peer's certificate is not trusted: no known root has signed it (`SELF_SIGNED_CERT_IN_CHAIN`,
 * `DEPTH_ZERO_SELF_SIGNED_CERT`, `UNABLE_TO_VERIFY_LEAF_SIGNATURE`), or it is expired, not yet valid, revoked or for
 * another purpose (`CERT_HAS_EXPIRED`, ...).
 *
 * @category reasons
 * @since 0.1.0
 */
export class UntrustedCertificate extends Data.TaggedError("UntrustedCertificate")<Fault> {
  readonly retry: Retry = "never"
  override get message(): string {
    return `the peer's certificate is not trusted: ${detailOf(this)}`
  }
}

/**
 * `ERR_TLS_CERT_ALTNAME_INVALID`: the server's certificate is another one's.
 *
 * @category reasons
 * @since 0.1.0
 */
export class HostnameMismatch extends Data.TaggedError("HostnameMismatch")<Fault> {
  readonly retry: Retry = "never"
  override get message(): string {
    return `the certificate does not bear the name: ${detailOf(this)}`
  }
}

/**
 * No certificate came of a client that has to have one (`ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE`).
 *
 * @category reasons
 * @since 0.1.0
 */
export class CertificateMissing extends Data.TaggedError("CertificateMissing")<Fault> {
  readonly retry: Retry = "never"
  override readonly message = "the client sent no certificate"
}

/**
 * The peer said that it does not take our certificate, or that it wants one and got none (alerts `certificate_required`,
 * `bad_certificate`, `unknown_ca`, `certificate_expired`, ...).
 *
 * @category reasons
 * @since 0.1.0
 */
export class CertificateRefused extends Data.TaggedError("CertificateRefused")<Fault> {
  readonly retry: Retry = "never"
  override get message(): string {
    return `the peer refused our certificate: ${detailOf(this)}`
  }
}

/**
 * The ends share no version of TLS (`ERR_SSL_UNSUPPORTED_PROTOCOL`, alert `protocol_version`).
 *
 * @category reasons
 * @since 0.1.0
 */
export class VersionMismatch extends Data.TaggedError("VersionMismatch")<Fault> {
  readonly retry: Retry = "never"
  override readonly message = "both ends share no version of TLS"
}

/**
 * The ends share no cipher, curve or signature (`ERR_SSL_NO_SHARED_CIPHER`, alert `handshake_failure`, which does not say
 * which).
 *
 * @category reasons
 * @since 0.1.0
 */
export class CipherMismatch extends Data.TaggedError("CipherMismatch")<Fault> {
  readonly retry: Retry = "never"
  override readonly message = "both ends share no cipher"
}

/**
 * The ends share no protocol to speak inside, ALPN (`ERR_SSL_NO_APPLICATION_PROTOCOL`, alert `no_application_protocol`).
 *
 * @category reasons
 * @since 0.1.0
 */
export class AlpnMismatch extends Data.TaggedError("AlpnMismatch")<Fault> {
  readonly retry: Retry = "never"
  override readonly message = "both ends share no application protocol (ALPN)"
}

/**
 * What came is not TLS (`ERR_SSL_WRONG_VERSION_NUMBER`, `ERR_SSL_HTTP_REQUEST`, ...): the peer speaks plaintext, or garbage.
 *
 * @category reasons
 * @since 0.1.0
 */
export class NotTls extends Data.TaggedError("NotTls")<Fault> {
  readonly retry: Retry = "never"
  override readonly message = "the peer does not speak TLS"
}

/**
 * Bytes waited to be received when the connection was to be secured. They came without protection, and would be taken for
 * protected ones.
 *
 * @category reasons
 * @since 0.1.0
 */
export class PlaintextWaiting extends Data.TaggedError("PlaintextWaiting")<Fault & { readonly bytes: number }> {
  readonly retry: Retry = "never"
  override get message(): string {
    return `${this.bytes} bytes of plaintext wait before the handshake`
  }
}

/**
 * The peer closed in the middle of the handshake and did not say why. A client does so that does not trust our certificate,
 * and a server that takes no more connections.
 *
 * @category reasons
 * @since 0.1.0
 */
export class HandshakeAborted extends Data.TaggedError("HandshakeAborted")<Fault> {
  readonly retry: Retry = "after-backoff"
  override readonly message = "the peer closed the connection during the handshake"
}

/**
 * Anything else that OpenSSL found: a broken record, an alert without a class of its own. The `code` says which.
 *
 * @category reasons
 * @since 0.1.0
 */
export class TlsViolation extends Data.TaggedError("TlsViolation")<Fault> {
  readonly retry: Retry = "never"
  override get message(): string {
    return `TLS failed: ${detailOf(this)}`
  }
}

/**
 * The options of TLS cannot work: a certificate or key that is none or does not belong to the other, a cipher that does not
 * exist, a connection that is secured or half-closed already, a transport that has no TLS.
 *
 * @category reasons
 * @since 0.1.0
 */
export class InvalidTls extends Data.TaggedError("InvalidTls")<Fault & { readonly detail: string }> {
  readonly retry: Retry = "never"
  override get message(): string {
    return `TLS cannot be had: ${this.detail}`
  }
}

/**
 * Any reason of a handshake that is none of a plain connection.
 *
 * @category models
 * @since 0.1.0
 */
export type HandshakeReason =
  | UntrustedCertificate
  | HostnameMismatch
  | CertificateMissing
  | CertificateRefused
  | VersionMismatch
  | CipherMismatch
  | AlpnMismatch
  | NotTls
  | PlaintextWaiting
  | HandshakeAborted
  | TlsViolation
  | InvalidTls

/** OpenSSL's and Node's errors have a short `reason`; their message has the address of a thread and a line of C as well. */
const detailOf = ({ cause, code }: Fault): string => {
  if (!(cause instanceof Error)) return code ?? "it does not say why"
  return "reason" in cause && typeof cause.reason === "string" ? cause.reason : cause.message
}

type Made = new(fault: Fault) => Exclude<HandshakeReason, PlaintextWaiting | InvalidTls>

const byCode: Readonly<Record<string, Made>> = {
  ERR_TLS_CERT_ALTNAME_INVALID: HostnameMismatch,
  HOSTNAME_MISMATCH: HostnameMismatch,
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: CertificateMissing,
  ERR_SSL_UNSUPPORTED_PROTOCOL: VersionMismatch,
  ERR_SSL_VERSION_TOO_LOW: VersionMismatch,
  ERR_SSL_WRONG_SSL_VERSION: VersionMismatch,
  ERR_SSL_INAPPROPRIATE_FALLBACK: VersionMismatch,
  ERR_SSL_TLSV1_ALERT_INAPPROPRIATE_FALLBACK: VersionMismatch,
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: VersionMismatch,
  ERR_SSL_NO_SHARED_CIPHER: CipherMismatch,
  ERR_SSL_NO_SUITABLE_KEY_SHARE: CipherMismatch,
  ERR_SSL_NO_SUITABLE_GROUPS: CipherMismatch,
  ERR_SSL_NO_SHARED_GROUPS: CipherMismatch,
  ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM: CipherMismatch,
  ERR_SSL_NO_SHARED_SIGNATURE_ALGORITHMS: CipherMismatch,
  ERR_SSL_TLSV1_ALERT_INSUFFICIENT_SECURITY: CipherMismatch,
  "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE": CipherMismatch,
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: CipherMismatch,
  ERR_SSL_NO_APPLICATION_PROTOCOL: AlpnMismatch,
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: AlpnMismatch,
  ERR_SSL_WRONG_VERSION_NUMBER: NotTls,
  ERR_SSL_HTTP_REQUEST: NotTls,
  ERR_SSL_HTTPS_PROXY_REQUEST: NotTls,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NotTls,
  ERR_SSL_RECORD_LENGTH_MISMATCH: NotTls,
  ERR_SSL_BAD_RECORD_TYPE: NotTls,
  ERR_SSL_UNKNOWN_PROTOCOL: NotTls,
  ERR_SSL_UNEXPECTED_EOF_WHILE_READING: HandshakeAborted
}

// OpenSSL's verdicts on a chain (X509_V_ERR_...), as Node names them.
const untrusted =
  /^(CERT_|CRL_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_|INVALID_(CA|PURPOSE)|PATH_LENGTH_EXCEEDED|ERROR_IN_C)/

// What a peer says of our certificate (RFC 8446, section 6.2), as OpenSSL names the alerts: the family depends on the version.
const refused =
  /^ERR_SSL_(SSL\/TLS|SSLV3|TLSV1|TLSV13)_ALERT_(NO_CERTIFICATE|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_\w+|UNKNOWN_CA|ACCESS_DENIED|UNKNOWN_PSK_IDENTITY|UNRECOGNIZED_NAME|BAD_CERTIFICATE_STATUS_RESPONSE)/

/**
 * The class of a code of OpenSSL's or Node's TLS; undefined where it is none of theirs.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromCode = (code: string): Made | undefined => {
  if (Object.hasOwn(byCode, code)) return byCode[code]
  if (untrusted.test(code)) return UntrustedCertificate
  if (refused.test(code)) return CertificateRefused
  return code.startsWith("ERR_SSL_") || code.startsWith("ERR_TLS_") ? TlsViolation : undefined
}
