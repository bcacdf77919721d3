// The options of TLS as node:tls has them, each set of them read once.
import * as Redacted from "effect/Redacted"
import * as Tls from "node:tls"
import { InvalidTls } from "../../HandshakeReason.ts"
import type { Identity, Pem, ServerOptions, TlsOptions } from "../../Tls.ts"
import * as TransportReason from "../../TransportReason.ts"

const bytes = (pem: Pem): string | Buffer => {
  // node:tls would go on without.
  if (pem.length === 0) throw new Error("a certificate or key is empty")
  return typeof pem === "string" ? pem : Buffer.from(pem.buffer, pem.byteOffset, pem.byteLength)
}

const all = (pems: Pem | ReadonlyArray<Pem>): Array<string | Buffer> => (Array.isArray(pems) ? pems : [pems]).map(bytes)

const create = (options: TlsOptions, identity: Identity | undefined): Tls.SecureContext =>
  Tls.createSecureContext({
    minVersion: options.minVersion ?? "TLSv1.2",
    maxVersion: options.maxVersion ?? "TLSv1.3",
    ...(options.ca === undefined ? undefined : { ca: all(options.ca) }),
    ...(options.ciphers === undefined ? undefined : { ciphers: options.ciphers }),
    ...(identity === undefined ? undefined : {
      cert: bytes(identity.certificate),
      key: bytes(Redacted.isRedacted(identity.key) ? Redacted.value(identity.key) : identity.key),
      ...(identity.passphrase === undefined ? undefined : { passphrase: Redacted.value(identity.passphrase) })
    })
  })

/** Of one set of options, by server name; `""` is the one without a name. */
interface Contexts {
  readonly options: TlsOptions
  readonly identities: ReadonlyMap<string, Identity | undefined>
  readonly made: Map<string, Tls.SecureContext>
}

// A context takes half a millisecond and 100 KiB (OpenSSL): never one a connection.
const known = new WeakMap<TlsOptions, Contexts>()

const contextOf = (contexts: Contexts, name: string): Tls.SecureContext => {
  const made = contexts.made.get(name) ?? create(contexts.options, contexts.identities.get(name))
  contexts.made.set(name, made)
  return made
}

const contextsOf = (
  options: TlsOptions,
  identities: ReadonlyArray<readonly [string, Identity | undefined]>
): Contexts => {
  const contexts = known.get(options) ?? { options, identities: new Map(identities), made: new Map() }
  known.set(options, contexts)
  return contexts
}

/** Throws what OpenSSL says of the options. */
export const ofClient = (options: TlsOptions & { readonly identity?: Identity }): Tls.SecureContext =>
  contextOf(contextsOf(options, [["", options.identity]]), "")

/** By the name that a client asks for; without it, for those who ask for none. */
export type ByName = (name?: string) => Tls.SecureContext

/** Both steps throw what OpenSSL says of the options. */
export const ofServer = (options: ServerOptions): ByName => {
  const contexts = contextsOf(options, [["", options.identity], ...Object.entries(options.names ?? {})])
  return (name = "") => {
    // Clients that ask for a name as it was written send the dot behind it, too.
    const exact = name.toLowerCase().replace(/\.$/, "")
    const wildcard = exact.replace(/^[^.]+/, "*")
    return contextOf(contexts, [exact, wildcard].find((each) => contexts.identities.has(each)) ?? "")
  }
}

/** What the options of TLS cannot do. */
export const invalid = (cause: unknown): TransportReason.TransportReason => {
  const { code } = TransportReason.fromCause(cause)
  return new InvalidTls({ code, cause, detail: cause instanceof Error ? cause.message : String(cause) })
}

/** Why no handshake could succeed with the options; every identity is looked at. */
export const problemOf = (options: ServerOptions): TransportReason.TransportReason | undefined => {
  try {
    const context = ofServer(options)
    for (const name of ["", ...Object.keys(options.names ?? {})]) context(name)
    return undefined
  } catch (cause) {
    return invalid(cause)
  }
}
