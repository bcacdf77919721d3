// The options of TLS as Effect's sockets have them, as ours.
import * as Arr from "effect/Array"
import * as Redacted from "effect/Redacted"
import type { LifecycleEvent } from "../Lifecycle.ts"
import type { Identity, Pem, Upgrade } from "../Tls.ts"

type Secret = Redacted.Redacted<Pem>

/** What we know of `Socket.TlsUpgradeOptions`, which is unstable upstream. */
interface Wanted {
  readonly servername?: string | undefined
  readonly key?: Secret | ReadonlyArray<Secret> | undefined
  readonly cert?: Pem | ReadonlyArray<Pem> | undefined
  readonly ca?: Pem | ReadonlyArray<Pem> | undefined
  readonly passphrase?: Redacted.Redacted | undefined
  readonly alpnProtocols?: ReadonlyArray<string> | undefined
  readonly requestCert?: boolean | undefined
  readonly rejectUnauthorized?: boolean | undefined
}

const decoder = new TextDecoder()
const text = (pem: Pem): string => typeof pem === "string" ? pem : decoder.decode(pem)
const joined = (pems: Pem | ReadonlyArray<Pem>): string =>
  typeof pems === "string" || pems instanceof Uint8Array ? text(pems) : pems.map(text).join("\n")

/** Undefined where there is none, or the half of one. */
const identityOf = ({ cert, key, passphrase }: Wanted): Identity | undefined =>
  cert === undefined || key === undefined ? undefined : {
    certificate: joined(cert),
    key: Redacted.make(joined(Arr.ensure(key).map(Redacted.value))),
    ...(passphrase === undefined ? undefined : { passphrase })
  }

/** Undefined where the identity that this side has to have is not there, or the half of one. */
export const upgradeOf = (side: LifecycleEvent["side"], wanted: Wanted): Upgrade | undefined => {
  const identity = identityOf(wanted)
  const { alpnProtocols, ca, rejectUnauthorized = true, requestCert = false, servername } = wanted
  const common = {
    ...(ca === undefined ? undefined : { ca: joined(ca) }),
    ...(alpnProtocols === undefined ? undefined : { alpn: alpnProtocols })
  }
  if (side === "accepted") {
    const clientCertificate = requestCert ? rejectUnauthorized ? "require" : "request" : "none"
    return identity && { server: { ...common, identity, clientCertificate } }
  }
  if (identity === undefined && (wanted.cert !== undefined || wanted.key !== undefined)) return undefined
  return {
    client: {
      ...common,
      verify: rejectUnauthorized,
      ...(identity === undefined ? undefined : { identity }),
      ...(servername === undefined ? undefined : { serverName: servername })
    }
  }
}
