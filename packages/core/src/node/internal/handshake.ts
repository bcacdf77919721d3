// A TLS handshake on a socket that is connected, with a deadline.
import * as Net from "node:net"
import * as NodeTls from "node:tls"
import * as HandshakeReason from "../../HandshakeReason.ts"
import type { Certificate, ClientOptions, ServerOptions, Session, Upgrade } from "../../Tls.ts"
import * as TransportReason from "../../TransportReason.ts"
import * as FirstRecord from "./FirstRecord.ts"
import * as secureContext from "./secureContext.ts"
import { timerMillis } from "./settings.ts"

const certificateOf = (socket: NodeTls.TLSSocket): Certificate | undefined => {
  const x509 = socket.getPeerX509Certificate()
  return x509 === undefined ? undefined : {
    subject: x509.subject,
    altNames: x509.subjectAltName,
    issuer: x509.issuer,
    fingerprint: x509.fingerprint256,
    validFrom: new Date(x509.validFrom),
    validTo: new Date(x509.validTo),
    raw: x509.raw
  }
}

const sessionOf = (socket: NodeTls.TLSSocket, serverName: string | undefined): Session => {
  const { standardName } = socket.getCipher()
  return {
    version: socket.getProtocol() ?? "",
    cipher: standardName,
    alpn: typeof socket.alpnProtocol === "string" ? socket.alpnProtocol : undefined,
    serverName,
    peer: certificateOf(socket)
  }
}

const common = ({ alpn }: ClientOptions | ServerOptions) => ({
  // The stream is to hold nothing back, as that below.
  highWaterMark: 0,
  ...(alpn === undefined ? undefined : { ALPNProtocols: [...alpn] })
})

/** The name that a client asks for: without the dot of a name that is whole, which SNI does not have (RFC 6066, section 3). */
const nameOf = ({ serverName }: ClientOptions, host: string): string => (serverName ?? host).replace(/(?<=.)\.$/, "")

const asClient = (socket: Net.Socket, options: ClientOptions, host: string): NodeTls.TLSSocket => {
  const serverName = nameOf(options, host)
  return NodeTls.connect({
    ...common(options),
    socket,
    secureContext: secureContext.ofClient(options),
    rejectUnauthorized: options.verify ?? true,
    // RFC 6066 has no IP addresses in SNI, but certificates have them.
    host: serverName,
    ...(Net.isIP(serverName) === 0 ? { servername: serverName } : undefined)
  })
}

const asServer = (
  socket: Net.Socket,
  options: ServerOptions,
  context: secureContext.ByName
): NodeTls.TLSSocket => {
  const clientCertificate = options.clientCertificate ?? "none"
  return new NodeTls.TLSSocket(socket, {
    ...common(options),
    isServer: true,
    secureContext: context(),
    requestCert: clientCertificate !== "none",
    rejectUnauthorized: clientCertificate === "require",
    SNICallback: (name, answer) => {
      try {
        answer(null, context(name))
      } catch (cause) {
        answer(cause instanceof Error ? cause : new Error(String(cause)))
      }
    }
  })
}

/**
 * OpenSSL's verdict on the client's certificate, which node:tls leaves to its own Server: undefined where it is good, or there
 * is none. Without this private method no client could be trusted.
 */
const verdictOn = (socket: NodeTls.TLSSocket): unknown => {
  if (socket.getPeerX509Certificate() === undefined) return undefined
  const ssl: unknown = Reflect.get(socket, "ssl")
  const verify: unknown = typeof ssl === "object" && ssl !== null ? Reflect.get(ssl, "verifyError") : undefined
  if (typeof verify !== "function") return new Error("this platform does not say whether the certificate is trusted")
  const verdict: unknown = Reflect.apply(verify, ssl, [])
  return verdict ?? undefined
}

// OpenSSL's code for what is no record of TLS: who looks at codes finds it, whoever has looked at the bytes.
const notTls = "ERR_SSL_WRONG_VERSION_NUMBER"

