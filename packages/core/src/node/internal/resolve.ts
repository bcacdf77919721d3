// Names to IP addresses, in the order in which RFC 8305 tries them.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { AddressResolver, type ResolveOptions } from "effect/net/AddressResolver"
import * as Dns from "effect/net/Dns"
import * as NetAddress from "effect/net/NetAddress"
import dns from "node:dns"
import * as Net from "node:net"
import * as TransportReason from "../../TransportReason.ts"

export { AddressResolver }

/**
 * `dns.lookup` for all addresses. A resolver of another's making can answer anything, or nothing. What it returns, if anything,
 * ends it early.
 */
export type Lookup = (
  name: string,
  // Not `dns.LookupAllOptions`: the declarations of this package compile without Node's.
  options: { readonly all: true; readonly order: "verbatim"; readonly family: 0 | 4 | 6 },
  answer: (error: Error | null, addresses?: ReadonlyArray<{ readonly address: string }>) => void
) => void | (() => void)

/** The operating system's resolver. Nothing ends it early. */
export const systemLookup: Lookup = (name, options, answer) => dns.lookup(name, options, answer)

// The errno names that the operating system's resolver has for the same.
const codes: Partial<Record<Dns.DnsErrorReason, string>> = {
  NotFound: "ENOTFOUND",
  Timeout: "EAI_AGAIN",
  Temporary: "EAI_AGAIN",
  ServerFailure: "EAI_AGAIN",
  Refused: "EAI_AGAIN",
  BadName: "EINVAL"
}

/** The resolver of `effect/net`. */
export const lookupOf = (resolver: AddressResolver["Service"]): Lookup => (name, options, answer) => {
  const family = options.family === 4 ? "IPv4" : options.family === 6 ? "IPv6" : undefined
  const wanted: ResolveOptions = { family }
  return Effect.runCallback(resolver.resolve({ host: name, port: 0 }, wanted), {
    onExit: Exit.match({
      onSuccess: (found) => answer(null, found.map(({ address }) => ({ address: NetAddress.formatIp(address) }))),
      onFailure: (cause) => {
        const error = Cause.squash(cause)
        const code = error instanceof Dns.DnsError ? codes[error.reason] : undefined
        answer(Object.assign(new Error(String(error), { cause: error }), { code }))
      }
    })
  })
}

/** The families in turn, the resolver's first one first: a family without a route costs a delay, not one an address. */
export const interleave = (hosts: ReadonlyArray<string>): ReadonlyArray<string> => {
  const family = Net.isIP(hosts[0] ?? "")
  const first = hosts.filter((host) => Net.isIP(host) === family)
  const second = hosts.filter((host) => Net.isIP(host) !== family)
  return Array.from(
    { length: Math.max(first.length, second.length) },
    (_, i) => [...first.slice(i, i + 1), ...second.slice(i, i + 1)]
  ).flat()
}

/**
 * The addresses of a name, each once, at least one, or why there are none. Returns what ends it early, where anything does:
 * who no longer waits ignores its answer.
 */
export const resolve = (
  lookup: Lookup,
  name: string,
  family: 4 | 6 | undefined,
  answer: (result: ReadonlyArray<string> | TransportReason.TransportReason) => void
): void | (() => void) =>
  lookup(name, { all: true, order: "verbatim", family: family ?? 0 }, (error, addresses = []) => {
    if (error !== null) return answer(TransportReason.fromCause(error))
    const hosts = Array.from(new Set(addresses.map(({ address }) => address)))
    const usable = hosts.filter((host) => family === undefined ? Net.isIP(host) !== 0 : Net.isIP(host) === family)
    if (usable.length > 0) return answer(interleave(usable))
    // node:net would take these for names, and throw for none at all.
    const strange = hosts.find((host) => Net.isIP(host) === 0)
    answer(
      strange === undefined
        ? new TransportReason.NameNotFound({})
        : new TransportReason.InvalidAddress({ detail: `the resolver answered ${JSON.stringify(strange)}` })
    )
  })