/** What a handshake needs of its caller; exactly one of the two is called, unless it is cancelled. */
export interface Course {
  /** Connected, and nobody listens for its bytes. */
  readonly socket: Net.Socket
  /** Bytes of the handshake that have come already. */
  readonly received: ReadonlyArray<Uint8Array>
  /** Who was dialled. */
  readonly host: string
  readonly tls: Upgrade
  readonly onSecured: (socket: NodeTls.TLSSocket, session: Session) => void
  readonly onFailed: (reason: TransportReason.TransportReason) => void
}

/** Gives up. The socket is the caller's to free. */
export type Cancel = () => void

export const handshake = ({ host, onFailed, onSecured, received, socket, tls }: Course): Cancel => {
  const options = "client" in tls ? tls.client : tls.server
  const afterMillis = timerMillis(options.handshakeTimeout ?? "5 seconds")
  let over = false
  let stopWaiting = () => {}
  const end = (): boolean => {
    const first = !over
    over = true
    stopWaiting()
    clearTimeout(deadline)
    return first
  }
  const fail = (reason: TransportReason.TransportReason) => {
    if (end()) onFailed(reason)
  }
  const abort = (cause?: unknown) => fail(new HandshakeReason.HandshakeAborted({ cause }))
  const onEnd = () => abort()
  const deadline = setTimeout(
    () => fail(new TransportReason.TimedOut({ afterMillis, waitedFor: "the TLS handshake" })),
    afterMillis
  )

  const onError = (cause: unknown) => {
    const reason = TransportReason.fromCause(cause)
    // Node's word for a peer that closed: no errno of the kernel's.
    const isNodes = reason._tag === "ConnectionReset" && cause instanceof Error && !("syscall" in cause)
    if (isNodes) abort(cause)
    else fail(reason)
  }
  const attempt = <A>(make: () => A): A | undefined => {
    try {
      return make()
    } catch (cause) {
      fail(secureContext.invalid(cause))
      return undefined
    }
  }
  const secure = (early: ReadonlyArray<Uint8Array>, make: () => NodeTls.TLSSocket) => {
    // TLS reads first what waits in the stream.
    for (const chunk of early.toReversed()) if (chunk.length > 0) socket.unshift(chunk)
    const secured = attempt(make)
    if (secured === undefined) return
    const onSecure = () => {
      const verdict = "server" in tls ? verdictOn(secured) : undefined
      if (verdict !== undefined) {
        const code = verdict instanceof Error && "code" in verdict ? String(verdict.code) : undefined
        return fail(new HandshakeReason.UntrustedCertificate({ code, cause: verdict }))
      }
      if (!end()) return
      secured.off("error", onError).off("close", onEnd).off("end", onEnd)
      const asked = "client" in tls ? nameOf(tls.client, host) : Reflect.get(secured, "servername")
      onSecured(secured, sessionOf(secured, typeof asked === "string" && Net.isIP(asked) === 0 ? asked : undefined))
    }
    secured.on("error", onError).on("close", onEnd).on("end", onEnd)
    secured.once("client" in tls ? "secureConnect" : "secure", onSecure)
  }
  const begin = (error?: Error | null) => {
    if (over) return
    if (error != null) return fail(TransportReason.fromCause(error))
    if ("client" in tls) return secure(received, () => asClient(socket, tls.client, host))
    const { server } = tls
    // Options that cannot work say so whoever it is that came, and not only to who speaks TLS.
    const context = attempt(() => {
      const byName = secureContext.ofServer(server)
      byName()
      return byName
    })
    if (context === undefined) return
    stopWaiting = FirstRecord.wait(socket, received, {
      onBegun: (early) => secure(early, () => asServer(socket, server, context)),
      onNotTls: () => fail(new HandshakeReason.NotTls({ code: notTls })),
      onEnd,
      onError
    })
  }
  // What was sent before is plaintext, and goes first.
  if (socket.writableLength === 0) begin()
  else socket.write("", begin)
  return end
}
